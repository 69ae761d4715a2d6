/** Something about the machine is in the way: what was tried, on what, and what the user can do about it. */
export class HostError extends Error {
  /** One sentence that starts with a verb, e.g. `Install nftables (Debian: apt-get install nftables)`. */
  readonly remedy: string;
  constructor(what: string, { remedy, cause }: { readonly remedy: string; readonly cause?: unknown }) {
    super(what, cause === undefined ? undefined : { cause });
    this.name = 'HostError';
    this.remedy = remedy;
  }
}

/** Code of a system error (`ENOENT`, `EACCES`), undefined for other values. */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** Debian's package for a program, where the name is not the same. */
const packages: Readonly<Record<string, string>> = {
  nft: 'nftables',
  ip: 'iproute2',
  ctr: 'containerd',
  setpriv: 'util-linux',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  umount: 'mount',
  sysctl: 'procps',
};

/** The error for a program that could not be started. */
export function cannotStart(program: string, cause: unknown): HostError {
  const name = program.slice(program.lastIndexOf('/') + 1);
  switch (errorCode(cause)) {
    case 'ENOENT':
      return new HostError(`Cannot start ${JSON.stringify(program)}: there is no such program`, {
        remedy: `Install it (Debian: apt-get install ${packages[name] ?? name})`,
        cause,
      });
    case 'EACCES':
      return new HostError(`Cannot start ${JSON.stringify(program)}: permission denied`, {
        remedy: 'Run as root, or make the file executable',
        cause,
      });
    default:
      return new HostError(
        `Cannot start ${JSON.stringify(program)}: ${cause instanceof Error ? cause.message : String(cause)}`,
        {
          remedy: 'Look at the cause and try again',
          cause,
        },
      );
  }
}

/** nftables: one script, one transaction. */
import { HostError } from './host-error.ts';
import type { Spawner } from './spawner.ts';

export interface Nft {
  /** Applies a whole script or nothing of it. @throws HostError with nft's message and the line it complains about. */
  apply(script: string, signal?: AbortSignal): Promise<void>;
  /** The JSON of `nft -j list ...`. */
  list(...what: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

export function createNft(spawner: Spawner): Nft {
  return {
    async apply(script, signal) {
      const { code, stderr } = await spawner.run('nft', ['-f', '-'], {
        stdin: script,
        timeoutMs: 60_000,
        ...(signal ? { signal } : {}),
      });
      if (code === 0) return;
      const text = stderr.toString().trim();
      throw new HostError(`nft refused the rules: ${text.slice(0, 2000)}`, {
        remedy: /not permitted/.test(text) ? 'Run as root' : 'Check that the kernel has nf_tables',
      });
    },
    async list(...what) {
      const { code, stdout, stderr } = await spawner.run('nft', ['-j', 'list', ...what], {
        timeoutMs: 60_000,
        maxOutputBytes: 256 * 1024 * 1024,
      });
      if (code !== 0)
        throw new HostError(`nft list ${what.join(' ')} failed: ${stderr.toString().trim()}`, {
          remedy: 'Run as root',
        });
      return (JSON.parse(stdout.toString()) as { nftables: readonly Readonly<Record<string, unknown>>[] }).nftables;
    },
  };
}

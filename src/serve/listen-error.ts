/** Why a server could not listen, as one sentence with the remedy. `code` is the system's (`EADDRINUSE`, ...). */
export class ListenError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ListenError';
    this.code = code;
  }
}

export function listenError(cause: unknown, host: string, port: number): ListenError {
  const code = errorCode(cause);
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new ListenError(code, sentence(code, where, host, port, cause), { cause });
}

function sentence(code: string, where: string, host: string, port: number, cause: unknown): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Cannot listen on ${where}: another program holds the port; end it (\`ss -ltnp sport = :${port}\` names it) or choose another port`;
    case 'EACCES':
      return `Cannot listen on ${where}: ports below 1024 need root; choose a higher port or start as root`;
    case 'EADDRNOTAVAIL':
      return `Cannot listen on ${where}: ${host} is not an address of this machine; use one of \`ip -brief address\` or 0.0.0.0`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `Cannot listen on ${where}: the name ${host} does not resolve; use an IP address`;
    case 'EMFILE':
    case 'ENFILE':
      return `Cannot listen on ${where}: no file descriptors left; raise the limit (\`ulimit -n\`)`;
    default:
      return `Cannot listen on ${where}: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}

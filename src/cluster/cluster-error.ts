/** What went wrong and where in one sentence, and what to do next in another: the command prints both and exits with 1. */
export class ClusterError extends Error {
  readonly remedy: string;
  constructor(message: string, remedy: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ClusterError';
    this.remedy = remedy;
  }
}

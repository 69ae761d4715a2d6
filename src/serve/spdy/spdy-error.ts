/** Why a SPDY session ended early. */
export class SpdyError extends Error {
  /** protocol: the peer broke the rules; closed: the connection is gone; refused: the peer takes no (more) streams. */
  readonly code: 'protocol' | 'closed' | 'refused';
  constructor(code: 'protocol' | 'closed' | 'refused', message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SpdyError';
    this.code = code;
  }
}

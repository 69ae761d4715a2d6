/** The ApiRequest that both protocols build. Its signal is made only when somebody asks: most requests are answered without one. */
import type { Readable } from 'node:stream';
import type { ApiRequest, Headers, PeerCertificate } from '../api/exchange.ts';

export class IncomingRequest implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Headers;
  readonly peer?: PeerCertificate;
  readonly remoteAddress: string;
  body?: { readonly bytes: Uint8Array };
  bodyStream?: Readable;
  /** Called once when the request aborts: cheaper than a signal for those that have only one thing to tell. */
  onAbort: (() => void) | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #aborted = false;
  #answered = false;

  readonly #rawHeaders: readonly string[];

  /** @param rawHeaders names alternating with values, as they came */
  constructor(
    method: string,
    url: string,
    headers: Headers,
    peer: PeerCertificate | undefined,
    remoteAddress: string,
    rawHeaders: readonly string[],
  ) {
    this.#rawHeaders = rawHeaders;
    const mark = url.indexOf('?');
    this.method = method;
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 ? '' : url.slice(mark + 1);
    this.headers = headers;
    if (peer !== undefined) this.peer = peer;
    this.remoteAddress = remoteAddress;
  }

  lines(name: string): readonly string[] {
    const raw = this.#rawHeaders;
    const found: string[] = [];
    for (let i = 0; i + 1 < raw.length; i += 2) if (raw[i]!.toLowerCase() === name) found.push(raw[i + 1]!);
    return found;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  /** The answer is written: nobody looks at the signal any more, and an abort would cost an exception with its stack. */
  answered(): void {
    this.#answered = true;
  }

  expire(): void {
    this.#controller?.abort();
  }

  /** The caller went away or the server stops. Idempotent; nothing after `answered`. */
  abort(): void {
    if (this.#aborted || this.#answered) return;
    this.#aborted = true;
    this.#controller?.abort();
    this.onAbort?.();
  }
}

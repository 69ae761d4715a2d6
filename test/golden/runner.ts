/** Replays golden cases against a server in this process, in virtual time. */
import type { ApiRequest, ApiResponse } from '../../src/api/exchange.ts';
import type { VirtualClock } from '../../src/base/virtual-clock.ts';
import { responseBytes } from '../support/response-bytes.ts';
import type { Case, Preparation, Send } from './cases.ts';
import { differences } from './match.ts';
import type { GoldenServer } from './server.ts';

export interface Outcome {
  readonly name: string;
  /** Empty: it matches exactly. */
  readonly differences: readonly string[];
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** How far virtual time may go for one answer: the longest watch lasts ten seconds. */
const limitMs = 20_000;

export class Runner {
  readonly #server: GoldenServer;
  readonly #saved = new Map<string, string>();

  constructor(server: GoldenServer) {
    this.#server = server;
  }

  async run(cases: readonly Case[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const one of cases) outcomes.push({ name: one.name, differences: await this.#case(one) });
    return outcomes;
  }

  async #case(one: Case): Promise<string[]> {
    const problems: string[] = [];
    for (const step of one.prepare ?? []) problems.push(...(await this.#prepare(step)));
    this.#saved.set('rv', String(await this.#server.revision()));
    const answer = await this.#send(one.send, one.during);
    return [...problems, ...this.#compare(one, answer)];
  }

  async #prepare(step: Preparation): Promise<string[]> {
    if ('save' in step) {
      this.#saved.set(step.save, String(await this.#server.revision()));
      return [];
    }
    if ('compact' in step) {
      await this.#server.compact();
      return [];
    }
    if ('save-expired' in step) {
      // A page that ends at "both": the continued list goes on with what comes later in the alphabet.
      const list = await this.#send({ method: 'GET', path: `${step['save-expired']}?limit=1000` });
      const names = (JSON.parse(list.bytes.toString()) as { items: { metadata: { name: string } }[] }).items.map(
        (item) => item.metadata.name,
      );
      const upTo = names.indexOf('both') + 1;
      const page = await this.#send({ method: 'GET', path: `${step['save-expired']}?limit=${Math.max(1, upTo)}` });
      const { metadata } = JSON.parse(page.bytes.toString()) as {
        metadata: { continue?: string; resourceVersion: string };
      };
      this.#saved.set('expired continue', metadata.continue ?? '');
      this.#saved.set('compacted rv', metadata.resourceVersion);
      return [];
    }
    const answer = await this.#send(step);
    if (answer.status < 300 || step.allow) return [];
    return [`preparation ${step.method} ${step.path}: ${answer.status} ${answer.bytes.toString().slice(0, 600)}`];
  }

  async #send(send: Send, during: readonly Send[] = []): Promise<Answer> {
    const clock = this.#server.clock;
    const path = this.#filled(send.path);
    const at = path.indexOf('?');
    const text =
      send.text ?? (send.body === undefined ? undefined : JSON.stringify(await this.#filledBody(send, path)));
    const leave = new AbortController();
    const request: ApiRequest = {
      method: send.method,
      path: at < 0 ? path : path.slice(0, at),
      query: at < 0 ? '' : path.slice(at + 1),
      headers: {
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        'user-agent': '',
        ...send.headers,
      },
      ...(text === undefined ? {} : { body: { bytes: Buffer.from(text) } }),
      remoteAddress: '192.0.2.1',
      signal: leave.signal,
      ...this.#server.identity(send.user ?? 'admin'),
    };
    const response = await settled(clock, this.#server.handler(request));
    const body = responseBytes(response);
    if (during.length > 0) await clock.settle();
    for (const step of during) await this.#send(step);
    const bytes = await settled(clock, body);
    leave.abort();
    const answer = { status: response.status, headers: response.headers, bytes };
    this.#remember(send, answer);
    return answer;
  }

  /** Named values from earlier answers in a path. */
  #filled(path: string): string {
    return path.replace(/<([a-z0-9 ]+)>/g, (whole, name: string) => {
      const value = this.#saved.get(name === 'continue from the 410 answer' ? 'continue' : name);
      return value === undefined ? whole : encodeURIComponent(value);
    });
  }

  /** `<rv>` and `<uid>` of a body are those of the object it is sent to. */
  async #filledBody(send: Send, path: string): Promise<unknown> {
    const text = JSON.stringify(send.body);
    if (!/<(rv|uid|time|rand)>/.test(text)) return send.body;
    const target = path.split('?')[0]!;
    const got = await this.#send({ method: 'GET', path: target });
    const live = got.status === 200 ? (JSON.parse(got.bytes.toString()) as LiveObject) : undefined;
    const volume = live?.spec?.volumes?.find(({ name }) => name?.startsWith('kube-api-access-'))?.name ?? '';
    return JSON.parse(
      text
        .replaceAll('"resourceVersion":"<rv>"', `"resourceVersion":"${live?.metadata.resourceVersion ?? ''}"`)
        .replaceAll('"uid":"<uid>"', `"uid":"${live?.metadata.uid ?? ''}"`)
        .replaceAll('kube-api-access-<rand>', volume === '' ? 'kube-api-access-none' : volume)
        .replaceAll('<time>', live?.metadata.creationTimestamp ?? '2026-01-01T00:00:00Z')
        .replaceAll('<rv>', '1'),
    );
  }

  #remember(send: Send, { bytes, headers }: Answer): void {
    if (send.method !== 'GET' || !headers['content-type']?.startsWith('application/json')) return;
    const text = bytes.toString();
    if (text.includes('"type":"')) return;
    const token = /"continue":"([^"]+)"/.exec(text)?.[1];
    if (token) this.#saved.set('continue', token);
  }

  #compare({ expect }: Case, { status, headers, bytes }: Answer): string[] {
    const found: string[] = [];
    if (status !== expect.code) found.push(`code: expected ${expect.code}, got ${status}`);
    for (const [name, value] of Object.entries(expect.headers ?? {}))
      if (headers[name] !== value) found.push(`header ${name}: expected ${value}, got ${headers[name]}`);
    const warnings = headers.warning;
    const wanted = expect.warnings?.join(', ');
    if (warnings !== wanted) found.push(`warnings: expected ${wanted}, got ${warnings}`);
    if (expect.prefixHex !== undefined && !bytes.toString('hex').startsWith(expect.prefixHex))
      found.push(`bytes: expected prefix ${expect.prefixHex}`);
    if (expect.text !== undefined && bytes.toString() !== expect.text)
      found.push(
        `text: expected ${JSON.stringify(expect.text)}, got ${JSON.stringify(bytes.toString().slice(0, 800))}`,
      );
    if (expect.body !== undefined) found.push(...differences(expect.body, parsed(bytes)));
    if (expect.events !== undefined)
      found.push(
        ...differences(
          expect.events,
          bytes
            .toString()
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => parsed(Buffer.from(line))),
        ),
      );
    if (expect.names !== undefined) {
      const list = parsed(bytes) as { readonly items?: readonly { readonly metadata: { readonly name: string } }[] };
      found.push(
        ...differences(
          expect.names,
          list.items?.map((item) => item.metadata.name),
        ),
      );
    }
    return found;
  }
}

interface LiveObject {
  readonly metadata: { readonly resourceVersion?: string; readonly uid?: string; readonly creationTimestamp?: string };
  readonly spec?: { readonly volumes?: readonly { readonly name?: string }[] };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return `not JSON: ${bytes.toString().slice(0, 300)}`;
    throw error;
  }
}

/** Waits for a promise while turning the clock. */
async function settled<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const mark = (): void => {
    done = true;
  };
  promise.then(mark, mark);
  await clock.settle();
  for (let waited = 0; !done; waited += 100) {
    if (waited > limitMs) throw new Error('No answer within 20 s of virtual time');
    await clock.advance(100);
  }
  return promise;
}

/**
 * Drives every endpoint of an API server in this process with random requests and looks for what must never be: a 5xx (but for those that are the truth), an answer nobody can
 * read, a request without an answer, a stored object that a GET cannot show in each encoding.
 */
import { decodeProtobuf } from '../../src/api/codec/protobuf/index.ts';
import { parseYaml } from '../../src/api/codec/yaml.ts';
import type { ApiRequest, ApiResponse, ResponseBody } from '../../src/api/exchange.ts';
import { builtinSchema } from '../../src/api/schema/builtin.ts';
import type { ResourceSchema } from '../../src/api/schema/model.ts';
import { createSeededRandom } from '../../src/base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../../src/base/virtual-clock.ts';
import { type GoldenServer, startServer } from '../golden/server.ts';
import { type FuzzRequest, type LiveObject, randomRequest } from './requests.ts';

export interface Finding {
  readonly what: string;
  readonly request: FuzzRequest;
  readonly status: number;
  readonly answer: string;
  /** `seed/round/index`: what replays it. */
  readonly where: string;
}

export interface FuzzResult {
  readonly requests: number;
  readonly statuses: Readonly<Record<number, number>>;
  readonly stored: number;
  readonly findings: readonly Finding[];
}

/** Requests to one server; then a new one, so that what one request broke (a webhook, a quota, an APIService) does not spoil all the others. */
const perRound = 300;
const findingsMax = 20;

export interface FuzzOptions {
  readonly seed: number;
  /** Asked before each round and now and then. */
  readonly goOn: () => boolean;
  /** Only this round: to replay a finding. */
  readonly round?: number;
}

export async function fuzz({ seed, goOn, round: only }: FuzzOptions): Promise<FuzzResult> {
  const statuses: Record<number, number> = {};
  const findings: Finding[] = [];
  let requests = 0;
  let stored = 0;
  for (let round = only ?? 0; goOn() && findings.length < findingsMax; round++) {
    const random = createSeededRandom((seed + Math.imul(round, 0x9e3779b1)) >>> 0);
    const clock = createVirtualClock();
    const live: LiveObject[] = [];
    const server = await startServer({
      clock,
      options: {
        reach: () => ({ host: '127.0.0.1', port: 1 }),
        webhooks: {
          call: async ({ body }) => ({
            ...body,
            response: { uid: (body.request as { uid?: string } | undefined)?.uid ?? '', allowed: true },
          }),
        },
      },
    });
    try {
      for (let index = 0; index < perRound; index++) {
        if (index % 20 === 19 && !goOn()) break;
        const request = randomRequest(random, live);
        requests++;
        const answer = await answerOf(server, clock, request);
        const where = `${seed}/${round}/${index}`;
        const report = (what: string, status: number, text: string): void => {
          findings.push({ what, request, status, answer: text.slice(0, 2000), where });
        };
        if (answer === undefined) {
          report('no answer', 0, '');
          continue;
        }
        const { status, text } = answer;
        statuses[status] = (statuses[status] ?? 0) + 1;
        const problem = problemOf(request, answer);
        if (problem) report(problem, status, text);
        if (request.target && (status === 200 || status === 201) && !/dryRun=/.test(request.query)) {
          const { resource, base } = request.target;
          const name = nameOf(text);
          if (name !== undefined && status === 201) live.push({ resource, base, name });
          const unreadable = await readBack(server, clock, request.target, name);
          if (unreadable) report(unreadable.what, unreadable.status, unreadable.text);
          stored++;
        }
      }
    } finally {
      await server.stop();
    }
    if (only !== undefined) break;
  }
  return { requests, statuses, stored, findings };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
}

type Server = Omit<GoldenServer, 'clock'>;

/** @returns undefined when no answer came, although the clock went on for longer than any limit */
async function answerOf(server: Server, clock: VirtualClock, request: FuzzRequest): Promise<Answer | undefined> {
  const leave = new AbortController();
  const sent: ApiRequest = {
    method: request.method,
    path: request.path,
    query: request.query,
    headers: request.headers,
    ...(request.body === undefined ? {} : { body: { bytes: request.body } }),
    ...server.identity(request.user),
    remoteAddress: '192.0.2.1',
    signal: leave.signal,
  };
  const response = await patiently(server.handler(sent), clock);
  const answer = response && (await patiently(readAnswer(response), clock));
  leave.abort();
  return answer;
}

const nothing = Symbol('nothing yet');

/** Turns the clock only while nothing else moves: real sockets (a proxy's) need real turns. */
async function patiently<T>(work: Promise<T>, clock: VirtualClock): Promise<T | undefined> {
  for (let turn = 0; turn < 400; turn++) {
    const settled = await Promise.race([
      work,
      new Promise<typeof nothing>((resolve) => setImmediate(() => resolve(nothing))),
    ]);
    if (settled !== nothing) return settled as T;
    if (turn > 50) await clock.advance(1000);
  }
  return undefined;
}

async function readAnswer(response: ApiResponse): Promise<Answer> {
  let bytes: Buffer;
  try {
    bytes = await bytesOf(response.body);
  } catch (error) {
    const text = `the answer broke off: ${error instanceof Error ? error.stack : String(error)}`;
    return { status: 599, headers: {}, bytes: Buffer.alloc(0), text };
  }
  return { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
}

async function bytesOf(body: ResponseBody): Promise<Buffer> {
  switch (body.kind) {
    case 'empty':
    case 'upgrade':
      return Buffer.alloc(0);
    case 'bytes':
      return Buffer.from(body.bytes);
    case 'object':
      body.object.value();
      return Buffer.from(body.object.bytes());
    case 'list': {
      const whole = Buffer.concat([...body.chunks()]);
      body.value();
      if (whole.length !== body.byteLength)
        throw new Error(`A list of ${whole.length} bytes says it has ${body.byteLength}`);
      return whole;
    }
    case 'watch': {
      const frames = body.stream.take() ?? [];
      const pieces = frames.map((frame) => Buffer.from(frame.bytes()));
      for (const frame of frames) frame.object();
      body.stream.close();
      return Buffer.concat(pieces);
    }
    case 'stream': {
      const pieces: Uint8Array[] = [];
      for await (const piece of body.stream) {
        pieces.push(piece);
        if (pieces.length > 100) break;
      }
      return Buffer.concat(pieces);
    }
  }
}

/** What is the truth although it begins with 5. */
const honest: readonly RegExp[] = [
  /^503 [\s\S]*error trying to reach service/,
  /^503 [\s\S]*no endpoints available for service/,
  /^503 [\s\S]*no service port/,
  /^503 service unavailable/,
  /^500 [\s\S]*error dialing backend/,
  /^501 /,
  /^504 [\s\S]*Timeout: Too large resource version/,
  /^504 [\s\S]*Timeout: request did not complete within/,
  /^500 [\s\S]*admission webhook ".*" attempted to modify the object/,
  /^500 [\s\S]*no preferred addresses found/,
];

function problemOf(request: FuzzRequest, { status, headers, text }: Answer): string | undefined {
  const json = headers['content-type']?.startsWith('application/json') ?? false;
  let message = text;
  if (json && text !== '' && status >= 400) {
    let body: { kind?: string; code?: number; message?: string };
    try {
      body = JSON.parse(text) as typeof body;
    } catch (error) {
      return `an error that is no JSON: ${String(error)}`;
    }
    if (body.kind === 'Status' && body.code !== status)
      return `a Status of ${body.code} under the status code ${status}`;
    message = body.message ?? '';
  }
  if (status < 100 || status > 599 || !Number.isInteger(status)) return `the status code ${status}`;
  if (status < 500) return undefined;
  const said = `${status} ${message}`;
  if (honest.some((pattern) => pattern.test(said))) return undefined;
  // Errors that upstream too answers with 500 and no reason are made on purpose; what nobody foresaw says so.
  if (status === 500 && text.includes('Failure') && !text.includes('Internal error occurred')) return undefined;
  if (request.path.startsWith('/readyz') || request.path.startsWith('/livez') || request.path.startsWith('/healthz'))
    return undefined;
  return `a ${status}`;
}

const readForms = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
] as const;

/** Of a written object, in whatever text it was answered. */
function nameOf(text: string): string | undefined {
  const name = /"metadata":\{[^}]*?"name":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  return name === undefined ? /^ {2}name: ([^"'\s]+)$/m.exec(text)?.[1] : (JSON.parse(`"${name}"`) as string);
}

/** Reads a written object in each encoding. @returns what went wrong */
async function readBack(
  server: Server,
  clock: VirtualClock,
  { resource, base }: { readonly resource: ResourceSchema; readonly base: string },
  name: string | undefined,
): Promise<{ readonly what: string; readonly status: number; readonly text: string } | undefined> {
  if (name === undefined || !resource.storageVersion) return undefined;
  const path = `${base}/${encodeURIComponent(name)}`;
  for (const accept of readForms)
    for (const [at, query] of [
      [path, ''],
      [base, 'limit=50'],
    ] as const) {
      const list = at === base;
      const asked = list ? accept.replace('PartialObjectMetadata', 'PartialObjectMetadataList') : accept;
      const answer = await answerOf(server, clock, {
        method: 'GET',
        path: at,
        query,
        headers: { accept: asked },
        body: undefined,
        user: 'admin',
        target: undefined,
      });
      if (answer === undefined) return { what: `no answer to GET ${at} as ${asked}`, status: 0, text: '' };
      const { status, bytes, text } = answer;
      // Deleted with its last finalizer, or in another namespace: there is nothing to read.
      if (status === 404) continue;
      if (status !== 200) return { what: `GET ${at} as ${asked} is answered with ${status}`, status, text };
      try {
        if (asked.startsWith('application/json')) JSON.parse(text);
        else if (asked === 'application/yaml') parseYaml(bytes);
        else
          decodeProtobuf(
            bytes,
            { group: resource.group, version: resource.version, kind: list ? `${resource.kind}List` : resource.kind },
            builtinSchema,
          );
      } catch (error) {
        return { what: `GET ${at} as ${asked} cannot be read: ${String(error)}`, status, text };
      }
    }
  return undefined;
}

/** One probe of a container: a command, an HTTP GET, a TCP connect or a gRPC health check. Source: pkg/probe. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { Container, Pod, Probe } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { commonJs } from '../../base/common-js.ts';
import { CriError, type CriRuntime } from '../../runtime/cri.ts';

export type ProbeResult =
  | { readonly ok: true; readonly warning?: string }
  /** `unknown`: the probe itself could not be made; it counts as nothing for readiness and liveness. */
  | { readonly ok: false; readonly output: string; readonly unknown?: boolean };

export interface ProbeTarget {
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  readonly podIP: string;
}

/** Longest part of an answer that is kept for the event. */
const outputMaxBytes = 10 * 1024;

export async function probeOnce(
  probe: Probe,
  target: ProbeTarget,
  { runtime, clock, signal }: { readonly runtime: CriRuntime; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  if (probe.exec) {
    try {
      const { exitCode, stdout, stderr } = await runtime.execSync(
        { containerId: target.containerId, cmd: [...(probe.exec.command ?? [])], timeout: timeoutMs / 1000 },
        { signal, timeoutMs: timeoutMs + 2000 },
      );
      if (exitCode === 0) return { ok: true };
      return { ok: false, output: Buffer.concat([stdout, stderr]).toString().slice(0, outputMaxBytes) };
    } catch (error) {
      if (error instanceof CriError && error.code === 'DEADLINE_EXCEEDED')
        return {
          ok: false,
          output: `command timed out: ${JSON.stringify(probe.exec.command?.join(' '))} timed out after ${timeoutMs / 1000}s`,
        };
      return { ok: false, output: error instanceof Error ? error.message : String(error), unknown: true };
    }
  }
  if (probe.httpGet) {
    const { host, port, path = '/', scheme = 'HTTP', httpHeaders = [] } = probe.httpGet;
    const number = portNumber(port, target.container);
    if (number === undefined) return { ok: false, output: `couldn't find port: ${port}`, unknown: true };
    return httpProbe({
      host: host || target.podIP,
      port: number,
      path: path.startsWith('/') ? path : `/${path}`,
      tls: scheme === 'HTTPS',
      headers: httpHeaders,
      timeoutMs,
      clock,
      signal,
    });
  }
  if (probe.tcpSocket) {
    const number = portNumber(probe.tcpSocket.port, target.container);
    if (number === undefined)
      return { ok: false, output: `couldn't find port: ${probe.tcpSocket.port}`, unknown: true };
    return tcpProbe({ host: probe.tcpSocket.host || target.podIP, port: number, timeoutMs, clock, signal });
  }
  if (probe.grpc)
    return grpcProbe({
      host: target.podIP,
      port: probe.grpc.port,
      service: probe.grpc.service ?? '',
      timeoutMs,
      clock,
    });
  return { ok: false, output: 'missing probe handler', unknown: true };
}

export function portNumber(port: number | string, container: Container): number | undefined {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  return container.ports?.find((p) => p.name === port)?.containerPort;
}

interface HttpProbe {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly tls: boolean;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Redirects on the same host are followed; one that leads elsewhere ends the probe as a success with a warning. Source: pkg/probe/http. */
async function httpProbe(probe: HttpProbe): Promise<ProbeResult> {
  const { host, port, path, tls, clock, signal, timeoutMs } = probe;
  const first = new URL(`${tls ? 'https' : 'http'}://${authorityOf(host, port)}${path}`);
  const own = Object.fromEntries(probe.headers.map(({ name, value }) => [name.toLowerCase(), value]));
  const headers = { 'user-agent': 'kube-probe/1.36', accept: '*/*', connection: 'close', ...own };
  const limit = new AbortController();
  const timer = clock.timer(timeoutMs, () => limit.abort());
  const onAbort = (): void => limit.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    let url = first;
    for (let hops = 0; hops <= redirectsMax; hops++) {
      const { code, location, body } = await httpGet(url, headers, limit.signal);
      if (code >= 300 && code < 400 && location) {
        const next = new URL(location, url);
        if (next.hostname !== first.hostname)
          return { ok: true, warning: `Probe terminated redirects, Response body: ${body}` };
        url = next;
        continue;
      }
      return code >= 200 && code < 400
        ? { ok: true }
        : { ok: false, output: `HTTP probe failed with statuscode: ${code}` };
    }
    return { ok: false, output: `Get ${JSON.stringify(url.href)}: stopped after ${redirectsMax} redirects` };
  } catch (error) {
    const why = limit.signal.aborted
      ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
      : goNetError(error instanceof Error ? error : new Error(String(error)), authorityOf(host, port));
    return { ok: false, output: `Get ${JSON.stringify(first.href)}: ${why}` };
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

const redirectsMax = 10;
const authorityOf = (host: string, port: number): string => `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;

function httpGet(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<{ readonly code: number; readonly location: string | undefined; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: http.IncomingMessage): void => {
      const parts: Buffer[] = [];
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        if (size < outputMaxBytes) parts.push(chunk);
        size += chunk.length;
      });
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({
          code: answer.statusCode ?? 0,
          location: answer.headers.location,
          body: Buffer.concat(parts).toString().slice(0, outputMaxBytes),
        }),
      );
    };
    const options = { headers, agent: false as const, signal };
    const request =
      url.protocol === 'https:'
        ? https.get(url, { ...options, rejectUnauthorized: false }, onAnswer)
        : http.get(url, options, onAnswer);
    request.once('error', reject);
  });
}

function tcpProbe({
  host,
  port,
  timeoutMs,
  clock,
  signal,
}: Pick<HttpProbe, 'host' | 'port' | 'timeoutMs' | 'clock' | 'signal'>): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const authority = authorityOf(host, port);
    const socket = net.connect({ host, port });
    const settle = (result: ProbeResult): void => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(result);
    };
    const onAbort = (): void => settle({ ok: false, output: 'aborted', unknown: true });
    const timer = clock.timer(timeoutMs, () => settle({ ok: false, output: `dial tcp ${authority}: i/o timeout` }));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => settle({ ok: true }));
    socket.once('error', (error) => settle({ ok: false, output: goNetError(error, authority) }));
  });
}

function goNetError(error: Error, authority: string): string {
  const code = 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${authority}: connect: connection refused`;
    case 'EHOSTUNREACH':
      return `dial tcp ${authority}: connect: no route to host`;
    case 'ECONNRESET':
      return `read tcp ${authority}: read: connection reset by peer`;
    default:
      return error.message;
  }
}

/** grpc.health.v1.Health/Check: one message with the service's name out, one with a status back. */
async function grpcProbe({
  host,
  port,
  service,
  timeoutMs,
  clock,
}: {
  readonly host: string;
  readonly port: number;
  readonly service: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}): Promise<ProbeResult> {
  const grpc = commonJs(await import('@grpc/grpc-js'));
  const authority = authorityOf(host, port);
  const client = new grpc.Client(authority, grpc.credentials.createInsecure());
  const name = Buffer.from(service);
  const request = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  try {
    return await new Promise<ProbeResult>((resolve) => {
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        request,
        { deadline: new Date(clock.now() + timeoutMs) },
        (error, answer) => {
          if (error) {
            const output =
              error.code === grpc.status.UNIMPLEMENTED
                ? `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`
                : error.code === grpc.status.DEADLINE_EXCEEDED
                  ? `timeout: health rpc did not complete within ${timeoutMs / 1000}s`
                  : `error: health rpc probe failed: ${error.message}`;
            resolve({ ok: false, output });
            return;
          }
          // Field 1, varint: 1 is SERVING.
          const status = answer && answer[0] === 0x08 ? answer[1] : 0;
          const names = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
          if (status === 1) resolve({ ok: true });
          else
            resolve({ ok: false, output: `service unhealthy (responded with ${JSON.stringify(names[status ?? 0])})` });
        },
      );
    });
  } finally {
    client.close();
  }
}

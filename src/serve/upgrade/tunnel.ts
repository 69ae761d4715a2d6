/** Where both ends speak the same protocol the middle only passes bytes: the request goes on to the next server, then the two connections are one. */
import type { Duplex } from 'node:stream';
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { Clock } from '../../base/clock.ts';
import type { UpgradeAnswer } from './request-upgrade.ts';
import { splice } from './splice.ts';

/** Whether a request asks for another protocol, and which. */
export function requestedProtocol({ headers }: ApiRequest): 'websocket' | 'spdy' | undefined {
  if (!/\bupgrade\b/i.test(headers.connection ?? '')) return undefined;
  const upgrade = (headers.upgrade ?? '').toLowerCase();
  if (upgrade === 'websocket') return 'websocket';
  return upgrade === 'spdy/3.1' ? 'spdy' : undefined;
}

/** What the client was offered in a comma-separated header. */
export const offered = (header: string | undefined): readonly string[] =>
  (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/**
 * Headers for the next server: those that belong to the protocol, and nothing that says who the caller is. `x-stream-protocol-version` goes
 * out one a line, as its servers read it.
 */
export function forwardedHeaders({ headers }: ApiRequest): Record<string, string | readonly string[]> {
  const out: Record<string, string | readonly string[]> = { connection: 'Upgrade', upgrade: headers.upgrade ?? '' };
  for (const name in headers)
    if (name.startsWith('sec-websocket-') || name === 'origin' || name === 'user-agent') out[name] = headers[name]!;
  const protocols = offered(headers['x-stream-protocol-version']);
  if (protocols.length > 0) out['x-stream-protocol-version'] = protocols;
  return out;
}

/** The answer for the caller: its connection joined to the next server's, or the next server's refusal. */
export function tunnelled(answer: UpgradeAnswer, clock: Clock): ApiResponse {
  if (answer.kind === 'refused')
    return {
      status: answer.status,
      headers: { 'content-type': answer.contentType },
      body: { kind: 'bytes', bytes: answer.body },
    };
  const { rawHeaders, socket: next, head: nextHead } = answer;
  return {
    status: 101,
    headers: {},
    body: {
      kind: 'upgrade',
      take: (socket, head) => {
        if (socket.destroyed) {
          next.destroy();
          return;
        }
        writeSwitch(socket, rawHeaders);
        if (nextHead.length > 0) socket.write(nextHead);
        if (head.length > 0) next.write(head);
        void splice(socket, next, clock); // never rejects; the server ends it with its sockets
      },
    },
  };
}

/** @param rawHeaders names alternating with values */
export function writeSwitch(socket: Duplex, rawHeaders: readonly string[]): void {
  let text = 'HTTP/1.1 101 Switching Protocols\r\n';
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  socket.write(`${text}\r\n`);
}

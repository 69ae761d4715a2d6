/**
 * exec and attach on a WebSocket: each message starts with the number of its channel. Source: kubelet/pkg/cri/streaming/remotecommand/websocket.go,
 * apimachinery/pkg/util/remotecommand/constants.go.
 *
 *   channel.k8s.io, v4.channel.k8s.io                binary, first byte 0 to 4
 *   base64.channel.k8s.io, v4.base64.channel.k8s.io  text, first character '0' to '4', then base64
 *   v5.channel.k8s.io                                as v4, and the message 255, N closes channel N
 */
import { Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import type { RemoteCommandOptions, RemoteCommandStreams } from '../streams.ts';

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** In the order a server prefers them. */
export const channelProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
] as const;

export type ChannelProtocol = (typeof channelProtocols)[number] | '';

/** @param protocol what was agreed on when the WebSocket was accepted; empty: as `channel.k8s.io` */
export function webSocketStreams(
  webSocket: WebSocket,
  protocol: ChannelProtocol,
  { stdin, stdout, stderr, tty }: RemoteCommandOptions,
): RemoteCommandStreams {
  const base64 = protocol.includes('base64.');
  const closes = protocol === 'v5.channel.k8s.io';
  /** Channels whose reader is behind: while there is one, nothing is read. */
  const behind = new Set<number>();
  let closing = false;
  const caughtUp = (channel: number): void => {
    if (behind.delete(channel) && behind.size === 0) webSocket.resume();
  };
  const readable = (channel: number): Readable => new Readable({ read: () => caughtUp(channel) });
  const frame = (channel: number, bytes: Uint8Array): Uint8Array | string => {
    if (base64) return `${channel}${Buffer.from(bytes).toString('base64')}`;
    const out = Buffer.allocUnsafe(1 + bytes.length);
    out[0] = channel;
    out.set(bytes, 1);
    return out;
  };
  const writable = (channel: number): Writable =>
    new Writable({
      write(bytes: Uint8Array, _encoding, done) {
        // After the caller went away there is nobody to write to; `closed` tells.
        if (webSocket.readyState !== webSocket.OPEN) done();
        else webSocket.send(frame(channel, bytes), { binary: !base64 }, () => done());
      },
    });
  const incoming = new Map<number, Readable>();
  if (stdin) incoming.set(channels.stdin, readable(channels.stdin));
  if (tty) incoming.set(channels.resize, readable(channels.resize));
  const ended = new Set<number>();
  const finish = (channel: number): void => {
    const stream = incoming.get(channel);
    if (!stream || ended.has(channel)) return;
    ended.add(channel);
    stream.push(null);
    // Its reader will not ask again.
    caughtUp(channel);
  };

  webSocket.on('message', (data: Buffer) => {
    if (data.length === 0 || closing) return;
    const channel = base64 ? data[0]! - zero : data[0]!;
    if (closes && channel === channels.close) {
      finish(data[1] ?? -1);
      return;
    }
    const stream = incoming.get(channel);
    if (!stream || ended.has(channel) || data.length === 1) return;
    const bytes = base64 ? Buffer.from(data.toString('latin1', 1), 'base64') : data.subarray(1);
    if (stream.push(bytes)) return;
    behind.add(channel);
    webSocket.pause();
  });
  const closed = new Promise<void>((resolve) => {
    webSocket.on('close', () => {
      for (const channel of incoming.keys()) finish(channel);
      resolve();
    });
  });

  const streams: RemoteCommandStreams = {
    stdin: incoming.get(channels.stdin),
    stdout: stdout ? writable(channels.stdout) : undefined,
    stderr: stderr && !tty ? writable(channels.stderr) : undefined,
    error: writable(channels.error),
    resize: incoming.get(channels.resize),
    closed,
    close() {
      closing = true;
      // The client's own farewell must be read, whatever stands before it.
      webSocket.resume();
      webSocket.close(1000);
    },
  };
  // An empty message tells the client that the other end is there.
  const first = stdout ? channels.stdout : streams.stderr ? channels.stderr : channels.error;
  webSocket.send(frame(first, new Uint8Array(0)), { binary: !base64 });
  return streams;
}

const zero = 48;

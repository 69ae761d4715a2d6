/** A client that costs little: whole answers over kept connections of HTTP/2 or HTTP/1.1, and watches whose events are only counted. */
import http2 from 'node:http2';
import https from 'node:https';
import { connect } from 'node:tls';

export interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: Uint8Array;
  readonly contentType?: string;
  readonly accept?: string;
}
export interface Wire {
  /** Bytes of the answer; `take` sees them as they come. @throws Error on a status of 300 and more. */
  send(call: Call, take?: (chunk: Buffer) => void): Promise<number>;
  close(): void;
}

const json = 'application/json';

export function http2Wire(port: number, credentials: Credentials, sessions: number): Wire {
  const connection = (): http2.ClientHttp2Session => {
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      ...credentials,
      settings: { initialWindowSize: 8 << 20 },
    });
    session.once('connect', () => session.setLocalWindowSize(64 << 20));
    return session;
  };
  const open = Array.from({ length: sessions }, connection);
  /** One that nothing was asked on for a while was closed by the server. */
  const live = (i: number): http2.ClientHttp2Session => {
    if (open[i]!.closed || open[i]!.destroyed) open[i] = connection();
    return open[i]!;
  };
  let next = 0;
  return {
    send: ({ method, path, body, contentType = json, accept = json }, take) =>
      new Promise((resolve, reject) => {
        const session = live(next++ % sessions);
        const stream = session.request(
          { ':method': method, ':path': path, accept, ...(body ? { 'content-type': contentType } : {}) },
          { endStream: body === undefined },
        );
        let status = 0;
        let bytes = 0;
        let failure = '';
        stream.on('response', (headers) => {
          status = Number(headers[':status']);
        });
        stream.on('data', (chunk: Buffer) => {
          bytes += chunk.byteLength;
          take?.(chunk);
          if (status >= 300) failure += String(chunk);
        });
        stream.on('error', reject);
        stream.on('end', () =>
          status < 300 ? resolve(bytes) : reject(new Error(`${method} ${path}: ${status} ${failure}`)),
        );
        if (body) stream.end(body);
      }),
    close: () => {
      for (const session of open) session.destroy();
    },
  };
}

export function http1Wire(port: number, credentials: Credentials, sockets: number): Wire {
  const agent = new https.Agent({ ...credentials, keepAlive: true, maxSockets: sockets });
  return {
    send: ({ method, path, body, contentType = json, accept = json }, take) =>
      new Promise((resolve, reject) => {
        const headers = {
          accept,
          ...(body ? { 'content-type': contentType, 'content-length': body.byteLength } : {}),
        };
        const request = https.request({ host: '127.0.0.1', port, path, method, agent, headers }, (response) => {
          let bytes = 0;
          let failure = '';
          const status = response.statusCode ?? 0;
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.byteLength;
            take?.(chunk);
            if (status >= 300) failure += String(chunk);
          });
          response.on('end', () =>
            status < 300 ? resolve(bytes) : reject(new Error(`${method} ${path}: ${status} ${failure}`)),
          );
        });
        request.on('error', reject);
        request.end(body);
      }),
    close: () => agent.destroy(),
  };
}

export interface Watching {
  /** Events that have come so far, over all watchers. @throws Error when a watch has ended. */
  events(): number;
  close(): void;
}

/** `watchers` watches, `perSession` on each HTTP/2 connection, or a connection each with HTTP/1.1 (perSession 0). */
export async function watchMany(
  port: number,
  credentials: Credentials,
  path: string,
  watchers: number,
  perSession: number,
): Promise<Watching> {
  let events = 0;
  let failure: unknown;
  const count = (chunk: Buffer): void => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) events++;
  };
  const close: (() => void)[] = [];
  if (perSession === 0) {
    await Promise.all(
      Array.from(
        { length: watchers },
        () =>
          new Promise<void>((resolve, reject) => {
            const socket = connect({ host: '127.0.0.1', port, ...credentials, ALPNProtocols: ['http/1.1'] }, () =>
              socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAccept: ${json}\r\n\r\n`),
            );
            socket.once('data', (head: Buffer) => {
              const text = String(head);
              if (!text.startsWith('HTTP/1.1 200')) reject(new Error(text));
              // Chunk sizes and their ends are lines, too: an event is one newline that no carriage return precedes.
              const countChunked = (chunk: Buffer): void => {
                for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1))
                  if (chunk[at - 1] === 125) events++;
              };
              countChunked(head);
              socket.on('data', countChunked);
              resolve();
            });
            socket.on('error', reject);
            socket.on('end', () => {
              failure ??= new Error('The server has ended a watch');
            });
            close.push(() => socket.destroy());
          }),
      ),
    );
  } else {
    for (let begun = 0; begun < watchers; begun += perSession) {
      const session = http2.connect(`https://127.0.0.1:${port}`, {
        ...credentials,
        settings: { initialWindowSize: 1 << 20 },
      });
      session.once('connect', () => session.setLocalWindowSize(64 << 20));
      close.push(() => session.destroy());
      await Promise.all(
        Array.from(
          { length: Math.min(perSession, watchers - begun) },
          () =>
            new Promise<void>((resolve, reject) => {
              const stream = session.request({ ':path': path, accept: json });
              stream.on('response', (headers) =>
                headers[':status'] === 200 ? resolve() : reject(new Error(`watch: ${headers[':status']}`)),
              );
              stream.on('data', count);
              stream.on('end', () => {
                failure ??= new Error('The server has ended a watch');
              });
              stream.on('error', reject);
            }),
        ),
      );
    }
  }
  return {
    events: () => {
      if (failure) throw failure;
      return events;
    },
    close: () => {
      for (const end of close) end();
    },
  };
}

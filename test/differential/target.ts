/** The two servers: ours in this process, or any server by its URL. */
import { readFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import type { ApiHandler, ApiResponse } from '../../src/api/exchange.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { startServer } from '../golden/server.ts';
import { responseBytes } from '../support/response-bytes.ts';

export interface Answer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
  readonly base64?: string;
  readonly bare?: boolean;
  /** The answer has no end: when this resolves, what came is the answer. */
  readonly until?: Promise<void>;
}

export interface Target {
  readonly name: string;
  send(step: Sent): Promise<Answer>;
  stop(): Promise<void>;
}

/** Our server over a memory store, without HTTPS. */
export async function inProcess(): Promise<Target> {
  const server = await startServer({ clock: createRealClock() });
  return {
    name: 'ours',
    async send({ method, path, headers = {}, text }) {
      const at = path.indexOf('?');
      const leave = new AbortController();
      const response = await server.handler({
        method,
        path: at < 0 ? path : path.slice(0, at),
        query: at < 0 ? '' : path.slice(at + 1),
        headers: { 'user-agent': 'differ', accept: 'application/json', ...headers },
        ...(text === undefined ? {} : { body: { bytes: Buffer.from(text) } }),
        remoteAddress: '192.0.2.1',
        signal: leave.signal,
        peer: { commonName: 'lab-admin', organizations: ['system:masters'], fingerprint: '00'.repeat(32) },
      });
      const answer = { status: response.status, headers: response.headers, bytes: await responseBytes(response) };
      leave.abort();
      return answer;
    },
    stop: () => server.stop(),
  };
}

export interface RemoteOptions {
  readonly token?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** @param url `https://host:port`. Without a CA file the certificate is not checked: this is a test tool for a server on the same machine. */
export function overHttps(name: string, url: string, options: RemoteOptions): Target {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 16,
    ...(options.caFile ? { ca: readFileSync(options.caFile) } : { rejectUnauthorized: false }),
    ...(options.certFile ? { cert: readFileSync(options.certFile) } : {}),
    ...(options.keyFile ? { key: readFileSync(options.keyFile) } : {}),
  });
  const { hostname, port } = new URL(url);
  const once: Target['send'] = ({ method, path, headers = {}, text, base64, bare, until }) =>
    new Promise((resolve, reject) => {
      const body = base64 === undefined ? text : Buffer.from(base64, 'base64');
      const request = httpsRequest(
        {
          agent,
          hostname,
          port,
          method,
          path,
          headers: {
            ...(bare ? {} : { 'user-agent': 'differ', accept: 'application/json' }),
            ...(bare || !options.token ? {} : { authorization: `Bearer ${options.token}` }),
            ...(body === undefined || headers['transfer-encoding'] !== undefined
              ? {}
              : { 'content-length': String(Buffer.byteLength(body)) }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', (error) => {
            if (!left) reject(error);
          });
          let left = false;
          void until?.then(() => {
            left = true;
            finish();
            request.destroy();
          });
          const finish = (): void => {
            const plain: Record<string, string> = {};
            for (const [key, value] of Object.entries(response.headers))
              if (value !== undefined) plain[key] = Array.isArray(value) ? value.join(', ') : value;
            resolve({ status: response.statusCode ?? 0, headers: plain, bytes: Buffer.concat(chunks) });
          };
          response.on('end', finish);
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  return {
    name,
    async send(step) {
      for (let attempt = 0; ; attempt++) {
        try {
          return await once(step);
        } catch (error) {
          // A kept connection that the server has just closed: once more, on another. Closed again, the handler panicked.
          if (!(error instanceof Error && 'code' in error)) throw error;
          if (error.code !== 'ECONNRESET')
            return { status: 999, headers: {}, bytes: Buffer.from(`no answer: ${String(error.code)}`) };
          if (attempt > 0) return { status: 0, headers: {}, bytes: Buffer.from('connection closed without an answer') };
        }
      }
    },
    stop: () => {
      agent.destroy();
      return Promise.resolve();
    },
  };
}

export type Handler = ApiHandler;

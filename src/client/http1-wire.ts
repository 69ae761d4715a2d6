import * as http from 'node:http';
import * as https from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { toTransportError, type Wire } from './wire.ts';

/**
 * HTTP/1.1 with kept connections, one for each request under way: for servers behind a proxy that knows no HTTP/2, and for plain HTTP.
 * @param tls asked for each new connection; absent for plain HTTP.
 */
export function createHttp1Wire(server: URL, tls: ConnectionOptions | undefined): Wire {
  // Idle connections must be younger than what servers keep (90 s for ours and upstream's).
  const settings = { keepAlive: true, maxFreeSockets: 25, keepAliveMsecs: 30_000, timeout: 0 };
  const agent = tls ? new https.Agent({ ...settings, ...(tls as https.AgentOptions) }) : new http.Agent(settings);
  const request = tls ? https.request : http.request;
  return {
    send: ({ method, path, headers, body, signal }) =>
      new Promise((resolve, reject) => {
        const exchange = request(server, {
          method,
          path,
          agent,
          headers: body ? { ...headers, 'content-length': String(body.byteLength) } : { ...headers },
          ...(signal ? { signal } : {}),
        });
        exchange.on('error', (error) =>
          reject(signal?.aborted ? signal.reason : toTransportError(error, server.origin)),
        );
        exchange.on('response', (answer) =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer }),
        );
        exchange.end(body);
      }),
    close: () => agent.destroy(),
  };
}

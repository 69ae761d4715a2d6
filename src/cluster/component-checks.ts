/**
 * For `componentstatuses`: asks parts of the control plane that run in processes of their own how they are, at upstream's ports on this host.
 * Source: registry/core/rest (serversToValidate), pkg/probe/http.
 */
import { text } from 'node:stream/consumers';
import type { HttpClient } from '../serve/forward/http-client.ts';

const timeoutMs = 20_000;
const host = '127.0.0.1';
/** Upstream asks whoever answers there. */
const tls = Object.freeze({ anyServer: true });

/** @returns a check: why the component on `port` is not well; undefined when it is. */
export function checkOfPort(http: HttpClient, port: number): () => Promise<string | undefined> {
  const path = '/healthz';
  return async () => {
    try {
      const { status, body } = await http.send({ host, port, tls }, { method: 'GET', path, headers: {}, timeoutMs });
      await text(body);
      return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`;
    } catch (error) {
      return `Get "https://${host}:${port}${path}": ${error instanceof Error ? error.message : String(error)}`;
    }
  };
}

/** A test's way to the API server of a cluster that `bireme up` started: the client, and waiting by watch. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ApiError } from '../../src/api/errors.ts';
import type { KubeObject, ResourceRef } from '../../src/api/object.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import type { Client, ListOptions } from '../../src/client/client.ts';
import { createClient } from '../../src/client/create-client.ts';
import { createHttpsTransport } from '../../src/client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../../src/client/kubeconfig.ts';

export interface ClusterAccess extends AsyncDisposable {
  readonly client: Client;
  /** Watches until the objects are as wanted, over restarts of the server too. @throws Error that shows how they were last. */
  until<T extends KubeObject>(
    ref: ResourceRef<T>,
    what: string,
    ok: (objects: readonly T[]) => boolean,
    options?: ListOptions & { readonly timeoutMs?: number },
  ): Promise<readonly T[]>;
  close(): Promise<void>;
}

/** @param server instead of the kubeconfig's own, which is the machine's loopback address. */
export function accessTo(dataDir: string, server?: string): ClusterAccess {
  const file = join(dataDir, 'admin.conf');
  const options = transportOptionsOf(parseKubeconfig(readFileSync(file, 'utf8'), file), { clock: createRealClock() });
  const transport = createHttpsTransport({ ...options, ...(server === undefined ? {} : { server }) });
  const client = createClient(transport, { fieldManager: 'test' });
  const close = (): Promise<void> => transport.close();
  return {
    client,
    close,
    [Symbol.asyncDispose]: close,
    async until<T extends KubeObject>(
      ref: ResourceRef<T>,
      what: string,
      ok: (objects: readonly T[]) => boolean,
      { timeoutMs = 60_000, ...selection }: ListOptions & { readonly timeoutMs?: number } = {},
    ) {
      const limit = AbortSignal.timeout(timeoutMs);
      const known = new Map<string, T>();
      let problem = '';
      while (!limit.aborted) {
        known.clear();
        try {
          const events = await client.resource(ref).watch({
            ...selection,
            sendInitialEvents: true,
            resourceVersionMatch: 'NotOlderThan',
            allowWatchBookmarks: true,
            signal: limit,
          });
          let complete = false;
          for await (const { type, object } of events) {
            const key = `${object.metadata.namespace}/${object.metadata.name}`;
            if (type === 'BOOKMARK') complete = true;
            else if (type === 'DELETED') known.delete(key);
            else known.set(key, object);
            if (complete && ok([...known.values()])) return [...known.values()];
          }
        } catch (error) {
          if (error instanceof ApiError && error.status.code !== undefined && error.status.code < 429) throw error;
          if (!limit.aborted) problem = String(error);
        }
        // The server is away: a moment, then another look.
        if (!limit.aborted) await setTimeout(50);
      }
      throw new Error(
        `Not so after ${timeoutMs} ms: ${what}. ${problem}\n${JSON.stringify(
          [...known.values()].map((o) => ({ name: o.metadata.name, status: 'status' in o ? o.status : undefined })),
          null,
          1,
        )}`,
      );
    },
  };
}

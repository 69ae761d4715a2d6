/**
 * APIServices for the groups of custom resources, as upstream registers them: `kubectl get apiservices` and clients' group order come from them.
 * Source: kube-apiserver/app/aggregator, crdregistration and autoregister controllers of kube-aggregator.
 */
import { isAlreadyExists, isNotFound } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { APIService } from '../../api/types/apiregistration-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import { apiServiceGroup } from './api-services.ts';

export interface AutoRegisterOptions {
  readonly reader: ObjectReader;
  readonly create: (object: JsonObject) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  /** After each sync that went well. */
  readonly onRegistered?: () => void;
}

const automanaged = 'kube-aggregator.kubernetes.io/automanaged';
const retryMs = 1000;

/** Resolves when `signal` aborts. */
export async function keepCustomGroups(options: AutoRegisterOptions, signal: AbortSignal): Promise<void> {
  const { reader, clock, log } = options;
  let wake: (() => void) | undefined;
  let changed = true;
  const poke = (): void => {
    changed = true;
    wake?.();
  };
  const ends = [
    reader.onChange('apiextensions.k8s.io', 'customresourcedefinitions', poke),
    reader.onChange(apiServiceGroup, 'apiservices', poke),
  ];
  signal.addEventListener('abort', poke, { once: true });
  while (!signal.aborted) {
    changed = false;
    try {
      await sync(options);
      options.onRegistered?.();
    } catch (error) {
      if (!signal.aborted) log.warn('Cannot register the groups of custom resources', { error });
      await clock.sleep(retryMs, signal);
      continue;
    }
    if (changed) continue;
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (signal.aborted || changed) resolve();
    });
    wake = undefined;
  }
  for (const end of ends) end();
}

async function sync({ reader, create, remove }: AutoRegisterOptions): Promise<void> {
  const wanted = new Map<string, JsonObject>();
  for (const definition of reader.list('apiextensions.k8s.io', 'customresourcedefinitions', '')) {
    const { group, versions = [] } = definition.spec as {
      group: string;
      versions?: readonly { readonly name: string; readonly served?: boolean }[];
    };
    for (const { name: version, served } of versions)
      if (served) wanted.set(`${version}.${group}`, localService(group, version));
  }
  const present = new Map<string, APIService>();
  for (const object of reader.list(apiServiceGroup, 'apiservices', '')) {
    const service = object as unknown as APIService;
    present.set(service.metadata.name ?? '', service);
  }
  for (const [name, object] of wanted)
    if (!present.has(name)) await create(object).catch((error: unknown) => ignore(error, isAlreadyExists));
  for (const [name, { metadata, spec }] of present)
    if (metadata.labels?.[automanaged] === 'true' && !spec?.service && !wanted.has(name))
      await remove(name).catch((error: unknown) => ignore(error, isNotFound));
}

function ignore(error: unknown, expected: (error: unknown) => boolean): void {
  if (!expected(error)) throw error;
}

const localService = (group: string, version: string): JsonObject => ({
  kind: 'APIService',
  apiVersion: `${apiServiceGroup}/v1`,
  metadata: { name: `${version}.${group}`, labels: { [automanaged]: 'true' } },
  spec: { group, version, groupPriorityMinimum: 1000, versionPriority: 100 },
});

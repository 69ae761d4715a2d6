/** Bootstrap writes straight to the store: the API server that would admit its requests is only starting. */
import { encode } from '../../api/codec/index.ts';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import { createFieldManager } from '../../api/managed-fields/managed-fields.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import { formatTime } from '../../api/time.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { KeyValue, Store } from '../../store/store.ts';
import { registryPrefix, storagePrefix } from '../registry/keys.ts';
import { type Metadata, metadataOf, storedForm, withMeta } from '../registry/object-meta.ts';
import { parseStored } from '../registry/stored-value.ts';
import { identityTransformer, type Transformer } from '../registry/transformer.ts';

export interface StoredObjectsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly transformer?: Transformer;
}

export interface StoredObjects {
  readonly store: Store;
  key(group: string, resource: string, namespace: string, name: string): string;
  /** The value of an object that is new now: uid and creation time are given. */
  newValue(key: string, object: JsonObject): Uint8Array;
  value(key: string, object: JsonObject): Uint8Array;
  parse(kv: KeyValue): JsonObject;
  get(
    key: string,
    signal?: AbortSignal,
  ): Promise<{ readonly object: JsonObject; readonly revision: number } | undefined>;
  /** Creates (`revision` 0) or replaces exactly that revision. @returns false when somebody else was faster. */
  put(key: string, object: JsonObject, revision: number, signal?: AbortSignal): Promise<boolean>;
}

const serverManager = 'kube-apiserver';
const flowGroup = 'flowcontrol.apiserver.k8s.io';
const flowManager = 'api-priority-and-fairness-config-producer-v1';

export function createStoredObjects(options: StoredObjectsOptions): StoredObjects {
  const fieldManager = createFieldManager();
  /** As if the server had sent the object to itself. */
  const owned = (object: JsonObject, now: string, manager: string): JsonObject => {
    const { kind, apiVersion } = object as { kind: string; apiVersion: string };
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    const type = builtinSchema.byGvk({ group: group!, version: version!, kind });
    if (!type) return object;
    return fieldManager.update({ next: object, type, manager, apiVersion, now, ignored: [['status']] });
  };
  const { store, clock, random, transformer = identityTransformer } = options;
  const value = (key: string, object: JsonObject): Uint8Array => {
    const { kind, apiVersion } = object as { kind: string; apiVersion: string };
    return transformer.toStorage(encode(storedForm(object, kind, apiVersion)), key);
  };
  const newValue = (key: string, object: JsonObject): Uint8Array => {
    const now = formatTime(clock.now());
    const flow = String(object.apiVersion).startsWith(flowGroup);
    const system: Metadata = {
      ...metadataOf(object),
      uid: random.uuid(),
      creationTimestamp: now,
      ...(flow ? { generation: 1 } : {}),
    };
    return value(key, owned(withMeta(object, system), now, flow ? flowManager : serverManager));
  };
  const parse = (kv: KeyValue): JsonObject => deepFreeze(parseStored(transformer.fromStorage(kv.value, kv.key)));
  return {
    store,
    key: (group, resource, namespace, name) =>
      `${registryPrefix}${storagePrefix(group, resource)}/${namespace === '' ? '' : `${namespace}/`}${name}`,
    newValue,
    value,
    parse,
    async get(key, signal) {
      const { kvs } = await store.range({ key }, signal);
      const [kv] = kvs;
      return kv && { object: parse(kv), revision: kv.modRevision };
    },
    async put(key, object, revision, signal) {
      const bytes = revision === 0 ? newValue(key, object) : value(key, object);
      const { succeeded } = await store.txn(
        {
          compare: [{ key, target: 'modRevision', op: '=', value: revision }],
          success: [{ type: 'put', key, value: bytes }],
        },
        signal,
      );
      return succeeded;
    },
  };
}

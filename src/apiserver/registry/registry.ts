/** What the registry's operations stand on. Everything that other rooms provide comes in here, so that each can be replaced in a test. */
import type { Applier } from '../../api/apply/apply.ts';
import type { FieldError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { FieldManager } from '../../api/managed-fields/managed-fields.ts';
import type { GroupVersionKind, Schema } from '../../api/schema/model.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { AdmissionChain } from '../admission/meter.ts';
import type { WatchMeter } from '../watch-cache/metrics.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';
import type { WebhookClient } from '../webhook/client.ts';
import type { ResourceTable, StoredResource } from './resources.ts';
import type { Rounds } from './rounds.ts';

export interface Registry {
  readonly schema: Schema;
  readonly table: ResourceTable;
  readonly cache: WatchCache;
  readonly rounds: Rounds;
  readonly clock: Clock;
  readonly random: Random;
  readonly admission: AdmissionChain;
  /** Counts watches as long as they are open. */
  readonly watchMeter?: WatchMeter;
  readonly kinds: KindFunctions;
  readonly fieldManager: FieldManager;
  readonly applier: Applier;
  readonly hooks: StorageHooks;
  /** For admission and conversion. */
  readonly webhooks: WebhookClient;
}

/** What data cannot say and depends on the kind. Pure. */
export interface KindFunctions {
  /** Fills absent fields with the version's defaults. @returns the same object when nothing is absent. */
  applyDefaults(object: JsonObject, gvk: GroupVersionKind): JsonObject;
  /** Between versions of one kind. @throws Error when no conversion is known. */
  convert(object: JsonObject, from: GroupVersionKind, to: GroupVersionKind): JsonObject;
  /** Rules of metadata that all kinds share. */
  validateMeta(object: JsonObject, options: MetaRules): readonly FieldError[];
  validateMetaUpdate(next: JsonObject, previous: JsonObject, options: MetaRules): readonly FieldError[];
}

export interface MetaRules {
  readonly namespaced: boolean;
  /** For updates: the kind itself checks the whole metadata again. */
  readonly wholeTwice?: boolean;
  /** For updates: the kind itself does not look at the change of metadata. */
  readonly changeOnce?: boolean;
  /** The kind wants finalizers with a domain, or one of the well-known ones. */
  readonly qualifiedFinalizers?: boolean;
  readonly validateName: ((name: string, options: { readonly prefix: boolean }) => readonly string[]) | undefined;
}

/** What must happen around a write beyond the object itself: addresses and ports of Services. A hook may wait. */
export interface StorageHooks {
  /**
   * Before an object is written; `previous` is absent for a create. May fill fields in. What it reserved is given back by `release` when the write does
   * not happen, and kept by `commit` when it does.
   */
  reserve(
    resource: StoredResource,
    next: JsonObject,
    previous: JsonObject | undefined,
    options: { readonly dryRun: boolean; readonly signal: AbortSignal },
  ): Reservation | undefined | Promise<Reservation | undefined>;
  /** After an object is gone. */
  deleted(resource: StoredResource, object: JsonObject, signal: AbortSignal): void | Promise<void>;
}

export interface Reservation {
  readonly object: JsonObject;
  commit(): void | Promise<void>;
  release(): void | Promise<void>;
}

export const noHooks: StorageHooks = { reserve: () => undefined, deleted: () => undefined };

/**
 * What data cannot say about a kind: pure functions per kind under one generic registry (decision 1). No request, no store, no clock.
 * Objects are deep-frozen and in the resource's storage version; a function that changes one returns a new one made by path copy.
 * Defaulting happened before (`api/defaulting`), structural checks in the codec, metadata rules in the generic registry.
 */
import type { JsonPath } from '../../api/edit.ts';
import type { FieldError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';

export interface StrategyContext {
  /** RFC 3339 seconds, for the few kinds whose strategy stamps a time. */
  readonly now: string;
  /** What the caller is told of what the strategy made of the object. */
  readonly warn?: (text: string) => void;
  readonly user: {
    readonly name: string;
    readonly uid?: string;
    readonly groups: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
}

export interface UpdateStrategy {
  /** Sets, keeps or drops fields: generation, status separation, immutable server fields. Default: the object as it is. */
  prepareForUpdate?(next: JsonObject, previous: JsonObject, context: StrategyContext): JsonObject;
  validateUpdate?(
    next: JsonObject,
    previous: JsonObject,
    request?: { readonly apiVersion: string },
  ): readonly FieldError[];
  warningsOnUpdate?(next: JsonObject, previous: JsonObject): readonly string[];
}

export interface Strategy extends UpdateStrategy {
  /** Called before a write: what the strategy needs and is only loaded on first use. */
  load?(): Promise<void> | undefined;
  /** Parts that an endpoint ignores, where the table of built-in kinds does not know. @param subresource empty for the object itself. */
  resetFields?(subresource: string): readonly JsonPath[];
  prepareForCreate?(object: JsonObject, context: StrategyContext): JsonObject;
  /** @param request the version the object came in; the object itself is in the stored one. */
  validate?(object: JsonObject, request?: { readonly apiVersion: string }): readonly FieldError[];
  warningsOnCreate?(object: JsonObject): readonly string[];
  /** Name rule of the kind; default DNS-1123 subdomain. Returns upstream's messages. */
  validateName?(name: string, options: { readonly prefix: boolean }): readonly string[];
  /** PUT to a name that does not exist creates it (Lease, Event, ...). */
  readonly allowCreateOnUpdate?: boolean;
  /** PUT without resourceVersion is allowed. Default true. */
  readonly allowUnconditionalUpdate?: boolean;
  /** Graceful deletion: seconds to wait, `undefined` when the kind does not delete gracefully. Pod only, in practice. */
  gracePeriodSeconds?(object: JsonObject, requested: number | undefined): number | undefined;
  /** What a deletion changes before anything else: a finalizer that the kind puts on, for one. */
  prepareForDelete?(object: JsonObject, now: string): JsonObject;
  /** Default propagation when the request names none; `none`: the kind owns nothing, whatever the request says. */
  readonly defaultGarbageCollection?: 'background' | 'orphan' | 'none';
  /** Update strategies of subresources that write the same object: `status`, `resize`, `ephemeralcontainers`, `approval`, `finalize`. */
  readonly subresources?: Readonly<Record<string, UpdateStrategy>>;
}

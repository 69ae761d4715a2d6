/**
 * What most kinds do alike: spec and status are written through different endpoints, and `metadata.generation` counts changes of what the
 * user asked for. Kinds differ in a few words of data.
 */

import { decodeObject } from '../../api/codec/index.ts';
import { rebuild } from '../../api/defaulting/defaulting.ts';
import { sameJson } from '../../api/edit.ts';
import { sameEmptiness } from '../../api/explicit-empty.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { StructType } from '../../api/schema/model.ts';
import type { ObjectMeta } from '../../api/types/meta-v1.ts';
import type { Strategy, UpdateStrategy } from './strategy.ts';

export interface CommonOptions {
  readonly type: StructType;
  /** The kind has a status subresource: the main endpoint does not write status, the subresource writes nothing else of the content. */
  readonly status: boolean;
  /** The kind counts generations. */
  readonly generation: boolean;
  /** What a change of generation depends on besides the content: labels (EndpointSlice), annotations (Deployment). */
  readonly generationMetadata?: 'labels' | 'annotations';
  /** An empty list where none was is a change too. */
  readonly countsEmpty?: boolean;
}

export function commonStrategy(options: CommonOptions): Strategy {
  const { type, status, generation } = options;
  const emptyStatus = status ? emptyField(type, 'status') : undefined;
  return {
    prepareForCreate: (object) => {
      const changes: Record<string, unknown> = {};
      if (status) changes.status = emptyStatus;
      if (generation) changes.metadata = { ...metadataOf(object), generation: 1 };
      return rebuildKind(object, type, changes);
    },
    prepareForUpdate: (next, previous) => {
      const changes: Record<string, unknown> = {};
      if (status) changes.status = previous.status;
      if (generation) changes.metadata = { ...metadataOf(next), generation: nextGeneration(next, previous, options) };
      return rebuildKind(next, type, changes);
    },
    ...(status ? { subresources: { status: statusStrategy(type) } } : {}),
  };
}

/** PUT and PATCH of `/status`: everything but status and metadata stays as it was. */
export function statusStrategy(type: StructType): UpdateStrategy {
  return {
    prepareForUpdate: (next, previous) => rebuildKind(next, type, contentOf(previous, type, ['metadata', 'status'])),
  };
}

/** Strategies run one after the other: preparations in order, errors and warnings together. The later one's options win. */
export function combine(first: Strategy, second: Strategy): Strategy {
  return {
    ...first,
    ...second,
    ...combineUpdates(first, second),
    prepareForCreate: (object, context) => {
      const once = first.prepareForCreate?.(object, context) ?? object;
      return second.prepareForCreate?.(once, context) ?? once;
    },
    subresources: Object.fromEntries(
      [...new Set([...Object.keys(first.subresources ?? {}), ...Object.keys(second.subresources ?? {})])].map(
        (name) => [name, combineUpdates(first.subresources?.[name] ?? {}, second.subresources?.[name] ?? {})],
      ),
    ),
  };
}

function combineUpdates(first: UpdateStrategy, second: UpdateStrategy): UpdateStrategy {
  return {
    ...first,
    ...second,
    prepareForUpdate: (next, previous, context) => {
      const once = first.prepareForUpdate?.(next, previous, context) ?? next;
      return second.prepareForUpdate?.(once, previous, context) ?? once;
    },
  };
}

/** Changes of an object whose fields stand in schema order, kind and apiVersion included. */
export function rebuildKind(object: JsonObject, type: StructType, changes: object): JsonObject {
  return Object.keys(changes).length === 0 ? object : rebuild(object, type, changes);
}

export const metadataOf = (object: JsonObject): ObjectMeta => (object.metadata ?? {}) as ObjectMeta;

/** The top-level fields but some; absent ones are named with `undefined`, so that a rebuild removes them. */
export function contentOf(
  object: JsonObject,
  type: StructType,
  except: readonly string[],
): Record<string, JsonValue | undefined> {
  const out: Record<string, JsonValue | undefined> = {};
  for (const { name } of type.fields)
    if (name !== 'kind' && name !== 'apiVersion' && !except.includes(name)) out[name] = object[name];
  return out;
}

/** A field of an object that says nothing, as upstream writes it: `{}`, or with the zero values that are always written. */
export function emptyField(type: StructType, name: string): JsonValue | undefined {
  const { object } = decodeObject({ value: { [name]: {} } }, type, { fieldValidation: 'Ignore' });
  return object[name];
}

function nextGeneration(
  next: JsonObject,
  previous: JsonObject,
  { type, generationMetadata, countsEmpty }: CommonOptions,
): number {
  const before = Number(metadataOf(previous).generation ?? 0);
  for (const { name } of type.fields) {
    if (name === 'kind' || name === 'apiVersion' || name === 'metadata' || name === 'status') continue;
    if (next[name] === previous[name]) continue;
    if (!sameJson(next[name], previous[name])) return before + 1;
    if (countsEmpty && !sameEmptiness(next[name], previous[name])) return before + 1;
  }
  if (
    generationMetadata &&
    !sameJson(metadataOf(next)[generationMetadata] ?? {}, metadataOf(previous)[generationMetadata] ?? {})
  )
    return before + 1;
  return before;
}

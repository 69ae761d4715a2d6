/** What one resource counts towards a quota, and which quotas care. Source: k8s.io/apiserver/pkg/quota/v1 (Evaluator, generic). */
import type { JsonObject } from '../json.ts';
import { type ResourceList, wholeNumber } from '../resource-list.ts';
import type { ResourceQuota, ScopedResourceSelectorRequirement } from '../types/core-v1.ts';

export type ScopeRequirement = ScopedResourceSelectorRequirement;

/** What a write is, as far as quotas go. */
export interface QuotaQuestion {
  readonly operation: 'CREATE' | 'UPDATE';
  readonly subresource: string;
  readonly object: JsonObject;
  readonly oldObject?: JsonObject | undefined;
}

export interface QuotaEvaluator {
  readonly group: string;
  readonly resource: string;
  /** Whether the write may change what is used. */
  handles(question: QuotaQuestion): boolean;
  /** Whether a quota on this name counts this resource. */
  counts(name: string): boolean;
  matchesScope(scope: ScopeRequirement, object: JsonObject): boolean;
  /** @returns what the object must say so that it can be counted and does not; in upstream's words. */
  missing?(required: readonly string[], object: JsonObject): string | undefined;
  /** @param now milliseconds since the epoch. @throws QuantityError */
  usage(object: JsonObject, now: number): ResourceList;
}

export const countName = (group: string, resource: string): string =>
  group === '' ? `count/${resource}` : `count/${resource}.${group}`;

export const one = wholeNumber(1);

/** How the oldest kinds are called in quotas, beside `count/...`. */
const aliases: ReadonlySet<string> = new Set(['configmaps', 'resourcequotas', 'replicationcontrollers', 'secrets']);

/** For every resource that is only counted. */
export function createObjectCounter(group: string, resource: string): QuotaEvaluator {
  const names = [countName(group, resource), ...(group === '' && aliases.has(resource) ? [resource] : [])];
  const usage: ResourceList = new Map(names.map((name) => [name, one]));
  return {
    group,
    resource,
    handles: ({ operation, subresource }) => subresource === '' && operation === 'CREATE',
    counts: (name) => names.includes(name),
    matchesScope: () => false,
    usage: () => usage,
  };
}

export function scopesOf({ spec }: ResourceQuota): readonly ScopeRequirement[] {
  if (!spec?.scopes && !spec?.scopeSelector) return [];
  const scopes = (spec.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' }) as const);
  return [...scopes, ...(spec.scopeSelector?.matchExpressions ?? [])];
}

/** Whether all scopes of a quota fit the object. */
export function isInScope(quota: ResourceQuota, evaluator: QuotaEvaluator, object: JsonObject): boolean {
  for (const scope of scopesOf(quota)) if (!evaluator.matchesScope(scope, object)) return false;
  return true;
}

/** Sorted. */
export const countedNames = (
  evaluator: QuotaEvaluator,
  hard: Readonly<Record<string, string>> | undefined,
): string[] =>
  hard === undefined
    ? []
    : Object.keys(hard)
        .filter((name) => evaluator.counts(name))
        .sort();

/** A selector on the one label that is the scope's name. @param values the object's; empty: it has none. */
export function scopeAdmits({ operator, values: wanted = [] }: ScopeRequirement, values: readonly string[]): boolean {
  switch (operator) {
    case 'Exists':
      return values.length > 0;
    case 'DoesNotExist':
      return values.length === 0;
    case 'In':
      return values.some((value) => wanted.includes(value));
    case 'NotIn':
      return values.length === 0 || values.some((value) => !wanted.includes(value));
    default:
      return false;
  }
}

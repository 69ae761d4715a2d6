/**
 * The pod-template-hash: which template a ReplicaSet is for. Upstream hashes Go's memory dump of the template, which nobody else can repeat; what
 * matters is that equal templates have equal hashes: here 32-bit FNV-1a of the template as JSON with sorted keys, in upstream's safe alphabet.
 * An existing ReplicaSet is recognised by its template, not by its name, so clusters that ran upstream's controller go on unchanged.
 */
import { sameJson } from '../../api/edit.ts';
import { safeEncode } from '../../api/names.ts';
import type { PodTemplateSpec } from '../../api/types/core-v1.ts';

export const templateHashLabel = 'pod-template-hash';

/** @param collisionCount another value gives another hash for the same template. */
export function templateHash(template: PodTemplateSpec, collisionCount: number | undefined): string {
  const text = JSON.stringify(sorted(template)) + (collisionCount === undefined ? '' : `#${collisionCount}`);
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return safeEncode(`${hash >>> 0}`);
}

/** Whether two templates are the same but for the hash label. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return sameJson(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec = {}): PodTemplateSpec {
  const { labels, ...metadata } = template.metadata ?? {};
  const { [templateHashLabel]: _hash, ...rest } = labels ?? {};
  const bare = Object.keys(rest).length > 0 ? { ...metadata, labels: rest } : metadata;
  return { ...template, metadata: bare };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => [key, sorted(field)]),
  );
}

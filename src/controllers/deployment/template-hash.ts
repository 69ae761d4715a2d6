/**
 * Which ReplicaSet is for which template. A ReplicaSet is recognised by its template, not by the hash in its name, so a cluster that ran upstream's
 * controller (whose hash nobody else can compute) goes on unchanged.
 */
import { sameJson } from '../../api/edit.ts';
import type { PodTemplateSpec } from '../../api/types/core-v1.ts';

export const templateHashLabel = 'pod-template-hash';

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

/** The class of claims that name none: the newest of those marked so, by name among equals. Source: pkg/volume/util GetDefaultClass. */
import type { StorageClass } from '../types/storage-v1.ts';

const defaultAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
] as const;

export const isDefaultClass = ({ metadata }: StorageClass): boolean =>
  defaultAnnotations.some((annotation) => metadata.annotations?.[annotation] === 'true');

export function defaultStorageClass(classes: readonly StorageClass[]): StorageClass | undefined {
  let best: StorageClass | undefined;
  for (const each of classes) if (isDefaultClass(each) && (!best || isNewer(each, best))) best = each;
  return best;
}

function isNewer({ metadata: a }: StorageClass, { metadata: b }: StorageClass): boolean {
  const [at, bt] = [a.creationTimestamp ?? '', b.creationTimestamp ?? ''];
  return at === bt ? (a.name ?? '') < (b.name ?? '') : at > bt;
}

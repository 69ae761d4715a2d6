/** Equality as upstream's Semantic.DeepEqual: what is not set is the same as what is empty. */
type Value = unknown;

export function sameValue(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b);
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  if (Array.isArray(b)) return false;
  return changedPaths(a, b).length === 0;
}

const isEmpty = (value: Value): boolean => {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'object') return false;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
};

/** Dotted paths of the fields that differ; a list is one field. */
export function changedPaths(a: Value, b: Value, path = ''): readonly string[] {
  if (!isRecord(a) || !isRecord(b)) return sameValue(a, b) ? [] : [path];
  const paths: string[] = [];
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
    paths.push(...changedPaths(a[key], b[key], path === '' ? key : `${path}.${key}`));
  return paths;
}

const isRecord = (value: Value): value is Readonly<Record<string, Value>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

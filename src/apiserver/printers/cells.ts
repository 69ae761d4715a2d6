/** What printers share: how upstream writes nothing, ages, selectors, containers and label maps. Source: pkg/printers/internalversion. */
import type { JsonObject, JsonScalar } from '../../api/json.ts';
import { formatLabelSelector } from '../../api/selectors/label-selector.ts';
import { humanDuration, parseTime } from '../../api/time.ts';
import type { Container } from '../../api/types/core-v1.ts';
import type { LabelSelector, ObjectMeta } from '../../api/types/meta-v1.ts';

export type Cell = JsonScalar;
export interface Row {
  readonly cells: readonly Cell[];
  /** Marks rows of objects that have ended, so that a client may hide them. */
  readonly conditions?: readonly JsonObject[];
}
/** One object to its cells, in the order of the kind's columns; `nowMs` is for ages. */
export type Printer<T> = (object: T, nowMs: number) => readonly Cell[];

export const none = '<none>';
export const unset = '<unset>';
export const unknown = '<unknown>';

export function age(object: { readonly metadata?: ObjectMeta }, nowMs: number): string {
  return since(object.metadata?.creationTimestamp, nowMs);
}

export function since(time: string | null | undefined, nowMs: number): string {
  const ms = typeof time === 'string' ? parseTime(time) : undefined;
  return ms === undefined ? unknown : humanDuration(nowMs - ms);
}

export const nameOf = (object: { readonly metadata?: ObjectMeta }): string => object.metadata?.name ?? '';

export const containerNames = (containers: readonly Container[] | undefined): string =>
  (containers ?? []).map((c) => c.name).join(',');
export const images = (containers: readonly Container[] | undefined): string =>
  (containers ?? []).map((c) => c.image ?? '').join(',');

export const selector = (value: LabelSelector | undefined): string =>
  value === undefined ? none : formatLabelSelector(value);

/** `a=b,c=d` in key order, `<none>` for an empty map. */
export function labels(map: Readonly<Record<string, string>> | undefined): string {
  const text = Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  return text === '' ? none : text;
}

const accessModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
const accessOrder = ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'];
export const accessModesText = (modes: readonly string[] | undefined): string =>
  accessOrder
    .filter((m) => modes?.includes(m))
    .map((m) => accessModes[m])
    .join(',');

/** Up to `max` items and how many more there are. */
export function some(items: readonly string[], max: number): string {
  if (items.length === 0) return none;
  return items.length > max ? `${items.slice(0, max).join(',')} + ${items.length - max} more...` : items.join(',');
}

/** `kubectl get`: objects as rows with the kind's columns. The columns' cells come from a printer per kind. */
import { ApiError } from '../../api/errors.ts';
import type { JsonArray, JsonObject } from '../../api/json.ts';
import type { ResourceSchema } from '../../api/schema/model.ts';
import { humanDuration, parseTime } from '../../api/time.ts';
import type { Transform } from '../negotiation/negotiation.ts';
import { metadataOf } from '../registry/object-meta.ts';

export interface ColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface PrintedRow {
  /** One for each column, in order. */
  readonly cells: JsonArray;
  /** For the few kinds that mark rows (pods that ended). */
  readonly conditions?: JsonArray;
}

/** Cells of one kind. Pure; `nowMs` is for ages. */
export interface TablePrinter {
  readonly columns: readonly ColumnDefinition[];
  row(object: JsonObject, options: { readonly nowMs: number }): PrintedRow;
  /** Of rows, where it is not that of the list. */
  readonly compare?: (a: JsonObject, b: JsonObject) => number;
}

/** @returns undefined for kinds that have no printer of their own: they get name and age. */
export type PrinterFor = (resource: ResourceSchema) => TablePrinter | undefined;

const nameDescription =
  'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names';
const createdDescription =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata';

/** Name and creation time: what upstream prints for kinds without a printer. Source: registry/rest/table.go. */
export const defaultPrinter: TablePrinter = {
  columns: [
    { name: 'Name', type: 'string', format: 'name', description: nameDescription, priority: 0 },
    { name: 'Created At', type: 'date', format: '', description: createdDescription, priority: 0 },
  ],
  row: (object) => ({ cells: [metadataOf(object).name ?? '', metadataOf(object).creationTimestamp ?? null] }),
};

/** `5m`, `<unknown>` for an object without a creation time. */
export function ageOf(object: JsonObject, nowMs: number): string {
  const created = parseTime(metadataOf(object).creationTimestamp ?? '');
  return created === undefined ? '<unknown>' : humanDuration(nowMs - created);
}

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export function tableOf(options: {
  readonly version: 'v1' | 'v1beta1';
  readonly printer: TablePrinter;
  readonly objects: readonly JsonObject[];
  readonly metadata: JsonObject;
  readonly include: IncludeObject;
  readonly nowMs: number;
}): JsonObject {
  const { version, printer, objects, metadata, include, nowMs } = options;
  const apiVersion = `meta.k8s.io/${version}`;
  const ordered = printer.compare ? objects.toSorted(printer.compare) : objects;
  const rows = ordered.map((object) => {
    const { cells, conditions } = printer.row(object, { nowMs });
    return {
      cells,
      ...(conditions === undefined ? {} : { conditions }),
      object: include === 'None' ? null : include === 'Object' ? object : partialMetadata(object, version),
    };
  });
  return {
    kind: 'Table',
    apiVersion,
    metadata,
    columnDefinitions: printer.columns as unknown as JsonArray,
    rows: rows as unknown as JsonArray,
  };
}

export interface Shape {
  /** What was negotiated. */
  readonly as: Transform | undefined;
  readonly printer: TablePrinter;
  /** For `includeObject`. */
  readonly query: URLSearchParams;
  readonly nowMs: number;
}

/** One object that no form covers. @throws ApiError 400 for a bad `includeObject`. */
export function shaped(object: JsonObject, { as, query, ...how }: Shape): JsonObject {
  if (as === undefined) return object;
  const { version } = as;
  if (as.kind !== 'Table') return partialMetadata(object, version);
  const { resourceVersion } = metadataOf(object);
  const metadata = resourceVersion === undefined ? {} : { resourceVersion };
  return tableOf({ ...how, version, objects: [object], metadata, include: includeObject(query) });
}

export function includeObject(query: URLSearchParams): IncludeObject {
  const given = query.get('includeObject') ?? '';
  if (given === '') return 'Metadata';
  if (given === 'None' || given === 'Metadata' || given === 'Object') return given;
  throw ApiError.badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(given)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

export const partialMetadata = (object: JsonObject, version: 'v1' | 'v1beta1'): JsonObject => ({
  kind: 'PartialObjectMetadata',
  apiVersion: `meta.k8s.io/${version}`,
  metadata: object.metadata ?? {},
});

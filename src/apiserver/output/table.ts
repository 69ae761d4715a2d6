/** `kubectl get`: objects as rows with the kind's columns. The columns' cells come from a printer per kind. */
import type { JsonArray, JsonObject } from '../../api/json.ts';
import type { ResourceSchema } from '../../api/schema/model.ts';
import { humanDuration, parseTime } from '../../api/time.ts';
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
  const rows = objects.map((object) => {
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

export const partialMetadata = (object: JsonObject, version: 'v1' | 'v1beta1'): JsonObject => ({
  kind: 'PartialObjectMetadata',
  apiVersion: `meta.k8s.io/${version}`,
  metadata: object.metadata ?? {},
});

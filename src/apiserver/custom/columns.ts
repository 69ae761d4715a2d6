/** `additionalPrinterColumns` as a table. Source: apiextensions-apiserver/pkg/registry/customresource/tableconvertor. */
import { encodeText } from '../../api/codec/index.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { JsonPathError, parseJsonPath } from '../../api/json-path.ts';
import type { CustomColumn } from '../../api/schema/model.ts';
import { humanDuration, parseTime } from '../../api/time.ts';
import { defaultPrinter, type TablePrinter } from '../output/table.ts';
import { metadataOf } from '../registry/object-meta.ts';

/** What is shown when the definition names no columns. */
const age: CustomColumn = {
  name: 'Age',
  type: 'date',
  description: defaultPrinter.columns[1]!.description,
  jsonPath: '.metadata.creationTimestamp',
};

export function customPrinter(given: readonly CustomColumn[]): TablePrinter {
  const columns = given.length === 0 ? [age] : given;
  const queries = columns.map(({ jsonPath }) => queryOf(jsonPath));
  return {
    columns: [
      defaultPrinter.columns[0]!,
      ...columns.map(({ name, type, format = '', description = '', priority = 0, jsonPath }) => ({
        name,
        type,
        format,
        description:
          description === '' ? `Custom resource definition column (in JSONPath format): ${jsonPath}` : description,
        priority,
      })),
    ],
    row: (object: JsonObject, { nowMs }) => ({
      cells: [
        metadataOf(object).name ?? '',
        ...columns.map(({ type }, i) => {
          const [value] = queries[i]!(object);
          return value === undefined ? null : cell(type, value, nowMs);
        }),
      ],
    }),
  };
}

/** A path that cannot be read shows nothing. */
function queryOf(jsonPath: string): (object: JsonObject) => readonly JsonValue[] {
  try {
    return parseJsonPath(jsonPath);
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error;
    return () => [];
  }
}

function cell(type: string, value: JsonValue, nowMs: number): JsonValue {
  switch (type) {
    case 'string':
      return value === null ? '<nil>' : typeof value === 'object' ? encodeText(value) : String(value);
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : typeof value === 'bigint' ? value : null;
    case 'number':
      return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date': {
      if (typeof value !== 'string') return null;
      const at = parseTime(value);
      return at === undefined ? '<invalid>' : humanDuration(nowMs - at);
    }
    default:
      return null;
  }
}

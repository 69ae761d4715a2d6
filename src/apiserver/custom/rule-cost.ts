/** Whether rules can be afforded, told when their definition is written. Source: apiextensions-apiserver/pkg/apis/apiextensions/validation. */
import type { Structural } from '../../api/structural/schema.ts';
import { estimateCost } from '../../cel/estimate.ts';
import type { Compiled } from '../../cel/index.ts';
import { maxRequestBytes, minBytes } from '../../cel/schema-sizes.ts';
import { withMetaFields } from '../../cel/schema-types.ts';

export const ruleCostLimit = 10_000_000;
export const crdCostLimit = 100_000_000;

/** How often a place of a schema can occur in one object. */
export interface SchemaCost {
  items(list: Structural): SchemaCost;
  values(map: Structural): SchemaCost;
  /** The cost of a rule of this place, as often as it may run. */
  repeated(cost: number, schema: Structural): number;
}

/** @param times undefined: nothing bounds it but the size of a request. */
export function schemaCost(times: number | undefined = 1): SchemaCost {
  const within = (max: number | undefined): SchemaCost =>
    schemaCostOf(max === undefined || times === undefined ? undefined : times * max);
  return {
    items: ({ maxItems }) => within(maxItems),
    values: ({ maxProperties }) => within(maxProperties),
    repeated: (cost, schema) => cost * (times ?? Math.floor(maxRequestBytes / (minBytes(schema) + 1))),
  };
}

function schemaCostOf(times: number | undefined): SchemaCost {
  if (times !== undefined) return schemaCost(times);
  const unbounded: SchemaCost = {
    items: () => unbounded,
    values: () => unbounded,
    repeated: (cost, schema) => cost * Math.floor(maxRequestBytes / (minBytes(schema) + 1)),
  };
  return unbounded;
}

export function estimatedCost({ checked }: Compiled, schema: Structural, root: boolean): number {
  const self = root ? withMetaFields(schema) : schema;
  return estimateCost(checked, { self, oldSelf: self });
}

export function costMessage(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown = factor > 100 ? 'more than 100x' : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

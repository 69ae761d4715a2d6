/** The expressions that choose devices: what they may name, what they may cost. Source: dynamic-resource-allocation/cel/compile.go. */
import type { JsonObject } from '../../api/json.ts';
import type { Structural } from '../../api/structural/schema.ts';
import { type JudgeSelector, tooComplex } from '../../api/validation/kind-rules.ts';
import { estimateCost } from '../../cel/estimate.ts';
import { CelCompileError, compile, createEnvironment, typeText } from '../../cel/index.ts';
import type { Structs } from '../../cel/schema-types.ts';
import { bool, mapOf, opaque, parseType, string, struct } from '../../cel/types.ts';

const maxCost = 1_000_000;
const entriesMax = 32;
const valueLengthMax = 64;
const domainLengthMax = 63;

const any = parseType('any');
const device = 'kubernetes.DRADevice';
const structs: Structs = {
  [device]: new Map([
    ['driver', string],
    ['allowMultipleAllocations', bool],
    ['attributes', mapOf(string, mapOf(string, any))],
    ['capacity', mapOf(string, mapOf(string, opaque('kubernetes.Quantity')))],
  ]),
};

const text = (maxLength: number): Structural & JsonObject => ({ type: 'string', maxLength });
const mapped = (value: Structural & JsonObject): Structural & JsonObject => ({
  type: 'object',
  maxProperties: entriesMax,
  additionalProperties: { type: 'object', maxProperties: entriesMax, additionalProperties: value },
});
/** What the cost is reckoned by. */
const sizes: Structural = {
  type: 'object',
  properties: {
    driver: text(domainLengthMax),
    allowMultipleAllocations: { type: 'boolean' },
    attributes: mapped(text(valueLengthMax)),
    capacity: mapped(text(valueLengthMax)),
  },
};

export function createSelectorJudge(): JudgeSelector {
  const environment = createEnvironment({ variables: { device: struct(device) }, structs });
  return (expression) => {
    try {
      const { checked, type } = compile(expression, environment);
      if (type.kind !== 'bool' && type.kind !== 'any')
        return `must evaluate to bool or the unknown type, not ${typeText(type)}`;
      return estimateCost(checked, { device: sizes }) > maxCost ? tooComplex : undefined;
    } catch (error) {
      if (error instanceof CelCompileError) return `compilation failed: ${error.message}`;
      throw error;
    }
  };
}

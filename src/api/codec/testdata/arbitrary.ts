/** Random API values for property tests, from the schema. */
import fc from 'fast-check';
import type { TypeRef } from '../../schema/model.ts';

/** Any value of a type, shallow enough to end. */
export function arbitrary(type: TypeRef, depth: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'scalar':
      return {
        string: fc.string(),
        boolean: fc.boolean(),
        int32: fc.integer(),
        int64: fc.maxSafeInteger(),
        double: fc.double({ noNaN: true, noDefaultInfinity: true }),
        bytes: fc.uint8Array().map((b) => Buffer.from(b).toString('base64')),
      }[type.scalar] as fc.Arbitrary<unknown>;
    case 'special': {
      const json = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.constant(null)));
      const time = fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((d) => d.toISOString());
      return {
        Quantity: fc.integer({ min: 0 }).map((n) => `${n}m`),
        Time: time,
        MicroTime: time.map((t) => t.replace(/Z$/, '123Z')),
        Duration: fc.constant('1s'),
        IntOrString: fc.oneof(fc.integer(), fc.string()),
        RawExtension: json,
        FieldsV1: json,
        JSON: json,
        JSONSchemaPropsOrArray: fc.constant({ type: 'string' }),
        JSONSchemaPropsOrBool: fc.boolean(),
        JSONSchemaPropsOrStringArray: fc.array(fc.string(), { minLength: 1 }),
        Patch: json,
        Any: json,
      }[type.special];
    }
    case 'list':
      return fc.array(arbitrary(type.element, depth - 1), { minLength: 1, maxLength: 2 });
    case 'map':
      return fc.dictionary(fc.string(), arbitrary(type.value, depth - 1), { minKeys: 1, maxKeys: 2 });
    case 'struct':
      return fc.record(
        depth <= 0
          ? {}
          : Object.fromEntries(
              type.type.fields
                .filter((f) => f.name !== 'kind' && f.name !== 'apiVersion')
                .map((f) => [f.name, arbitrary(f.type, depth - 1)]),
            ),
        { requiredKeys: [] },
      );
  }
}

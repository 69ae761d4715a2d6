/** `.spec.a`, `.spec['b-c']`: where a rule says its error belongs. Source: apiextensions-apiserver/pkg/apiserver/schema/cel (ValidFieldPath). */
import { additionalOf, type Structural } from '../../api/structural/schema.ts';

/** As errors show it: `spec.a`, `map[key]`. @returns undefined when the schema has no such place. */
export function normalizedFieldPath(path: string, schema: Structural): string | undefined {
  let at: Structural | undefined = schema;
  let out = '';
  let rest = path;
  while (rest !== '') {
    const step = /^(?:\.([^.[\]']+)|\['((?:\\.|[^'\\])*)'\])/.exec(rest);
    if (!step || at === undefined) return undefined;
    rest = rest.slice(step[0].length);
    const name = step[1] ?? step[2]!.replace(/\\(.)/g, '$1');
    if (at.properties !== undefined) {
      if (!Object.hasOwn(at.properties, name)) return undefined;
      at = at.properties[name];
      out += out === '' ? name : `.${name}`;
    } else {
      const values: Structural | true | undefined = additionalOf(at);
      if (values === undefined || values === true) return undefined;
      at = values;
      out += `[${name}]`;
    }
  }
  return out;
}

/** Members of field sets as people read them: `.spec.ports[port=80,protocol="TCP"].name`. Source: structured-merge-diff/fieldpath. */
import type { JsonObject } from '../json.ts';
import { type FieldSet, isMember } from '../managed-fields/field-set.ts';

/** Every member: at each level those of the level first, then what is below them. */
export function pathsOf(set: FieldSet): string[] {
  const paths: string[] = [];
  collect(set, '', paths);
  return paths;
}

function collect(node: FieldSet, prefix: string, paths: string[]): void {
  const keys = Object.keys(node).filter((key) => key !== '.');
  for (const key of keys) if (isMember(node[key] as FieldSet)) paths.push(prefix + elementPath(key));
  for (const key of keys) collect(node[key] as FieldSet, prefix + elementPath(key), paths);
}

/** `f:spec` is `.spec`, `k:{"name":"a"}` is `[name="a"]`, `v:"x"` is `[="x"]`, `i:0` is `[0]`. */
export function elementPath(element: string): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${rest}`;
    case 'k':
      return `[${keysText(rest)}]`;
    case 'v':
      return `[=${plainText(rest)}]`;
    default:
      return `[${rest}]`;
  }
}

function keysText(text: string): string {
  const keys = parsed(text);
  if (typeof keys !== 'object' || keys === null) return text;
  return Object.entries(keys as JsonObject)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',');
}

/** JSON without the escapes that sets have for `<`, `>` and `&`. */
function plainText(text: string): string {
  const value = parsed(text);
  return value === undefined ? text : JSON.stringify(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Only an entry that a client wrote by hand can be no JSON; it is shown as it is.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Renders `schema/` as readonly TypeScript types, one file per API package, plus typed resource constants and the built-in schema's imports. */
import type { FieldSchema, ResourceSchema, Schema, SpecialType, StructType, TypeRef } from '../src/api/schema/model.ts';

const header = '// Generated from schema/ by `npm run update`. Do not edit.\n';

const specials: Readonly<Record<SpecialType, string>> = {
  Quantity: 'string',
  Time: 'string',
  MicroTime: 'string',
  Duration: 'string',
  IntOrString: 'number | string',
  RawExtension: 'JsonValue',
  FieldsV1: 'JsonObject',
  JSON: 'JsonValue',
  JSONSchemaPropsOrArray: 'JsonValue',
  JSONSchemaPropsOrBool: 'JsonValue',
  JSONSchemaPropsOrStringArray: 'JsonValue',
  Patch: 'JsonValue',
  Any: 'JsonValue',
};

/** @returns file path relative to the repository -> content. */
export function renderTypes(schema: Schema, packages: readonly string[]): Map<string, string> {
  const files = new Map<string, string>();
  const byPackage = Map.groupBy(schema.types.values(), (type) => packageOf(type.name));
  for (const [pkg, types] of byPackage) files.set(`src/api/types/${fileOf(pkg)}`, renderPackage(pkg, types));
  files.set('src/api/types/resources.ts', renderResources(schema.resources));
  files.set('src/api/schema/builtin.ts', renderBuiltin(packages));
  return files;
}

const packageOf = (name: string): string => name.slice(0, name.lastIndexOf('.'));
const shortOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1);
const fileOf = (pkg: string): string => `${pkg.replace('.', '-')}.ts`;

function renderPackage(pkg: string, types: readonly StructType[]): string {
  const imports = new Map<string, Set<string>>();
  let json = new Set<string>();
  const local = new Set(types.map((t) => shortOf(t.name)));
  const render = (ref: TypeRef): string => {
    switch (ref.kind) {
      case 'scalar':
        return {
          string: 'string',
          boolean: 'boolean',
          int32: 'number',
          int64: 'number',
          double: 'number',
          bytes: 'string',
        }[ref.scalar];
      case 'special': {
        const text = specials[ref.special];
        if (text.startsWith('Json')) json = json.add(text);
        return text;
      }
      case 'list': {
        const element = render(ref.element);
        return `readonly ${element.includes(' ') ? `(${element})` : element}[]`;
      }
      case 'map':
        return `Readonly<Record<string, ${render(ref.value)}>>`;
      case 'struct': {
        const from = packageOf(ref.type.name);
        const name = shortOf(ref.type.name);
        if (from === pkg) return name;
        const as = local.has(name) ? `${name} as ${from.replace(/[^a-zA-Z0-9]/g, '_')}_${name}` : name;
        if (!imports.has(from)) imports.set(from, new Set());
        imports.get(from)!.add(as);
        return as.split(' as ').pop()!;
      }
    }
  };
  const bodies = types.map((type) => {
    const isKind = type.gvks.length > 0 && !type.name.startsWith('meta.v1.');
    const fields = type.fields.map((field) => renderField(field, render(field.type), isKind));
    return fields.length === 0
      ? `export type ${shortOf(type.name)} = Readonly<Record<string, never>>;\n`
      : `export interface ${shortOf(type.name)} {\n${fields.join('')}}\n`;
  });
  const importLines = [...imports]
    .sort()
    .map(([from, names]) => `import type { ${[...names].sort().join(', ')} } from './${fileOf(from)}';\n`);
  if (json.size > 0) importLines.unshift(`import type { ${[...json].sort().join(', ')} } from '../json.ts';\n`);
  return `${header}${importLines.join('')}\n${bodies.join('\n')}`;
}

/** `metadata` of a kind is always there once an object went through the codec; other fields follow OpenAPI's `required`. */
function renderField(field: FieldSchema, text: string, isKind: boolean): string {
  const optional = !(field.required || (isKind && field.name === 'metadata'));
  const type =
    field.enum && text === 'string' ? `${field.enum.map((v) => `'${v}'`).join(' | ')} | (string & {})` : text;
  const name = /^[A-Za-z_][A-Za-z0-9_]*$/.test(field.name) ? field.name : `'${field.name}'`;
  return `  readonly ${name}${optional ? '?' : ''}: ${type};\n`;
}

function renderResources(resources: readonly ResourceSchema[]): string {
  const imports = new Map<string, Set<string>>();
  const lines: string[] = [];
  const used = new Set<string>();
  const stored = resources.filter((r) => r.servedByDefault);
  for (const r of stored) {
    const pkg = packageOf(r.type.name);
    const alias = `${pkg.replace('.', '_')}_${shortOf(r.type.name)}`;
    if (!imports.has(pkg)) imports.set(pkg, new Set());
    imports.get(pkg)!.add(`${shortOf(r.type.name)} as ${alias}`);
    let name = camel(r.resource, r.kind);
    if (used.has(name)) name = `${name}${r.version.toUpperCase()}`;
    used.add(name);
    lines.push(
      `  ${name}: { group: '${r.group}', version: '${r.version}', resource: '${r.resource}', kind: '${r.kind}', namespaced: ${r.namespaced} } as ResourceRef<${alias}>,\n`,
    );
  }
  const importLines = [...imports]
    .sort()
    .map(([from, names]) => `import type { ${[...names].sort().join(', ')} } from './${fileOf(from)}';\n`);
  return `${header}import type { ResourceRef } from '../object.ts';\n${importLines.join('')}\n/** Every built-in resource that is served by default, by its plural in camel case. */\nexport const resources = {\n${lines.join('')}};\n`;
}

/** `replicasets` of kind ReplicaSet -> `replicaSets`: the plural with the kind's inner capitals. */
function camel(plural: string, kind: string): string {
  let out = '';
  for (let i = 0; i < plural.length; i++) {
    const c = plural[i]!;
    const k = kind[i];
    out += i > 0 && k !== undefined && k.toLowerCase() === c && k !== c && !isAcronymTail(kind, i) ? k : c;
  }
  return out;
}
const isAcronymTail = (kind: string, i: number): boolean =>
  /[A-Z]/.test(kind[i - 1] ?? '') && !/[a-z]/.test(kind[i + 1] ?? '');

function renderBuiltin(packages: readonly string[]): string {
  const name = (pkg: string): string => pkg.replace(/[^a-zA-Z0-9]/g, '_');
  return `${header}/** The built-in v1.36 schema, assembled once at import from the files in \`schema/\`; immutable and shared by all instances. */
${packages.map((pkg) => `import ${name(pkg)} from '../../../schema/types/${pkg}.json' with { type: 'json' };\n`).join('')}import resources from '../../../schema/resources.json' with { type: 'json' };
import { buildSchema, type ResourcesFile, type TypeFile } from './load.ts';
import type { Schema } from './model.ts';

const files: Readonly<Record<string, unknown>> = {
${packages.map((pkg) => `  '${pkg}': ${name(pkg)},\n`).join('')}};

export const builtinSchema: Schema = buildSchema(files as Readonly<Record<string, TypeFile>>, resources as unknown as ResourcesFile);
`;
}

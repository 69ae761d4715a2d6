/**
 * Renders `schema/cri.json` (runtime.v1) as readonly TypeScript types with camelCase fields.
 *
 * Messages that occur only in answers have their scalars, lists and maps always present (protobuf's zero values filled in); messages that
 * a caller builds have every field optional. Sub-messages are optional in both. Enums are unions of their names, bytes are Uint8Array,
 * int64 is `number`: nanosecond stamps lose their last 8 bits, sizes and limits are exact up to 2^53.
 */
import { criFieldName } from '../src/runtime/cri-names.ts';

export interface CriField {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: string;
  readonly options?: { readonly deprecated?: boolean };
}
export interface CriMethod {
  readonly requestType: string;
  readonly responseType: string;
  readonly responseStream?: boolean;
}
export interface CriNode {
  readonly fields?: Readonly<Record<string, CriField>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly methods?: Readonly<Record<string, CriMethod>>;
  readonly nested?: Readonly<Record<string, CriNode>>;
}

export function renderCri(descriptor: CriNode): string {
  const top = descriptor.nested?.runtime?.nested?.v1?.nested;
  if (!top) throw new Error('schema/cri.json: no package runtime.v1');
  // Nested definitions (SecurityProfile.ProfileType) have names of their own and move to the top.
  const nodes: Record<string, CriNode> = {};
  for (const [name, node] of Object.entries(top)) Object.assign(nodes, node.nested ?? {}, { [name]: node });
  const methods = Object.values(nodes).flatMap((node) => Object.values(node.methods ?? {}));
  const inRequests = reachable(
    nodes,
    methods.map((method) => method.requestType),
  );
  const out: string[] = [
    '// Generated from schema/cri.json by `npm run update`. Do not edit.\n',
    "import type { CriCallOptions } from './cri.ts';\n",
  ];
  for (const [name, node] of Object.entries(nodes)) {
    if (node.values)
      out.push(
        `export type ${name} = ${Object.keys(node.values)
          .map((v) => `'${v}'`)
          .join(' | ')};\n`,
      );
    else if (node.methods) out.push(renderService(name, node.methods));
    else out.push(renderMessage(name, node, { optional: inRequests.has(name), nodes }));
  }
  return out.join('\n');
}

function reachable(nodes: Readonly<Record<string, CriNode>>, roots: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    const node = nodes[name];
    if (!node || seen.has(name)) return;
    seen.add(name);
    for (const field of Object.values(node.fields ?? {})) visit(field.type);
  };
  roots.forEach(visit);
  return seen;
}

function renderMessage(
  name: string,
  node: CriNode,
  { optional, nodes }: { optional: boolean; nodes: Readonly<Record<string, CriNode>> },
): string {
  const fields = Object.entries(node.fields ?? {});
  if (fields.length === 0) return `export type ${name} = Readonly<Record<string, never>>;\n`;
  const lines = fields.map(([fieldName, field]) => {
    const element = scalars[field.type] ?? field.type;
    const type = field.keyType
      ? `Readonly<Record<string, ${element}>>`
      : field.rule === 'repeated'
        ? `readonly ${element}[]`
        : element;
    const isMessage =
      !field.keyType && field.rule !== 'repeated' && !(field.type in scalars) && !nodes[field.type]?.values;
    const note = field.options?.deprecated ? '  /** @deprecated in the protocol */\n' : '';
    return `${note}  readonly ${criFieldName(fieldName)}${optional || isMessage ? '?' : ''}: ${type};\n`;
  });
  return `export interface ${name} {\n${lines.join('')}}\n`;
}

function renderService(name: string, methods: Readonly<Record<string, CriMethod>>): string {
  const lines = Object.entries(methods).map(([method, { requestType, responseType, responseStream }]) => {
    const result = responseStream ? `AsyncIterable<${responseType}>` : `Promise<${responseType}>`;
    return `  ${method[0]!.toLowerCase()}${method.slice(1)}(request: ${requestType}, options: CriCallOptions): ${result};\n`;
  });
  return `export interface ${name} {\n${lines.join('')}}\n`;
}

const scalars: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'boolean',
  int32: 'number',
  uint32: 'number',
  int64: 'number',
  uint64: 'number',
  float: 'number',
  double: 'number',
  bytes: 'Uint8Array',
};

/** What the expressions of a policy would get wrong, told by the types of the kinds it matches. Source: apiserver/pkg/admission/plugin/policy/validating/typechecking.go. */
import type { GroupVersionKind, Schema, StructType, TypeRef } from '../../../api/schema/model.ts';
import type { ExpressionWarning, ValidatingAdmissionPolicy } from '../../../api/types/admissionregistration-v1.ts';
import { at } from '../../../api/validation/error-list.ts';
import { type Structs, schemaType } from '../../../cel/schema-types.ts';
import {
  bool,
  bytes,
  double,
  dyn,
  int,
  listOf,
  mapOf,
  string,
  struct,
  type Type,
  timestamp,
} from '../../../cel/types.ts';
import type { ResourceTable } from '../../registry/resources.ts';
import { Compiler } from './expressions.ts';

const maxTypes = 10;

export function typeCheck(
  policy: ValidatingAdmissionPolicy,
  table: ResourceTable,
  schema: Schema,
): readonly ExpressionWarning[] {
  const { spec = {} } = policy;
  const { paramKind } = spec;
  const slash = paramKind?.apiVersion?.lastIndexOf('/') ?? -1;
  const params = paramKind && {
    group: slash < 0 ? '' : paramKind.apiVersion!.slice(0, slash),
    version: paramKind.apiVersion?.slice(slash + 1) ?? '',
    kind: paramKind.kind ?? '',
  };
  const compilers = kindsOf(policy, table).flatMap((gvk) => {
    const structs: Structs = {};
    const object = declared(gvk, schema, structs);
    if (object === undefined) return [];
    const of = params && declared(params, schema, structs);
    const compiler = new Compiler({
      params: params !== undefined,
      authorizer: true,
      variables: spec.variables ?? [],
      types: { object, structs, ...(of ? { params: of } : {}) },
    });
    return [{ gvk, compiler }];
  });
  const warnings: ExpressionWarning[] = [];
  const check = (expression: string, fieldRef: string): void => {
    const lines = compilers.flatMap(({ gvk: { group, version, kind }, compiler }) => {
      const compiled = compiler.compile(expression);
      return 'error' in compiled
        ? [`${group}/${version}, Kind=${kind}: ${compiled.error.replace(/^compilation failed: /, '')}\n`]
        : [];
    });
    if (lines.length > 0) warnings.push({ fieldRef, warning: lines.join('\n') });
  };
  for (const [i, { expression, messageExpression }] of (spec.validations ?? []).entries()) {
    check(expression, `${at('spec.validations', i)}.expression`);
    if (messageExpression) check(messageExpression, `${at('spec.validations', i)}.messageExpression`);
  }
  return warnings;
}

/** Of rules that name what they are about; wildcards say nothing about types. */
function kindsOf({ spec }: ValidatingAdmissionPolicy, table: ResourceTable): readonly GroupVersionKind[] {
  const found = new Map<string, GroupVersionKind>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of spec?.matchConstraints?.resourceRules ?? []) {
    if (apiGroups.includes('*') || apiVersions.includes('*')) continue;
    for (const group of apiGroups)
      for (const version of apiVersions)
        for (const resource of resources) {
          if (/[*/]/.test(resource)) continue;
          const served = table.find(group, version, resource);
          if (served && found.size < maxTypes) found.set(`${group}/${version}/${served.gvk.kind}`, served.gvk);
        }
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, gvk]) => gvk);
}

function declared(gvk: GroupVersionKind, schema: Schema, structs: Structs): Type | undefined {
  const type = schema.byGvk(gvk);
  if (type === undefined) return undefined;
  const name = `${gvk.kind}Type`;
  if (type.custom) return type.custom.schema && schemaType(type.custom.schema, name, structs, true);
  return structOf(type, structs);
}

function structOf(type: StructType, structs: Structs): Type {
  if (!Object.hasOwn(structs, type.name)) {
    const fields = new Map<string, Type>();
    // Known before its fields are: types are recursive.
    structs[type.name] = fields;
    for (const field of type.fields) fields.set(field.name, typeOf(field.type, structs));
  }
  return struct(type.name);
}

function typeOf(type: TypeRef, structs: Structs): Type {
  switch (type.kind) {
    case 'struct':
      return structOf(type.type, structs);
    case 'list':
      return listOf(typeOf(type.element, structs));
    case 'map':
      return mapOf(string, typeOf(type.value, structs));
    case 'scalar':
      return { string, boolean: bool, int32: int, int64: int, double, bytes }[type.scalar];
    case 'special':
      switch (type.special) {
        case 'Quantity':
        case 'Duration':
          return string;
        case 'Time':
        case 'MicroTime':
          return timestamp;
        default:
          return dyn;
      }
  }
}

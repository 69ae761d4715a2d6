/**
 * The rules of a schema, compiled: `x-kubernetes-validations`. Source: apiextensions-apiserver/pkg/apiserver/schema/cel.
 */
import { sameJson } from '../../api/edit.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { additionalOf, isList, isObject, itemsOf, memberOf, type Structural } from '../../api/structural/schema.ts';
import { itemsBefore } from '../../api/structural/validate.ts';
import type { ValidationRule } from '../../api/types/apiextensions-v1.ts';
import { at, ErrorList } from '../../api/validation/error-list.ts';
import {
  CelCompileError,
  CelError,
  type Compiled,
  CostLimitError,
  compile,
  createEnvironment,
  fromJson,
  perCallLimit,
  runtimeBudget,
  type Type,
  type Value,
} from '../../cel/index.ts';
import { type Structs, schemaType, withMetaFields } from '../../cel/schema-types.ts';
import { optionalOf } from '../../cel/types.ts';
import { Optional } from '../../cel/values.ts';
import { normalizedFieldPath } from './field-path.ts';
import type { RuleValidator } from './strategy.ts';

export interface CompiledRule {
  readonly rule: ValidationRule;
  /** Absent where the rule does not compile, or is empty. */
  readonly compiled?: Compiled;
  /** What is wrong with the rule, as its definition is told. */
  readonly error?: string;
  readonly message?: Compiled;
  readonly messageError?: string;
  readonly usesOldSelf: boolean;
}

/** The rules of one place of a schema. @param root of the whole object: its metadata is there without being named. */
export function compileRules(schema: Structural, root: boolean): readonly CompiledRule[] {
  const rules = schema['x-kubernetes-validations'] ?? [];
  if (rules.length === 0) return [];
  const structs: Structs = {};
  const self = schemaType(schema, 'object', structs, root);
  return rules.map((rule) => compileRule(rule, self, structs));
}

function compileRule(rule: ValidationRule, self: Type | undefined, structs: Structs): CompiledRule {
  if (rule.rule.trim() === '') return { rule, usesOldSelf: false };
  if (self === undefined)
    return { rule, usesOldSelf: false, error: 'failed to convert to declType for CEL validation rules' };
  const environment = createEnvironment({
    variables: { self, oldSelf: rule.optionalOldSelf ? optionalOf(self) : self },
    structs,
  });
  let compiled: Compiled;
  try {
    compiled = compile(rule.rule, environment);
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    return { rule, usesOldSelf: false, error: `compilation failed: ${error.message}` };
  }
  if (compiled.type.kind !== 'bool')
    return { rule, usesOldSelf: false, error: 'cel expression must evaluate to a bool' };
  const usesOldSelf = [...compiled.checked.names.values()].includes('oldSelf');
  if (!rule.messageExpression) return { rule, compiled, usesOldSelf };
  try {
    const message = compile(rule.messageExpression, environment);
    if (message.type.kind !== 'string')
      return { rule, compiled, usesOldSelf, messageError: 'messageExpression must evaluate to a string' };
    return { rule, compiled, usesOldSelf, message };
  } catch (error) {
    if (!(error instanceof CelCompileError)) throw error;
    return { rule, compiled, usesOldSelf, messageError: `messageExpression compilation failed: ${error.message}` };
  }
}

/** One place of a schema with the places below it; places without rules, here or below, are left out. */
interface Node {
  readonly schema: Structural;
  readonly root: boolean;
  readonly rules: readonly CompiledRule[];
  readonly items?: Node;
  readonly values?: Node;
  readonly properties: ReadonlyMap<string, Node>;
  /** Rules of `allOf`, on the same value. */
  readonly allOf: readonly Node[];
}

function nodeOf(rules: Structural, schema: Structural, root: boolean): Node | undefined {
  const here = { ...schema, 'x-kubernetes-validations': rules['x-kubernetes-validations'] ?? [] };
  const compiled = compileRules(here, root);
  const items = below(itemsOf(rules), itemsOf(schema));
  const additional = additionalOf(rules);
  const shape = additionalOf(schema);
  const values = below(additional === true ? undefined : additional, shape === true ? undefined : shape);
  const properties = new Map<string, Node>();
  for (const [name, property] of Object.entries(rules.properties ?? {})) {
    const node = below(property, schema.properties?.[name]);
    if (node) properties.set(name, node);
  }
  const allOf = (rules.allOf ?? []).flatMap((one) => nodeOf(one, schema, root) ?? []);
  if (compiled.length === 0 && !items && !values && properties.size === 0 && allOf.length === 0) return undefined;
  return {
    schema: root ? withMetaFields(schema) : schema,
    root,
    rules: compiled,
    ...(items ? { items } : {}),
    ...(values ? { values } : {}),
    properties,
    allOf,
  };
}

const below = (rules: Structural | undefined, schema: Structural | undefined): Node | undefined =>
  rules && schema ? nodeOf(rules, schema, false) : undefined;

/** What is known of the old state of a value, for rules that may stay broken. */
interface Past {
  readonly correlation: { readonly old: JsonValue; readonly value: JsonValue; readonly schema: Structural } | undefined;
  readonly nearest: Past['correlation'];
}

const unchanged = (correlation: Past['correlation']): boolean =>
  correlation !== undefined && sameJson(correlation.value, correlation.old);

/** @returns undefined when the schema has no rules. */
export function ruleValidator(schema: Structural | undefined): RuleValidator | undefined {
  const node = schema && nodeOf(schema, schema, true);
  if (!node) return undefined;
  return {
    validate(object, previous) {
      const run = new Run();
      const correlation = previous && { old: previous as JsonValue, value: object as JsonValue, schema: node.schema };
      run.node(node, '', object, previous, { correlation, nearest: undefined });
      return run.errors.errors;
    },
  };
}

class Run {
  readonly errors = new ErrorList();
  #budget = runtimeBudget;

  node(node: Node, path: string, value: JsonValue, old: JsonValue | undefined, past: Past): void {
    if (value === null || this.#budget < 0) return;
    this.#rules(node, path, value, old, past);
    for (const one of node.allOf)
      if (this.#budget >= 0) this.node(one, path, value, old, { correlation: undefined, nearest: past.nearest });
    if (isList(value)) this.#list(node, path, value, old, past);
    else if (isObject(value)) this.#object(node, path, value, old, past);
  }

  #list(node: Node, path: string, items: readonly JsonValue[], old: JsonValue | undefined, past: Past): void {
    const inner = node.items;
    if (!inner) return;
    // Old items are found by key; a set or an atomic list has no old items.
    const before = old === undefined ? undefined : itemsBefore({ old, schema: node.schema });
    for (let i = 0; i < items.length && this.#budget >= 0; i++) {
      const oldItem = before?.(items[i]!);
      this.node(inner, at(path, i), items[i]!, oldItem, this.#step(past, oldItem, items[i]!, inner.schema));
    }
  }

  #object(node: Node, path: string, value: JsonObject, old: JsonValue | undefined, past: Past): void {
    const oldObject = isObject(old) ? old : undefined;
    // What is replaced as a whole has no old parts.
    const correlatable = node.schema['x-kubernetes-map-type'] !== 'atomic';
    const visit = (name: string, inner: Node, field: string): void => {
      const member = value[name];
      if (member === undefined || this.#budget < 0) return;
      const oldMember = correlatable && oldObject && Object.hasOwn(oldObject, name) ? oldObject[name] : undefined;
      const known = memberOf(node.schema, name) === undefined ? undefined : oldObject?.[name];
      this.node(inner, field, member, oldMember, this.#step(past, known, member, inner.schema));
    };
    if (node.values)
      for (const name of Object.keys(value))
        if (!Object.hasOwn(node.schema.properties ?? {}, name)) visit(name, node.values, at(path, name));
    for (const [name, inner] of node.properties) visit(name, inner, path === '' ? name : `${path}.${name}`);
  }

  #step(past: Past, old: JsonValue | undefined, value: JsonValue, schema: Structural): Past {
    if (past.correlation === undefined) return past;
    return { correlation: old === undefined ? undefined : { old, value, schema }, nearest: past.correlation };
  }

  #rules(node: Node, path: string, value: JsonValue, old: JsonValue | undefined, past: Past): void {
    if (node.rules.length === 0) return;
    const type = node.schema.type ?? '';
    const field = path === '' ? '<nil>' : path;
    const self = fromJson(value, node.schema);
    const oldSelf = old === undefined || old === null ? undefined : fromJson(old, node.schema);
    for (const one of node.rules) {
      if (this.#budget <= 0) {
        this.#spent(field, type);
        return;
      }
      const { rule, compiled, error } = one;
      if (error !== undefined) {
        this.errors.invalid(field, type, `rule compile error: ${error}`);
        continue;
      }
      if (!compiled || (one.usesOldSelf && oldSelf === undefined && !rule.optionalOldSelf)) continue;
      const variables = (name: string): Value | undefined => {
        if (name === 'self') return self;
        if (name !== 'oldSelf') return undefined;
        return rule.optionalOldSelf ? new Optional(oldSelf) : oldSelf;
      };
      const result = this.#evaluate(compiled, variables);
      if (result === 'spent') {
        this.#spent(field, type);
        return;
      }
      if (result instanceof CelError) {
        if (result instanceof CostLimitError) {
          this.errors.invalid(
            field,
            type,
            `'${result.message}': no further validation rules will be run due to call cost exceeds limit for rule: ${ruleText(rule)}`,
          );
          this.#budget = -1;
          return;
        }
        this.errors.invalid(
          field,
          type,
          result.message.startsWith('no such overload')
            ? `'${result.message}': call arguments did not match a supported operator, function or macro signature for rule: ${ruleText(rule)}`
            : `${result.message} evaluating rule: ${ruleText(rule)}`,
        );
        continue;
      }
      if (result === true) continue;
      // A value that was so before may stay so, unless the rule is about the change.
      if (!one.usesOldSelf && unchanged(past.correlation ?? past.nearest)) continue;
      this.#broken(one, node, path, value, variables);
      if (this.#budget < 0) return;
    }
  }

  #spent(field: string, type: string): void {
    this.errors.invalid(
      field,
      type,
      'validation failed due to running out of cost budget, no further validation rules will be run',
    );
    this.#budget = -1;
  }

  #evaluate(compiled: Compiled, variables: (name: string) => Value | undefined): Value | CelError | 'spent' {
    try {
      const { value, cost } = compiled.program.run(variables, perCallLimit);
      if (cost > this.#budget) return 'spent';
      this.#budget -= cost;
      return value;
    } catch (error) {
      if (error instanceof CelError) return error;
      throw error;
    }
  }

  #broken(
    one: CompiledRule,
    node: Node,
    path: string,
    value: JsonValue,
    variables: (name: string) => Value | undefined,
  ): void {
    const { rule } = one;
    const below = rule.fieldPath ? normalizedFieldPath(rule.fieldPath, node.schema) : undefined;
    const field = below === undefined ? path || '<nil>' : path === '' ? below : `${path}.${below}`;
    let detail = rule.message ? rule.message.trim() : `failed rule: ${ruleText(rule)}`;
    if (one.message) {
      const text = this.#evaluate(one.message, variables);
      if (text === 'spent') {
        this.errors.invalid(
          field,
          node.schema.type ?? '',
          'messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run',
        );
        this.#budget = -1;
        return;
      }
      if (typeof text === 'string' && text.trim() !== '' && !/[\n\r]/.test(text) && Buffer.byteLength(text) <= 5_120)
        detail = text.trim();
    }
    switch (rule.reason) {
      case 'FieldValueForbidden':
        this.errors.forbidden(field, detail);
        break;
      case 'FieldValueRequired':
        this.errors.required(field, detail);
        break;
      case 'FieldValueDuplicate':
        this.errors.duplicate(field, value);
        break;
      default: {
        const whole = node.schema.type === 'object' || node.schema.type === 'array';
        if (whole) this.errors.append([{ type: 'FieldValueInvalid', field, message: `Invalid value: ${detail}` }]);
        else this.errors.invalid(field, value, detail);
      }
    }
  }
}

/** How messages name a rule. */
const ruleText = ({ rule, message = '' }: ValidationRule): string => (message === '' ? rule : message).trim();

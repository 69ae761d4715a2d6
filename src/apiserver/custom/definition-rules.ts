/**
 * What can be told of a definition's schemas only by compiling and running them: expressions, patterns, defaults.
 * Source: apiextensions-apiserver/pkg/apis/apiextensions/validation, pkg/apiserver/schema/defaulting/validation.go.
 */
import { sameJson } from '../../api/edit.ts';
import type { FieldError } from '../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { compileRegex, RegexError } from '../../api/regex.ts';
import { withoutNulls } from '../../api/structural/defaults.ts';
import { prune } from '../../api/structural/prune.ts';
import {
  additionalOf,
  defaultOf,
  isEmbedded,
  isObject,
  itemsOf,
  type Structural,
} from '../../api/structural/schema.ts';
import { SchemaValidator } from '../../api/structural/validate.ts';
import { schemaPlaces } from '../../api/validation/custom-resource-definitions.ts';
import { at, ErrorList } from '../../api/validation/error-list.ts';
import { asDefinition } from './definition.ts';
import { normalizedFieldPath } from './field-path.ts';
import { costMessage, crdCostLimit, estimatedCost, ruleCostLimit, type SchemaCost, schemaCost } from './rule-cost.ts';
import { compileRules } from './rules.ts';

/** @param previous of an update: schemas that did not change were judged before. */
export function definitionErrors(object: JsonObject, previous: JsonObject | undefined): readonly FieldError[] {
  const errors = new ErrorList();
  const { spec } = asDefinition(object);
  const before = previous === undefined ? [] : schemaPlaces(asDefinition(previous).spec).map(({ schema }) => schema);
  for (const { schema, path } of schemaPlaces(spec)) {
    if (before.some((known) => sameJson(known, schema))) continue;
    const judge = new Judge(errors);
    judge.node(schema, path, { root: true, uncorrelatable: undefined, cost: schemaCost(), defaults: true });
    judge.total(path);
  }
  return errors.errors;
}

interface Place {
  readonly root: boolean;
  /** The nearest place above whose old value cannot be told. */
  readonly uncorrelatable: string | undefined;
  readonly cost: SchemaCost;
  /** Defaults here are looked at; those inside a default are part of it. */
  readonly defaults: boolean;
}

class Judge {
  readonly #errors: ErrorList;
  #total = 0;
  readonly #expensive: { readonly path: string; readonly cost: number }[] = [];

  constructor(errors: ErrorList) {
    this.#errors = errors;
  }

  node(schema: Structural, path: string, place: Place): void {
    this.#pattern(schema, path);
    if (place.defaults) this.#default(schema, path, place.root);
    const additional = additionalOf(schema);
    if (additional !== undefined && additional !== true)
      this.node(additional, `${path}.additionalProperties`, {
        ...place,
        root: false,
        uncorrelatable:
          schema['x-kubernetes-map-type'] === 'atomic' ? (place.uncorrelatable ?? path) : place.uncorrelatable,
        cost: place.cost.values(schema),
      });
    for (const [name, property] of Object.entries(schema.properties ?? {}))
      this.node(property, at(`${path}.properties`, name), {
        ...place,
        root: false,
        uncorrelatable:
          schema['x-kubernetes-map-type'] === 'atomic' ? (place.uncorrelatable ?? path) : place.uncorrelatable,
        cost: place.cost,
        defaults: place.defaults,
      });
    const items = itemsOf(schema);
    if (items)
      this.node(items, `${path}.items`, {
        ...place,
        root: false,
        uncorrelatable:
          schema['x-kubernetes-list-type'] === 'map' ? place.uncorrelatable : (place.uncorrelatable ?? `${path}.items`),
        cost: place.cost.items(schema),
      });
    this.#rules(schema, path, place);
  }

  #pattern({ pattern = '' }: Structural, path: string): void {
    if (pattern === '') return;
    try {
      compileRegex(pattern);
    } catch (error) {
      if (!(error instanceof RegexError)) throw error;
      this.#errors.invalid(
        `${path}.pattern`,
        pattern,
        `must be a valid regular expression, but isn't: ${error.message}`,
      );
    }
  }

  /** A default must be a value of its schema, with nothing that pruning would take. */
  #default(schema: Structural, path: string, root: boolean): void {
    const value = defaultOf(schema);
    if (value === undefined) return;
    const field = `${path}.default`;
    if (isObject(value) && !root) {
      const { unknown } = prune({ value: value as JsonValue }, { type: 'object', properties: { value: schema } });
      if (unknown.length > 0) this.#errors.invalid(field, value, 'must not have unknown fields');
    }
    const cleaned = isObject(value) ? withoutNulls(value as JsonObject, schema) : value;
    for (const { type, field: below, message } of new SchemaValidator(schema).validate(cleaned))
      this.#errors.append([{ type, field: below === '<nil>' ? field : `${field}.${below}`, message }]);
    if (isEmbedded(schema) && isObject(value))
      for (const name of ['apiVersion', 'kind'])
        if (value[name] === undefined) this.#errors.required(`${field}.${name}`);
  }

  #rules(schema: Structural, path: string, place: Place): void {
    const rules = compileRules(schema, place.root);
    for (const [i, { rule, compiled, error, message, messageError, usesOldSelf }] of rules.entries()) {
      const field = at(`${path}.x-kubernetes-validations`, i);
      if (rule.fieldPath && normalizedFieldPath(rule.fieldPath, schema) === undefined)
        this.#errors.invalid(`${field}.fieldPath`, rule.fieldPath, 'must be a valid path');
      const shown = {
        Rule: rule.rule,
        Message: rule.message ?? '',
        MessageExpression: rule.messageExpression ?? '',
        Reason: rule.reason ?? null,
        FieldPath: rule.fieldPath ?? '',
        OptionalOldSelf: rule.optionalOldSelf ?? null,
      };
      if (compiled) {
        const cost = place.cost.repeated(estimatedCost(compiled, schema, place.root), schema);
        if (cost > ruleCostLimit)
          this.#errors.forbidden(`${field}.rule`, costMessage('estimated rule cost', cost, ruleCostLimit));
        this.#add(`${field}.rule`, cost);
      }
      if (error !== undefined) this.#errors.invalid(`${field}.rule`, shown, error);
      if (messageError !== undefined) this.#errors.invalid(`${field}.messageExpression`, shown, messageError);
      else if (message) {
        const cost = estimatedCost(message, schema, place.root);
        if (cost > ruleCostLimit)
          this.#errors.forbidden(
            `${field}.messageExpression`,
            costMessage('estimated messageExpression cost', cost, ruleCostLimit),
          );
        this.#add(`${field}.messageExpression`, cost);
      }
      if (usesOldSelf) {
        if (place.uncorrelatable !== undefined)
          this.#errors.invalid(
            `${field}.rule`,
            rule.rule,
            `oldSelf cannot be used on the uncorrelatable portion of the schema within ${place.uncorrelatable}`,
          );
      } else if (compiled && rule.optionalOldSelf !== undefined)
        this.#errors.invalid(
          `${field}.optionalOldSelf`,
          rule.optionalOldSelf,
          'may not be set if oldSelf is not used in rule',
        );
    }
  }

  #add(path: string, cost: number): void {
    this.#total += cost;
    this.#expensive.push({ path, cost });
  }

  /** All rules together must stay within bounds, too. */
  total(path: string): void {
    if (this.#total <= crdCostLimit) return;
    const worst = this.#expensive.filter(({ cost }) => cost > crdCostLimit / 100).sort((a, b) => b.cost - a.cost);
    for (const { path: one } of worst.slice(0, 4))
      this.#errors.forbidden(
        one,
        'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
      );
    this.#errors.forbidden(
      path,
      costMessage(
        'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema',
        this.#total,
        crdCostLimit,
      ),
    );
  }
}

/**
 * What the server does with objects of a custom kind, by its definition. One strategy for each version: its objects are prepared and validated as
 * they stand in the request. Source: apiextensions-apiserver/pkg/registry/customresource/{strategy,status_strategy,validator}.go.
 */
import { type JsonPath, sameJson } from '../../api/edit.ts';
import type { FieldError } from '../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { checkQualifiedName } from '../../api/names.ts';
import { goType } from '../../api/patch/go-format.ts';
import type { CustomResourceSchema } from '../../api/schema/model.ts';
import { validateEmbedded } from '../../api/structural/embedded.ts';
import { validateListTypes } from '../../api/structural/list-types.ts';
import type { Structural } from '../../api/structural/schema.ts';
import { SchemaValidator } from '../../api/structural/validate.ts';
import { ErrorList } from '../../api/validation/error-list.ts';
import { metadataOf, withMeta } from '../registry/object-meta.ts';
import { validateMeta } from '../registry/validate-meta.ts';
import type { Strategy, UpdateStrategy } from '../strategies/strategy.ts';

/** The rules of `x-kubernetes-validations`. */
export interface RuleValidator {
  /** @param previous absent for a create. @param only the part that is judged: `status`. */
  validate(object: JsonObject, previous: JsonObject | undefined): readonly FieldError[];
}

export interface CustomStrategyOptions {
  readonly kind: string;
  readonly apiVersion: string;
  readonly schema: Structural | undefined;
  readonly status: boolean;
  readonly scale: CustomResourceSchema['scale'];
  readonly rules: RuleValidator | undefined;
}

const statusPath: JsonPath = ['status'];
const specPath: JsonPath = ['spec'];
const noPaths: readonly JsonPath[] = Object.freeze([]);

export function customStrategy(options: CustomStrategyOptions): Strategy {
  const { status, schema } = options;
  const checks = new Checks(options);
  return {
    allowUnconditionalUpdate: false,
    resetFields: (subresource) =>
      subresource === '' ? (status ? [statusPath] : noPaths) : subresource === 'status' ? [specPath] : noPaths,
    prepareForCreate: (object) => withMeta(status ? without(object, 'status') : object, { generation: 1 }),
    prepareForUpdate: (next, previous) => {
      const kept = status ? withStatusOf(next, previous) : next;
      const generation = Number(metadataOf(previous).generation ?? 0);
      return withMeta(kept, { generation: sameContent(kept, previous) ? generation : generation + 1 });
    },
    validate: (object) => checks.create(object),
    validateUpdate: (next, previous) => checks.update(next, previous),
    warningsOnCreate: (object) => finalizerWarnings(object, undefined),
    warningsOnUpdate: (next, previous) => finalizerWarnings(next, previous),
    subresources: status ? { status: statusStrategy(checks) } : {},
    ...(schema === undefined ? {} : {}),
  };
}

/** PUT of `/status` takes the status alone, and who manages it. */
function statusStrategy(checks: Checks): UpdateStrategy {
  return {
    prepareForUpdate: (next, previous) => {
      const { managedFields, resourceVersion } = metadataOf(next);
      return withMeta(withStatusOf(previous, next), { managedFields, resourceVersion });
    },
    validateUpdate: (next, previous) => checks.statusUpdate(next, previous),
  };
}

const without = (object: JsonObject, key: string): JsonObject => {
  if (object[key] === undefined) return object;
  const { [key]: _gone, ...rest } = object;
  return Object.freeze(rest);
};

const withStatusOf = (object: JsonObject, other: JsonObject): JsonObject =>
  other.status === undefined
    ? without(object, 'status')
    : object.status === other.status
      ? object
      : Object.freeze({ ...object, status: other.status });

function sameContent(a: JsonObject, b: JsonObject): boolean {
  const { metadata: _a, ...x } = a;
  const { metadata: _b, ...y } = b;
  return sameJson(x, y);
}

const blocking: ReadonlySet<FieldError['type']> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

class Checks {
  readonly #options: CustomStrategyOptions;
  readonly #validator: SchemaValidator | undefined;
  readonly #statusValidator: SchemaValidator | undefined;

  constructor(options: CustomStrategyOptions) {
    const { schema } = options;
    this.#options = options;
    this.#validator = schema && new SchemaValidator(schema);
    const status = schema?.properties?.status;
    this.#statusValidator = status && new SchemaValidator(status);
  }

  create(object: JsonObject): readonly FieldError[] {
    const { schema } = this.#options;
    const errors = this.#typeMeta(object);
    if (errors.errors.length > 0) return errors.errors;
    if (this.#validator) errors.append(this.#validator.validate(object));
    this.#scaleSpec(errors, object);
    this.#scaleStatus(errors, object);
    embedded(errors, object, schema);
    validateListTypes(errors, object, schema);
    return this.#withRules(errors, object, undefined);
  }

  update(next: JsonObject, previous: JsonObject): readonly FieldError[] {
    const { schema } = this.#options;
    const errors = this.#typeMeta(next);
    if (errors.errors.length > 0) return errors.errors;
    if (this.#validator) errors.append(this.#validator.validateUpdate(next, previous));
    this.#scaleSpec(errors, next);
    this.#scaleStatus(errors, next);
    embedded(errors, next, schema);
    const before = new ErrorList();
    validateListTypes(before, previous, schema);
    if (before.errors.length === 0) validateListTypes(errors, next, schema);
    return this.#withRules(errors, next, previous);
  }

  statusUpdate(next: JsonObject, previous: JsonObject): readonly FieldError[] {
    const status = this.#options.schema?.properties?.status;
    const errors = this.#typeMeta(next);
    if (errors.errors.length > 0) return errors.errors;
    if (this.#statusValidator && next.status !== undefined)
      errors.append(this.#statusValidator.validateUpdate(next.status, previous.status, 'status'));
    this.#scaleStatus(errors, next);
    // Only what this endpoint writes is looked at.
    const judged = status === undefined ? undefined : { type: 'object', properties: { status } };
    const before = new ErrorList();
    validateListTypes(before, previous, judged);
    if (before.errors.length === 0) validateListTypes(errors, next, judged);
    return this.#withRules(errors, next, previous);
  }

  #withRules(errors: ErrorList, next: JsonObject, previous: JsonObject | undefined): readonly FieldError[] {
    const { rules } = this.#options;
    if (rules === undefined) return errors.errors;
    if (errors.errors.some(({ type }) => blocking.has(type)))
      errors.invalid(
        '<nil>',
        null,
        'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
      );
    else errors.append(rules.validate(next, previous));
    return errors.errors;
  }

  #typeMeta(object: JsonObject): ErrorList {
    const { kind, apiVersion } = this.#options;
    const errors = new ErrorList();
    if (object.kind !== kind) errors.invalid('kind', object.kind ?? '', `must be ${kind}`);
    if (object.apiVersion !== apiVersion)
      errors.invalid('apiVersion', object.apiVersion ?? '', `must be ${apiVersion}`);
    return errors;
  }

  #scaleSpec(errors: ErrorList, object: JsonObject): void {
    const { scale } = this.#options;
    if (scale) replicas(errors, object, scale.specReplicasPath);
  }

  #scaleStatus(errors: ErrorList, object: JsonObject): void {
    const { scale } = this.#options;
    if (!scale) return;
    replicas(errors, object, scale.statusReplicasPath);
    if (scale.labelSelectorPath === undefined) return;
    const { value, error } = nested(object, scale.labelSelectorPath);
    const wrong = error ?? wrongKind(scale.labelSelectorPath, value, 'string');
    if (wrong !== undefined) errors.invalid(scale.labelSelectorPath, '', wrong);
  }
}

function embedded(errors: ErrorList, object: JsonObject, schema: Structural | undefined): void {
  validateEmbedded(errors, object, schema, (inner) =>
    validateMeta(inner, { namespaced: (metadataOf(inner).namespace ?? '') !== '', validateName: () => [] }),
  );
}

function replicas(errors: ErrorList, object: JsonObject, path: string): void {
  const { value, error } = nested(object, path);
  const wrong = error ?? wrongKind(path, value, 'int64');
  if (wrong !== undefined) errors.invalid(path, 0, wrong);
  else if (value !== undefined && Number(value) < 0) errors.invalid(path, value, 'should be a non-negative integer');
  else if (value !== undefined && Number(value) > 2_147_483_647)
    errors.invalid(path, value, 'should be less than or equal to 2147483647');
}

/** The value at a simple path, as upstream's NestedFieldNoCopy finds it. */
export function nested(
  object: JsonObject,
  path: string,
): { readonly value: JsonValue | undefined; readonly error?: string } {
  const steps = path.replace(/^\./, '').split('.');
  let at: JsonValue | undefined = object;
  for (let i = 0; i < steps.length; i++) {
    if (at === undefined || at === null) return { value: undefined };
    if (typeof at !== 'object' || Array.isArray(at))
      return {
        value: undefined,
        error: `.${steps.join('.')} accessor error: ${String(at)} is of the type ${goType(at)}, expected map[string]interface{}`,
      };
    at = (at as JsonObject)[steps[i]!];
  }
  return { value: at };
}

function wrongKind(path: string, value: JsonValue | undefined, wanted: 'int64' | 'string'): string | undefined {
  if (value === undefined) return undefined;
  const fits = wanted === 'string' ? typeof value === 'string' : typeof value === 'bigint' || Number.isInteger(value);
  if (fits) return undefined;
  const shown = value === null ? '<nil>' : String(value);
  return `.${path.replace(/^\./, '')} accessor error: ${shown} is of the type ${goType(value)}, expected ${wanted}`;
}

const standardFinalizers: ReadonlySet<string> = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

function finalizerWarnings(object: JsonObject, previous: JsonObject | undefined): readonly string[] {
  const { finalizers = [] } = metadataOf(object);
  if (finalizers.length === 0) return [];
  const before = new Set(previous === undefined ? [] : (metadataOf(previous).finalizers ?? []));
  const added = [...new Set(finalizers)].filter((finalizer) => !before.has(finalizer)).sort();
  return added.flatMap((finalizer) => {
    const at = `metadata.finalizers: ${JSON.stringify(finalizer)}: `;
    const out = checkQualifiedName(finalizer).map((why) => at + why);
    if (!finalizer.includes('/') && !standardFinalizers.has(finalizer))
      out.push(
        `${at}prefer a domain-qualified finalizer name ${finalizer.includes('.') ? 'including a path (/) ' : ''}to avoid accidental conflicts with other finalizer writers`,
      );
    return out;
  });
}

/** Definitions of custom resources. Upstream keeps what all versions share at the top of the spec, and says so in field paths. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { checkDns1035Label, checkDns1123Subdomain } from '../names.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  JSONSchemaProps,
} from '../types/apiextensions-v1.ts';
import { hasDefaults, validateCustomSchema } from './crd-schemas.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { validateWebhookService, validateWebhookUrl } from './webhook-client.ts';

const scopes = ['Cluster', 'Namespaced'];
const strategies = ['None', 'Webhook'];
const reviewVersions = ['v1', 'v1beta1'];
const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];
const approval = 'api-approved.kubernetes.io';
const proposal = 'see https://github.com/kubernetes/enhancements/pull/1111';
const maxSelectableFields = 8;

const versioned = ['schema', 'subresources', 'additionalPrinterColumns', 'selectableFields'] as const;
type Versioned = Pick<CustomResourceDefinitionVersion, (typeof versioned)[number]>;

export function validateDefinition(errors: ErrorList, definition: CustomResourceDefinition): void {
  const { metadata, spec } = definition;
  const wanted = `${spec.names?.plural ?? ''}.${spec.group ?? ''}`;
  const why = 'must be spec.names.plural+"."+spec.group';
  // What a name is made from never is the name.
  if (metadata.generateName && metadata.generateName !== wanted)
    errors.invalid('metadata.generateName', metadata.generateName, why);
  if (metadata.name !== wanted) errors.invalid('metadata.name', metadata.name ?? '', why);
  validateSpec(errors, spec);
  validateAfter(errors, definition);
}

export function validateDefinitionUpdate(
  errors: ErrorList,
  next: CustomResourceDefinition,
  previous: CustomResourceDefinition,
): void {
  const { spec } = next;
  const before = previous.spec;
  const recognized = previous.spec.conversion?.webhook?.conversionReviewVersions ?? [];
  validateSpec(errors, spec, {
    anyReviewVersion: recognized.length > 0 && !recognized.some((version) => reviewVersions.includes(version)),
  });
  const established = previous.status?.conditions?.some((c) => c.type === 'Established' && c.status === 'True');
  if (established) {
    if (spec.scope !== before.scope) errors.invalid('spec.scope', spec.scope, immutable);
    if (spec.names.kind !== before.names.kind) errors.invalid('spec.names.kind', spec.names.kind, immutable);
  }
  if (spec.group !== before.group) errors.invalid('spec.group', spec.group, immutable);
  if (spec.names.plural !== before.names.plural) errors.invalid('spec.names.plural', spec.names.plural, immutable);
  validateAfter(errors, next, previous);
}

export function validateDefinitionStatus(errors: ErrorList, { status }: CustomResourceDefinition): void {
  if (status?.acceptedNames) validateNames(errors, status.acceptedNames, 'status.acceptedNames');
}

function validateAfter(
  errors: ErrorList,
  definition: CustomResourceDefinition,
  previous?: CustomResourceDefinition,
): void {
  const { spec, status } = definition;
  validateDefinitionStatus(errors, definition);
  validateStoredVersions(errors, status?.storedVersions ?? [], spec.versions ?? []);
  validateApproval(errors, definition, previous);
  if (spec.preserveUnknownFields && !previous?.spec.preserveUnknownFields)
    errors.invalid(
      'spec.preserveUnknownFields',
      true,
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
    );
}

function validateSpec(
  errors: ErrorList,
  spec: CustomResourceDefinitionSpec,
  options: { readonly anyReviewVersion?: boolean } = {},
): void {
  const { group = '', scope = '', conversion } = spec;
  const given = spec.versions ?? [];
  const shared = sharedBy(given);
  const versions = given.map((version) => withoutShared(version, shared));
  const wrongGroup = checkDns1123Subdomain(group);
  if (group === '') errors.required('spec.group');
  else if (wrongGroup.length > 0) errors.invalid('spec.group', group, wrongGroup.join(','));
  else if (!group.includes('.')) errors.invalid('spec.group', group, 'should be a domain with at least one dot');
  validateWord(errors, scope, scopes, 'spec.scope');
  if (!shared.schema?.openAPIV3Schema)
    for (const [i, { schema }] of versions.entries())
      if (!schema?.openAPIV3Schema) errors.required(`${at('spec.versions', i)}.schema.openAPIV3Schema`);
  const schemas = [shared.schema, ...versions.map(({ schema }) => schema)];
  if (spec.preserveUnknownFields && schemas.some((schema) => hasDefaults(schema?.openAPIV3Schema)))
    errors.invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema');
  for (const [i, version] of versions.entries())
    validateVersion(errors, version, shared.subresources ?? version.subresources, at('spec.versions', i));
  const internal = (): JsonValue =>
    versions.length === 0 ? shownField(spec, 'versions') : versions.map(internalVersion);
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    errors.invalid('spec.versions', internal(), 'must contain unique version names');
  if (versions.filter(({ storage }) => storage).length !== 1)
    errors.invalid('spec.versions', internal(), 'must have exactly one version marked as storage version');
  const wrongVersion = versions[0] ? checkDns1035Label(versions[0].name) : [];
  if (versions[0]?.name && wrongVersion.length > 0)
    errors.invalid('spec.version', versions[0].name, wrongVersion.join(','));
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const)
    if (!spec.names?.[name]) errors.required(`spec.names.${name}`);
  validateNames(errors, spec.names ?? {}, 'spec.names');
  const status = [shared, ...versions].some(({ subresources }) => subresources?.status);
  validateCustomSchema(errors, shared.schema, { status }, 'spec.validation');
  validateVersioned(errors, shared, 'spec');
  if (conversion) {
    if (conversion.strategy !== 'None' && spec.preserveUnknownFields)
      errors.invalid(
        'spec.conversion.strategy',
        conversion.strategy,
        'must be None if spec.preserveUnknownFields is true',
      );
    validateConversion(errors, conversion, options.anyReviewVersion === true);
  }
}

/** Where a definition's schemas stand, as errors name them: once, where all versions share one. */
export function schemaPlaces(
  spec: CustomResourceDefinitionSpec,
): readonly { readonly schema: JSONSchemaProps; readonly path: string }[] {
  const versions = spec.versions ?? [];
  const shared = sharedBy(versions).schema?.openAPIV3Schema;
  if (shared) return [{ schema: shared, path: 'spec.validation.openAPIV3Schema' }];
  return versions.flatMap(({ schema }, i) =>
    schema?.openAPIV3Schema
      ? [{ schema: schema.openAPIV3Schema, path: `${at('spec.versions', i)}.schema.openAPIV3Schema` }]
      : [],
  );
}

/** What every version says alike. */
function sharedBy(versions: readonly CustomResourceDefinitionVersion[]): Versioned {
  const [first] = versions;
  if (!first) return {};
  return Object.fromEntries(
    versioned
      .filter((key) => (first[key] ?? null) !== null && versions.every((version) => sameJson(version[key], first[key])))
      .map((key) => [key, first[key]]),
  );
}

const withoutShared = (version: CustomResourceDefinitionVersion, shared: Versioned): CustomResourceDefinitionVersion =>
  Object.fromEntries(
    Object.entries(version).filter(([key]) => !Object.hasOwn(shared, key)),
  ) as unknown as CustomResourceDefinitionVersion;

const internalVersion = (version: CustomResourceDefinitionVersion): JsonValue => ({
  Name: version.name,
  Served: version.served,
  Storage: version.storage,
  Deprecated: version.deprecated ?? false,
  DeprecationWarning: version.deprecationWarning ?? null,
  Schema: (version.schema as JsonValue | undefined) ?? null,
  Subresources: (version.subresources as JsonValue | undefined) ?? null,
  AdditionalPrinterColumns: (version.additionalPrinterColumns as JsonValue | undefined) ?? null,
  SelectableFields: (version.selectableFields as JsonValue | undefined) ?? null,
});

function validateVersion(
  errors: ErrorList,
  version: CustomResourceDefinitionVersion,
  subresources: CustomResourceSubresources | undefined,
  field: string,
): void {
  const { name = '', deprecated, deprecationWarning } = version;
  const wrong = checkDns1035Label(name);
  if (wrong.length > 0) errors.invalid(`${field}.name`, name, wrong.join(','));
  for (const message of deprecationProblems(deprecated === true, deprecationWarning ?? undefined))
    errors.invalid(`${field}.deprecationWarning`, deprecationWarning, message);
  validateCustomSchema(errors, version.schema, { status: !!subresources?.status }, `${field}.schema`);
  validateVersioned(errors, version, field);
}

function deprecationProblems(deprecated: boolean, warning: string | undefined): readonly string[] {
  if (warning === undefined) return [];
  if (!deprecated) return ['can only be set for deprecated versions'];
  const out: string[] = [];
  if (Buffer.byteLength(warning) > 256) out.push('must be <= 256 characters long');
  if (warning === '') out.push('must not be an empty string');
  const hidden = /[^\P{C}]|[^\P{Z} ]/u.exec(warning);
  if (hidden)
    out.push(
      `must only contain printable UTF-8 characters; non-printable character found at index ${Buffer.byteLength(warning.slice(0, hidden.index))}`,
    );
  return out;
}

function validateVersioned(errors: ErrorList, part: Versioned, field: string): void {
  const { scale } = part.subresources ?? {};
  if (scale) {
    const path = `${field}.subresources.scale`;
    validateScalePath(errors, scale.specReplicasPath, ['.spec.'], `${path}.specReplicasPath`);
    validateScalePath(errors, scale.statusReplicasPath, ['.status.'], `${path}.statusReplicasPath`);
    if (scale.labelSelectorPath)
      validateScalePath(errors, scale.labelSelectorPath, ['.spec.', '.status.'], `${path}.labelSelectorPath`);
  }
  for (const [i, column] of (part.additionalPrinterColumns ?? []).entries())
    validateColumn(errors, column, at(`${field}.additionalPrinterColumns`, i));
  const selectable = part.selectableFields ?? [];
  const root = part.schema?.openAPIV3Schema as JsonObject | undefined;
  if (selectable.length > 0 && root === undefined) {
    errors.invalid(`${field}.selectableFields`, '', withoutSchema(field));
    return;
  }
  const seen = new Set<string>();
  for (const [i, { jsonPath }] of selectable.entries()) {
    const path = `${at(`${field}.selectableFields`, i)}.jsonPath`;
    if (!jsonPath) {
      errors.required(path);
      continue;
    }
    const place = selectedPlace(jsonPath, root);
    if (typeof place === 'string') {
      errors.invalid(path, jsonPath, `is an invalid path: ${place}`);
      continue;
    }
    if (place.names[0] === 'metadata') errors.invalid(path, jsonPath, 'must not point to fields in metadata');
    if (!['string', 'boolean', 'integer'].includes(place.type ?? ''))
      errors.invalid(
        path,
        jsonPath,
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      );
    const key = place.names.join('.');
    if (seen.has(key)) errors.duplicate(path, jsonPath);
    seen.add(key);
  }
  if (seen.size > maxSelectableFields) errors.tooMany(`${field}.selectableFields`, seen.size, maxSelectableFields);
}

const withoutSchema = (field: string): string =>
  field === 'spec'
    ? 'may only be set when validations.schema is included'
    : 'may only be set when `version.schema.openAPIV3Schema` is not included';

/** Where a simple path leads in a schema. @returns why it leads nowhere, as text. Source: apiserver/schema/cel (ValidFieldPath). */
function selectedPlace(
  path: string,
  root: JsonObject | undefined,
): string | { readonly names: readonly string[]; readonly type: string | undefined } {
  const tokens = path.match(/[.[\]]|[^.[\]]+/g) ?? [];
  const names: string[] = [];
  let at = root;
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i] === '[') return 'array notation is not allowed';
    if (tokens[i] !== '.') return `expected [ or . but got: ${tokens[i]}`;
    const name = tokens[++i];
    if (name === undefined) return 'unexpected end of JSON path';
    const properties = at?.properties as Readonly<Record<string, JsonObject>> | undefined;
    const values = at?.additionalProperties;
    if (properties) {
      if (!Object.hasOwn(properties, name)) return 'does not refer to a valid field';
      at = properties[name];
    } else if (typeof values === 'object' && values !== null) at = values as JsonObject;
    else return 'does not refer to a valid field';
    names.push(name);
  }
  return { names, type: at?.type as string | undefined };
}

function validateScalePath(errors: ErrorList, path: string | undefined, under: readonly string[], field: string): void {
  if (!path) errors.required(field);
  else if (!path.startsWith('.')) errors.invalid(field, path, 'must be a simple json path starting with .');
  else if (!under.some((prefix) => path.startsWith(prefix)))
    errors.invalid(
      field,
      path,
      under.length > 1
        ? 'should be a json path under either .spec or .status'
        : `should be a json path under ${under[0]!.slice(0, -1)}`,
    );
}

function validateColumn(errors: ErrorList, column: CustomResourceColumnDefinition, field: string): void {
  const { name, type, format, jsonPath } = column;
  if (!name) errors.required(`${field}.name`);
  const oneType = `must be one of ${columnTypes.join(',')}`;
  if (!type) errors.required(`${field}.type`, oneType);
  else if (!columnTypes.includes(type)) errors.invalid(`${field}.type`, type, oneType);
  if (format && !columnFormats.includes(format))
    errors.invalid(`${field}.format`, format, `must be one of ${columnFormats.join(',')}`);
  if (!jsonPath) errors.required(`${field}.JSONPath`);
  else if (!jsonPath.startsWith('.'))
    errors.invalid(`${field}.JSONPath`, jsonPath, 'must be a simple json path starting with .');
}

function validateNames(errors: ErrorList, names: Partial<CustomResourceDefinitionNames>, field: string): void {
  const { kind = '', listKind = '' } = names;
  const label = (value: string | undefined, path: string, mixed = false): void => {
    if (!value) return;
    const wrong = checkDns1035Label(mixed ? value.toLowerCase() : value);
    if (wrong.length > 0)
      errors.invalid(
        path,
        value,
        `${mixed ? 'may have mixed case, but should otherwise match: ' : ''}${wrong.join(',')}`,
      );
  };
  label(names.plural, `${field}.plural`);
  label(names.singular, `${field}.singular`);
  label(kind, `${field}.kind`, true);
  label(listKind, `${field}.listKind`, true);
  for (const [i, name] of (names.shortNames ?? []).entries()) label(name, at(`${field}.shortNames`, i));
  if (kind && kind === listKind) errors.invalid(`${field}.listKind`, listKind, 'kind and listKind may not be the same');
  for (const [i, name] of (names.categories ?? []).entries()) label(name, at(`${field}.categories`, i));
}

function validateWord(errors: ErrorList, value: string, supported: readonly string[], field: string): void {
  if (value === '') errors.required(field);
  else if (!supported.includes(value)) errors.notSupported(field, value, supported);
}

function validateConversion(errors: ErrorList, conversion: CustomResourceConversion, anyReviewVersion: boolean): void {
  const { strategy = '', webhook } = conversion;
  const client = webhook?.clientConfig;
  const versions = webhook?.conversionReviewVersions ?? [];
  const field = 'spec.conversion';
  validateWord(errors, strategy, strategies, `${field}.strategy`);
  if (strategy !== 'Webhook') {
    const unused = 'should not be set when strategy is not set to Webhook';
    if (client) errors.forbidden(`${field}.webhookClientConfig`, unused);
    if (versions.length > 0) errors.forbidden(`${field}.conversionReviewVersions`, unused);
    return;
  }
  const { url = null, service } = client ?? {};
  const path = `${field}.webhookClientConfig`;
  if (!client) errors.required(path, 'required when strategy is set to Webhook');
  else if ((url === null) === !service) errors.required(path, 'exactly one of url or service is required');
  else if (url !== null) validateWebhookUrl(errors, url, `${path}.url`);
  else if (service) validateWebhookService(errors, service, `${path}.service`);
  const reviews = `${field}.conversionReviewVersions`;
  if (versions.length === 0) {
    errors.required(reviews);
    return;
  }
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) errors.invalid(at(reviews, i), version, 'duplicate version');
    else errors.invalidEach(at(reviews, i), version, checkDns1035Label(version));
  if (!anyReviewVersion && !versions.some((version) => reviewVersions.includes(version)))
    errors.invalid(reviews, versions, `must include at least one of ${reviewVersions.join(', ')}`);
}

function validateStoredVersions(
  errors: ErrorList,
  stored: readonly string[],
  versions: readonly CustomResourceDefinitionVersion[],
): void {
  const field = 'status.storedVersions';
  if (stored.length === 0) {
    errors.invalid(field, null, 'must have at least one stored version');
    return;
  }
  for (const { name, storage } of versions)
    if (storage && !stored.includes(name)) errors.invalid(field, stored, `must have the storage version ${name}`);
  for (const [i, name] of stored.entries())
    if (!versions.some((version) => version.name === name))
      errors.invalid(
        at(field, i),
        name,
        `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
      );
}

/** Groups of the community's own need a word that the API was reviewed (KEP-1111). */
function validateApproval(
  errors: ErrorList,
  next: CustomResourceDefinition,
  previous?: CustomResourceDefinition,
): void {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(next.spec.group ?? '')) return;
  const state = approvalState(next);
  if (state === 'fine' || (previous && approvalState(previous) === state)) return;
  const field = `metadata.annotations[${approval}]`;
  const needs = `protected groups must have approval annotation ${JSON.stringify(approval)}`;
  if (state === 'missing') errors.required(field, `${needs}, ${proposal}`);
  else
    errors.invalid(
      field,
      next.metadata.annotations?.[approval],
      `${needs} with either a URL or a reason starting with "unapproved", ${proposal}`,
    );
}

function approvalState({ metadata }: CustomResourceDefinition): 'missing' | 'fine' | 'invalid' {
  const given = metadata.annotations?.[approval] ?? '';
  if (given === '') return 'missing';
  return given.startsWith('unapproved') || /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/]/.test(given) ? 'fine' : 'invalid';
}

/**
 * Rules of metadata that every kind obeys, in upstream's words and order.
 * Source: k8s.io/apimachinery/pkg/api/validation/objectmeta.go.
 */

import { sameJson } from '../../api/edit.ts';
import type { FieldError } from '../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import {
  checkDns1123Subdomain,
  checkLabelValue,
  checkPathSegmentName,
  checkQualifiedName,
  maskTrailingDash,
} from '../../api/names.ts';
import { type Metadata, metadataOf } from './object-meta.ts';
import type { MetaRules } from './registry.ts';

const subdomain = (name: string, { prefix }: { readonly prefix: boolean }): readonly string[] =>
  checkDns1123Subdomain(prefix ? maskTrailingDash(name) : name);

const annotationsMaxBytes = 256 * 1024;

export function validateMeta(object: JsonObject, rules: MetaRules): readonly FieldError[] {
  const meta = metadataOf(object);
  const errors: FieldError[] = [];
  const checkName = rules.validateName ?? subdomain;
  const { name = '', generateName = '' } = meta;
  if (generateName !== '')
    for (const why of checkName(generateName, { prefix: true }))
      errors.push(invalid('metadata.generateName', generateName, why));
  if (name === '') errors.push(required('metadata.name', 'name or generateName is required'));
  else for (const why of checkName(name, { prefix: false })) errors.push(invalid('metadata.name', name, why));
  if (rules.namespaced && (meta.namespace ?? '') === '') errors.push(required('metadata.namespace', ''));
  if (!rules.namespaced && (meta.namespace ?? '') !== '')
    errors.push(forbidden('metadata.namespace', 'not allowed on this type'));
  if ((meta.generation ?? 0) < 0)
    errors.push(invalid('metadata.generation', meta.generation!, 'must be greater than or equal to 0'));
  if (meta.labels) labelErrors(meta.labels, errors);
  if (meta.annotations) annotationErrors(meta.annotations, errors);
  if (meta.ownerReferences) ownerErrors(meta.ownerReferences, errors);
  if (meta.finalizers) finalizerErrors(meta.finalizers, errors);
  if (rules.qualifiedFinalizers) errors.push(...unqualifiedFinalizers(meta));
  return errors;
}

export function validateMetaUpdate(next: JsonObject, previous: JsonObject, rules: MetaRules): readonly FieldError[] {
  const now = metadataOf(next);
  const before = metadataOf(previous);
  // Upstream checks the metadata as a whole, then the change, and the kind checks the change again: causes are repeated, the message is not.
  // The name was checked when it was created; here only what a path segment may not be counts.
  const whole = validateMeta(next, {
    ...rules,
    qualifiedFinalizers: false,
    validateName: (name) => checkPathSegmentName(name),
  });
  const change = changeErrors(now, before);
  const unqualified = rules.qualifiedFinalizers ? unqualifiedFinalizers(now) : none;
  const again = rules.wholeTwice ? validateMeta(next, { ...rules, qualifiedFinalizers: false }) : none;
  if (whole.length === 0 && again.length === 0 && change.length === 0 && unqualified.length === 0) return none;
  return [
    ...whole,
    ...change,
    ...(rules.changeOnce ? none : change),
    ...unqualified,
    ...again,
    ...(rules.wholeTwice ? unqualified : none),
  ];
}

const none: readonly never[] = [];

function changeErrors(now: Metadata, before: Metadata): FieldError[] {
  const errors: FieldError[] = [];
  const added = newFinalizers(now, before);
  if (before.deletionTimestamp && added.length > 0)
    errors.push(
      forbidden(
        'metadata.finalizers',
        `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((f) => JSON.stringify(f)).join(', ')}}`,
      ),
    );
  if ((now.generation ?? 0) < (before.generation ?? 0))
    errors.push(invalid('metadata.generation', now.generation ?? 0, 'must not be decremented'));
  immutable(errors, 'metadata.name', now.name ?? '', before.name ?? '');
  immutable(errors, 'metadata.namespace', now.namespace ?? '', before.namespace ?? '');
  immutable(errors, 'metadata.uid', now.uid ?? '', before.uid ?? '');
  immutable(errors, 'metadata.creationTimestamp', now.creationTimestamp ?? null, before.creationTimestamp ?? null);
  immutable(errors, 'metadata.deletionTimestamp', now.deletionTimestamp ?? null, before.deletionTimestamp ?? null);
  immutable(
    errors,
    'metadata.deletionGracePeriodSeconds',
    now.deletionGracePeriodSeconds ?? null,
    before.deletionGracePeriodSeconds ?? null,
  );
  if (now.labels) labelErrors(now.labels, errors);
  if (now.annotations) annotationErrors(now.annotations, errors);
  if (now.ownerReferences) ownerErrors(now.ownerReferences, errors);
  return errors;
}

function newFinalizers(now: Metadata, before: Metadata): string[] {
  const had = new Set(before.finalizers ?? []);
  return [...new Set((now.finalizers ?? []).filter((f) => !had.has(f)))].sort();
}

function immutable(errors: FieldError[], field: string, now: JsonValue, before: JsonValue): void {
  if (!sameJson(now, before)) errors.push(invalid(field, now, 'field is immutable'));
}

function labelErrors(labels: Readonly<Record<string, string>>, errors: FieldError[]): void {
  for (const key in labels) {
    for (const why of checkQualifiedName(key)) errors.push(invalid('metadata.labels', key, why));
    const value = labels[key]!;
    for (const why of checkLabelValue(value)) errors.push(invalid('metadata.labels', value, why));
  }
}

function annotationErrors(annotations: Readonly<Record<string, string>>, errors: FieldError[]): void {
  let total = 0;
  for (const key in annotations) {
    for (const why of checkQualifiedName(key.toLowerCase())) errors.push(invalid('metadata.annotations', key, why));
    total += key.length + annotations[key]!.length;
  }
  if (total <= annotationsMaxBytes / 3) return;
  let bytes = 0;
  for (const key in annotations) bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  if (bytes > annotationsMaxBytes)
    errors.push({
      type: 'FieldValueTooLong',
      field: 'metadata.annotations',
      message: `Too long: may not be more than ${annotationsMaxBytes} bytes`,
    });
}

function ownerErrors(owners: readonly JsonObject[], errors: FieldError[]): void {
  let controller: JsonObject | undefined;
  owners.forEach((owner) => {
    const at = 'metadata.ownerReferences';
    const apiVersion = String(owner.apiVersion ?? '');
    if (apiVersion.split('/').at(-1) === '')
      errors.push(invalid(`${at}.apiVersion`, apiVersion, 'version must not be empty'));
    if ((owner.kind ?? '') === '') errors.push(invalid(`${at}.kind`, '', 'must not be empty'));
    if ((owner.name ?? '') === '') errors.push(invalid(`${at}.name`, '', 'must not be empty'));
    if ((owner.uid ?? '') === '') errors.push(invalid(`${at}.uid`, '', 'must not be empty'));
    if (apiVersion === 'v1' && owner.kind === 'Event')
      errors.push(invalid(at, owner, '/v1, Kind=Event is disallowed from being an owner'));
    if (owner.controller !== true) return;
    if (controller)
      errors.push(
        invalid(
          at,
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller.kind}/${controller.name} and ${owner.kind}/${owner.name}`,
        ),
      );
    else controller = owner;
  });
}

const standardFinalizers: ReadonlySet<string> = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

function finalizerErrors(finalizers: readonly string[], errors: FieldError[]): void {
  finalizers.forEach((finalizer) => {
    for (const why of checkQualifiedName(finalizer)) errors.push(invalid('metadata.finalizers', finalizer, why));
  });
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion'))
    errors.push(
      invalid('metadata.finalizers', finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'),
    );
}

function unqualifiedFinalizers({ finalizers = [] }: Metadata): FieldError[] {
  return finalizers.flatMap((finalizer, i) =>
    finalizer.includes('/') || standardFinalizers.has(finalizer)
      ? []
      : [
          invalid(
            `metadata.finalizers[${i}]`,
            finalizer,
            'name is neither a standard finalizer name nor is it fully qualified',
          ),
        ],
  );
}

const invalid = (field: string, value: JsonValue, why: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  // Numbers beyond 2^53 are bigint.
  message: `Invalid value: ${typeof value === 'bigint' ? value : JSON.stringify(value)}: ${why}`,
});
const required = (field: string, why: string): FieldError => ({
  type: 'FieldValueRequired',
  field,
  message: why === '' ? 'Required value' : `Required value: ${why}`,
});
const forbidden = (field: string, why: string): FieldError => ({
  type: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${why}`,
});

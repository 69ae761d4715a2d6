/** Configurations of admission webhooks. */
import { checkDns1035Label, checkDns1123Subdomain } from '../names.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../types/admissionregistration-v1.ts';
import {
  failurePolicies,
  matchPolicies,
  reinvocationPolicies,
  validateChoice,
  validateMatchConditions,
  validateRule,
} from './admission-rules.ts';
import { at, type ErrorList } from './error-list.ts';
import { hasInvalidValues, validateLabelSelector } from './metadata.ts';
import { validateWebhookService, validateWebhookUrl } from './webhook-client.ts';

type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>;
type Configuration = Pick<ValidatingWebhookConfiguration & MutatingWebhookConfiguration, 'metadata'> & {
  readonly webhooks?: readonly Webhook[];
};

const reviewVersions = ['v1', 'v1beta1'];
const sideEffects = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];
const noSideEffects = ['None', 'NoneOnDryRun'];

/** @param previous rules that it already broke are not asked of the new one. */
export function validateWebhooks(errors: ErrorList, { webhooks = [] }: Configuration, previous?: Configuration): void {
  const before = previous?.webhooks ?? [];
  const quiet = before.every(({ sideEffects: effects }) => noSideEffects.includes(effects ?? ''));
  const recognized = before.every(
    ({ admissionReviewVersions: v = [] }) => v.length === 0 || v.some((version) => reviewVersions.includes(version)),
  );
  const unique = new Set(before.map(({ name }) => name)).size === before.length;
  const allowInvalidValues = before.some(
    ({ namespaceSelector, objectSelector }) => hasInvalidValues(namespaceSelector) || hasInvalidValues(objectSelector),
  );
  const names = new Set<string>();
  for (const [i, webhook] of webhooks.entries()) {
    const field = at('webhooks', i);
    validateWebhook(errors, webhook, field, { effects: quiet ? noSideEffects : sideEffects, allowInvalidValues });
    validateReviewVersions(
      errors,
      webhook.admissionReviewVersions ?? [],
      recognized,
      `${field}.admissionReviewVersions`,
    );
    if (!unique || !webhook.name) continue;
    if (names.has(webhook.name)) errors.duplicate(`${field}.name`, webhook.name);
    names.add(webhook.name);
  }
}

function validateWebhook(
  errors: ErrorList,
  webhook: Webhook,
  field: string,
  { effects, ...selectors }: { readonly effects: readonly string[]; readonly allowInvalidValues: boolean },
): void {
  const { namespaceSelector, objectSelector, clientConfig } = webhook;
  validateFullyQualifiedName(errors, webhook.name, `${field}.name`);
  for (const [i, rule] of (webhook.rules ?? []).entries()) validateRule(errors, rule, at(`${field}.rules`, i));
  validateChoice(errors, webhook.failurePolicy, failurePolicies, `${field}.failurePolicy`);
  validateChoice(errors, webhook.matchPolicy, matchPolicies, `${field}.matchPolicy`);
  if ((webhook.sideEffects ?? null) === null)
    errors.required(`${field}.sideEffects`, `must specify one of ${effects.join(', ')}`);
  else validateChoice(errors, webhook.sideEffects, effects, `${field}.sideEffects`);
  const timeout = Number(webhook.timeoutSeconds ?? 10);
  if (timeout > 30 || timeout < 1)
    errors.invalid(`${field}.timeoutSeconds`, timeout, 'the timeout value must be between 1 and 30 seconds');
  if (namespaceSelector) validateLabelSelector(errors, namespaceSelector, `${field}.namespaceSelector`, selectors);
  if (objectSelector) validateLabelSelector(errors, objectSelector, `${field}.objectSelector`, selectors);
  validateChoice(errors, webhook.reinvocationPolicy, reinvocationPolicies, `${field}.reinvocationPolicy`);
  const { url = null, service } = clientConfig ?? {};
  if ((url === null) === !service)
    errors.required(`${field}.clientConfig`, 'exactly one of url or service is required');
  else if (url !== null) validateWebhookUrl(errors, url, `${field}.clientConfig.url`);
  else if (service) validateWebhookService(errors, service, `${field}.clientConfig.service`);
  validateMatchConditions(errors, webhook.matchConditions, `${field}.matchConditions`);
}

function validateFullyQualifiedName(errors: ErrorList, name: string | undefined, field: string): void {
  if (!name) {
    errors.required(field);
    return;
  }
  const wrong = checkDns1123Subdomain(name);
  if (wrong.length > 0) errors.invalid(field, name, wrong.join(','));
  else if (name.split('.').length < 3)
    errors.invalid(field, name, 'should be a domain with at least three segments separated by dots');
}

function validateReviewVersions(
  errors: ErrorList,
  versions: readonly string[],
  recognized: boolean,
  field: string,
): void {
  if (versions.length === 0) {
    errors.required(field, `must specify one of ${reviewVersions.join(', ')}`);
    return;
  }
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) errors.invalid(at(field, i), version, 'duplicate version');
    else errors.invalidEach(at(field, i), version, checkDns1035Label(version));
  if (recognized && !versions.some((version) => reviewVersions.includes(version)))
    errors.invalid(field, versions, `must include at least one of ${reviewVersions.join(', ')}`);
}

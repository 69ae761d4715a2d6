/**
 * audit.k8s.io/v1 Policy: which requests are recorded, and how much of each. The first rule that matches decides; none: nothing is recorded.
 * Source: apiserver/pkg/audit/policy, pkg/apis/audit/validation.
 */
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { checkDns1123Subdomain } from '../../api/names.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import { partsOf } from '../configuration-file.ts';
import type { RequestInfo } from '../request-info.ts';

const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Level = (typeof levels)[number];
export type Stage = (typeof stages)[number];

export interface AuditPolicy {
  readonly rules: readonly AuditRule[];
  readonly omitStages: readonly string[];
  readonly omitManagedFields: boolean;
}

interface AuditRule {
  readonly level: Level;
  readonly users: readonly string[];
  readonly userGroups: readonly string[];
  readonly verbs: readonly string[];
  readonly resources: readonly GroupResources[];
  readonly namespaces: readonly string[];
  readonly nonResourceURLs: readonly string[];
  readonly omitStages: readonly string[];
  readonly omitManagedFields: boolean | undefined;
}

interface GroupResources {
  readonly group: string;
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
}

/** What of a request is recorded. */
export interface Recording {
  readonly level: Level;
  readonly omitStages: ReadonlySet<string>;
  readonly omitManagedFields: boolean;
}

/** What is wrong with a policy, in upstream's words. */
export class AuditPolicyError extends Error {
  override readonly name = 'AuditPolicyError';
}

const { objectOf, listOf } = partsOf(AuditPolicyError);

export const atLeast = (level: Level, wanted: Level): boolean => levels.indexOf(level) >= levels.indexOf(wanted);

/** @param user undefined: nobody knows who it is */
export function recordingOf(policy: AuditPolicy, info: RequestInfo, user: UserInfo | undefined): Recording {
  const rule = policy.rules.find((each) => matches(each, info, user));
  return {
    level: rule?.level ?? 'None',
    omitStages: new Set([...policy.omitStages, ...(rule?.omitStages ?? [])]),
    omitManagedFields: rule?.omitManagedFields ?? policy.omitManagedFields,
  };
}

function matches(rule: AuditRule, info: RequestInfo, user: UserInfo | undefined): boolean {
  if (rule.users.length > 0 && !(user && rule.users.includes(user.name))) return false;
  if (rule.userGroups.length > 0 && !user?.groups.some((group) => rule.userGroups.includes(group))) return false;
  if (rule.verbs.length > 0 && !rule.verbs.includes(info.verb)) return false;
  if (rule.namespaces.length > 0 || rule.resources.length > 0)
    return (
      info.isResourceRequest &&
      (rule.namespaces.length === 0 || rule.namespaces.includes(info.namespace)) &&
      (rule.resources.length === 0 || rule.resources.some((each) => resourceMatches(each, info)))
    );
  if (rule.nonResourceURLs.length > 0)
    return !info.isResourceRequest && rule.nonResourceURLs.some((url) => pathMatches(url, info.path));
  return true;
}

function resourceMatches({ group, resources, resourceNames }: GroupResources, info: RequestInfo): boolean {
  if (group !== info.apiGroup && group !== '*') return false;
  if (resources.length === 0) return true;
  if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false;
  const { resource, subresource } = info;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  return resources.some(
    (each) =>
      each === '*' || each === full || (subresource !== '' && each === `*/${subresource}`) || each === `${resource}/*`,
  );
}

const pathMatches = (url: string, path: string): boolean =>
  url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.replace(/\*+$/, '')));

/** @param root the parsed file @throws AuditPolicyError with all that is wrong */
export function readAuditPolicy(root: JsonValue): AuditPolicy {
  const { apiVersion, kind, metadata: _metadata, ...fields } = objectOf(root, 'the file');
  if (apiVersion !== 'audit.k8s.io/v1' || kind !== 'Policy')
    throw new AuditPolicyError(
      `unknown group version field ${textOf(apiVersion)} or kind ${textOf(kind)} in policy: it must be audit.k8s.io/v1, Kind=Policy`,
    );
  const errors = unknownFields(fields, '', ['rules', 'omitStages', 'omitManagedFields']);
  const rules = listOf(fields.rules, 'rules').map((rule, i) => ruleOf(rule, `rules[${i}]`, errors));
  const policy: AuditPolicy = {
    rules,
    omitStages: stagesOf(fields.omitStages, 'omitStages', errors),
    omitManagedFields: fields.omitManagedFields === true,
  };
  if (rules.length === 0) errors.push('loaded illegal policy with 0 rules');
  if (errors.length > 0) throw new AuditPolicyError(errors.join(', '));
  return policy;
}

const ruleFields = [
  'level',
  'users',
  'userGroups',
  'verbs',
  'resources',
  'namespaces',
  'nonResourceURLs',
  'omitStages',
  'omitManagedFields',
];

function ruleOf(value: JsonValue, path: string, errors: string[]): AuditRule {
  const rule = objectOf(value, path);
  errors.push(...unknownFields(rule, `${path}.`, ruleFields));
  const texts = (field: string): readonly string[] => listOf(rule[field], `${path}.${field}`).map(String);
  const level = textOf(rule.level);
  if (level === '') errors.push(`${path}.level: Required value`);
  else if (!levels.includes(level as Level))
    errors.push(
      `${path}.level: Unsupported value: ${JSON.stringify(level)}: supported values: ${levels.map((l) => JSON.stringify(l)).join(', ')}`,
    );
  const read: AuditRule = {
    level: level as Level,
    users: texts('users'),
    userGroups: texts('userGroups'),
    verbs: texts('verbs'),
    resources: listOf(rule.resources, `${path}.resources`).map((each) => groupOf(each, `${path}.resources`, errors)),
    namespaces: texts('namespaces'),
    nonResourceURLs: texts('nonResourceURLs'),
    omitStages: stagesOf(rule.omitStages, `${path}.omitStages`, errors),
    omitManagedFields: typeof rule.omitManagedFields === 'boolean' ? rule.omitManagedFields : undefined,
  };
  for (const [i, url] of read.nonResourceURLs.entries()) {
    if (url === '*') continue;
    const invalid = (why: string): string =>
      `${path}.nonResourceURLs[${i}]: Invalid value: ${JSON.stringify(url)}: ${why}`;
    if (!url.startsWith('/')) errors.push(invalid("non-resource URL rules must begin with a '/' character"));
    if (url.slice(0, -1).includes('*'))
      errors.push(invalid("non-resource URL wildcards '*' must be the final character of the rule"));
  }
  if (read.nonResourceURLs.length > 0 && (read.resources.length > 0 || read.namespaces.length > 0))
    errors.push(
      `${path}.nonResourceURLs: Invalid value: ${JSON.stringify(read.nonResourceURLs)}: rules cannot apply to both regular resources and non-resource URLs`,
    );
  return read;
}

function groupOf(value: JsonValue, path: string, errors: string[]): GroupResources {
  const entry = objectOf(value, path);
  errors.push(...unknownFields(entry, `${path}.`, ['group', 'resources', 'resourceNames']));
  const group = textOf(entry.group);
  const read: GroupResources = {
    group,
    resources: listOf(entry.resources, `${path}.resources`).map(String),
    resourceNames: listOf(entry.resourceNames, `${path}.resourceNames`).map(String),
  };
  if (group !== '' && group !== '*') {
    const wrong = checkDns1123Subdomain(group);
    if (wrong.length > 0) errors.push(`${path}.group: Invalid value: ${JSON.stringify(group)}: ${wrong.join(',')}`);
  }
  if (read.resourceNames.length > 0 && read.resources.length === 0)
    errors.push(
      `${path}.resourceNames: Invalid value: ${JSON.stringify(read.resourceNames)}: using resourceNames requires at least one resource`,
    );
  return read;
}

function stagesOf(value: JsonValue | undefined, path: string, errors: string[]): readonly string[] {
  const given = listOf(value, path).map(String);
  for (const [i, stage] of given.entries())
    if (!stages.includes(stage as Stage))
      errors.push(`${path}[${i}]: Invalid value: ${JSON.stringify(stage)}: allowed stages are ${stages.join(',')}`);
  return given;
}

const unknownFields = (object: JsonObject, path: string, known: readonly string[]): string[] =>
  Object.keys(object)
    .filter((field) => !known.includes(field))
    .map((field) => `unknown field "${path}${field}"`);

const textOf = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');

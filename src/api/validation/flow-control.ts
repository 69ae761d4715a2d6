/** Flow schemas and priority levels. */
import { checkDns1123Label, checkDns1123Subdomain } from '../names.ts';
import type {
  FlowSchema,
  LimitResponse,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  QueuingConfiguration,
  ResourcePolicyRule,
  Subject,
} from '../types/flowcontrol-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { internalForm } from './internal-form.ts';

const methods = ['ByNamespace', 'ByUser'];
const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const maxPrecedence = 10_000;

export function validateFlowSchema(errors: ErrorList, { metadata, spec, status }: FlowSchema): void {
  const { matchingPrecedence: precedence = 0, distinguisherMethod: method } = spec ?? {};
  const field = 'spec.matchingPrecedence';
  if (precedence <= 0) errors.invalid(field, precedence, 'must be a positive value');
  if (precedence > maxPrecedence) errors.invalid(field, precedence, `must not be greater than ${maxPrecedence}`);
  if (precedence === 1 && metadata.name !== 'exempt')
    errors.invalid(field, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
  if (method && !methods.includes(method.type))
    errors.notSupported('spec.distinguisherMethod.type', { Type: method.type ?? '' }, methods);
  const level = spec?.priorityLevelConfiguration?.name;
  const levelField = 'spec.priorityLevelConfiguration.name';
  if (level) errors.invalidEach(levelField, level, checkDns1123Subdomain(level));
  else errors.required(levelField, 'must reference a priority level');
  for (const [i, rule] of (spec?.rules ?? []).entries()) validateRules(errors, rule, at('spec.rules', i));
  validateConditions(errors, { status });
}

interface WithConditions {
  readonly status?: { readonly conditions?: readonly { readonly type?: string }[] } | undefined;
}

/** Of both kinds: each type once, none without one. */
export function validateConditions(errors: ErrorList, { status }: WithConditions): void {
  const types = new Set<string>();
  for (const [i, { type = '' }] of (status?.conditions ?? []).entries()) {
    const path = `${at('status.conditions', i)}.type`;
    if (types.has(type)) errors.duplicate(path, type);
    types.add(type);
    if (type === '') errors.required(path);
  }
}

function validateRules(errors: ErrorList, rule: PolicyRulesWithSubjects, field: string): void {
  const { subjects, resourceRules = [], nonResourceRules = [] } = rule;
  for (const [i, subject] of (subjects ?? []).entries()) validateSubject(errors, subject, at(`${field}.subjects`, i));
  if (!subjects?.length) errors.required(`${field}.subjects`, 'subjects must contain at least one value');
  if (resourceRules.length === 0 && nonResourceRules.length === 0)
    errors.required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  for (const [i, r] of resourceRules.entries()) validateResourceRule(errors, r, at(`${field}.resourceRules`, i));
  for (const [i, r] of nonResourceRules.entries())
    validateNonResourceRule(errors, r, at(`${field}.nonResourceRules`, i));
}

const subjectFields = { ServiceAccount: 'serviceAccount', User: 'user', Group: 'group' } as const;

function validateSubject(errors: ErrorList, subject: Subject, field: string): void {
  const own = subjectFields[subject.kind as keyof typeof subjectFields];
  if (own === undefined) {
    errors.notSupported(`${field}.kind`, subject.kind ?? '', ['Group', 'ServiceAccount', 'User']);
    return;
  }
  const path = `${field}.${own}`;
  const given = subject[own];
  if (!given) errors.required(path, `${own} is required when subject kind is '${subject.kind}'`);
  else {
    if (!given.name) errors.required(`${path}.name`);
    else if (own === 'serviceAccount' && given.name !== '*')
      errors.invalidEach(`${path}.name`, given.name, checkDns1123Subdomain(given.name));
    if (own === 'serviceAccount') {
      const namespace = subject.serviceAccount!.namespace;
      if (namespace) errors.invalidEach(`${path}.namespace`, namespace, checkDns1123Label(namespace));
      else errors.required(`${path}.namespace`, 'must specify namespace for service account');
    }
  }
  for (const [kind, name] of [
    ['ServiceAccount', 'serviceAccount'],
    ['User', 'user'],
    ['Group', 'group'],
  ] as const)
    if (name !== own && subject[name])
      errors.forbidden(`${field}.${name}`, `${name} is forbidden when subject kind is not '${kind}'`);
}

function validateVerbs(errors: ErrorList, given: readonly string[] | undefined, field: string): void {
  if (!given?.length) errors.required(field, 'verbs must contain at least one value');
  else if (given.includes('*')) {
    if (given.length > 1) errors.invalid(field, given, "if '*' is present, must not specify other verbs");
  } else if (!given.every((verb) => verbs.includes(verb))) errors.notSupported(field, given, verbs);
}

function validateNonResourceRule(errors: ErrorList, rule: NonResourcePolicyRule, field: string): void {
  validateVerbs(errors, rule.verbs, `${field}.verbs`);
  const urls = rule.nonResourceURLs ?? [];
  const path = `${field}.nonResourceURLs`;
  if (urls.length === 0) errors.required(path, 'nonResourceURLs must contain at least one value');
  else if (urls.includes('*')) {
    if (urls.length > 1) errors.invalid(path, urls, "if '*' is present, must not specify other non-resource URLs");
  } else
    for (const [i, url] of urls.entries()) {
      const problem = urlProblem(url);
      if (problem !== undefined) errors.invalid(at(path, i), url, problem);
    }
}

function urlProblem(url: string): string | undefined {
  if (url === '') return 'must not be empty';
  if (url === '/') return undefined;
  if (!url.startsWith('/')) return 'must start with slash';
  if (url.includes(' ')) return 'must not contain white-space';
  if (url.includes('//')) return 'must not contain double slash';
  const stars = url.split('*').length - 1;
  return stars > 1 || (stars === 1 && !url.endsWith('/*')) ? 'wildcard can only do suffix matching' : undefined;
}

function validateResourceRule(errors: ErrorList, rule: ResourcePolicyRule, field: string): void {
  validateVerbs(errors, rule.verbs, `${field}.verbs`);
  for (const [name, one, many] of [
    ['apiGroups', 'api group', 'api groups'],
    ['resources', 'resource', 'resources'],
  ] as const) {
    const given = rule[name] ?? [];
    if (given.length === 0) errors.required(`${field}.${name}`, `resource rules must supply at least one ${one}`);
    else if (given.length > 1 && given.includes('*'))
      errors.invalid(`${field}.${name}`, given, `if '*' is present, must not specify other ${many}`);
  }
  const namespaces = rule.namespaces ?? [];
  const path = `${field}.namespaces`;
  if (namespaces.length === 0 && !rule.clusterScope)
    errors.required(path, 'resource rules that are not cluster scoped must supply at least one namespace');
  else if (namespaces.includes('*')) {
    if (namespaces.length > 1) errors.invalid(path, namespaces, "if '*' is present, must not specify other namespaces");
  } else
    for (const [i, namespace] of namespaces.entries())
      for (const message of checkDns1123Label(namespace))
        errors.invalid(at(path, i), namespace, `each member of this list must be '*' or a DNS-1123 label; ${message}`);
}

const preserveZero = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';

export function validatePriorityLevel(errors: ErrorList, level: PriorityLevelConfiguration): void {
  const { metadata, spec } = level;
  if (metadata.annotations?.[preserveZero] !== undefined)
    errors.forbidden('metadata.annotations', `annotation '${preserveZero}' is forbidden`);
  const type = spec?.type ?? '';
  if ((metadata.name === 'exempt') !== (type === 'Exempt'))
    errors.invalid('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'");
  const { exempt, limited } = spec ?? {};
  switch (type) {
    case 'Exempt':
      if (limited) errors.forbidden('spec.limited', 'must be nil if the type is not Limited');
      if (exempt) {
        shares(errors, exempt.nominalConcurrencyShares, 'spec.exempt.nominalConcurrencyShares');
        percent(errors, exempt.lendablePercent, 'spec.exempt.lendablePercent');
      }
      break;
    case 'Limited':
      if (exempt) errors.forbidden('spec.exempt', 'must be nil if the type is Limited');
      if (!limited) errors.required('spec.limited', 'must not be empty when type is Limited');
      else {
        shares(errors, limited.nominalConcurrencyShares ?? 0, 'spec.limited.nominalConcurrencyShares');
        validateResponse(errors, limited.limitResponse, 'spec.limited.limitResponse');
        percent(errors, limited.lendablePercent, 'spec.limited.lendablePercent');
        const borrowing = limited.borrowingLimitPercent;
        if (borrowing !== undefined && borrowing < 0)
          errors.invalid(
            'spec.limited.borrowingLimitPercent',
            borrowing,
            'if specified, must be a non-negative integer',
          );
      }
      break;
    case '':
      errors.required('spec.type');
      break;
    default:
      errors.notSupported('spec.type', type, ['Exempt', 'Limited']);
  }
  validateMandatoryLevel(errors, level);
  validateConditions(errors, level);
}

/** The level everything falls into that matches no other stays as it is. */
function validateMandatoryLevel(errors: ErrorList, { metadata, spec }: PriorityLevelConfiguration): void {
  if (metadata.name !== 'catch-all') return;
  const { limited } = spec ?? {};
  const fixed =
    spec?.type === 'Limited' &&
    limited?.nominalConcurrencyShares === 5 &&
    (limited.lendablePercent ?? 0) === 0 &&
    limited.limitResponse?.type === 'Reject';
  if (!fixed)
    errors.invalid(
      'spec',
      internalForm(spec, 'flowcontrol.PriorityLevelConfigurationSpec'),
      "spec of 'catch-all' must equal the fixed value",
    );
}

function shares(errors: ErrorList, value: number | undefined, field: string): void {
  if (value !== undefined && value < 0) errors.invalid(field, value, 'must be a non-negative integer');
}

function percent(errors: ErrorList, value: number | undefined, field: string): void {
  if (value !== undefined && (value < 0 || value > 100))
    errors.invalid(field, value, 'must be between 0 and 100, inclusive');
}

function validateResponse(errors: ErrorList, response: LimitResponse | undefined, field: string): void {
  const queuing = response?.queuing;
  switch (response?.type) {
    case 'Reject':
      if (queuing) errors.forbidden(`${field}.queuing`, 'must be nil if limited.limitResponse.type is not Limited');
      break;
    case 'Queue':
      if (!queuing) errors.required(`${field}.queuing`, 'must not be empty if limited.limitResponse.type is Limited');
      else validateQueuing(errors, queuing, `${field}.queuing`);
      break;
    default:
      if (!response?.type) errors.required(`${field}.type`);
      else errors.notSupported(`${field}.type`, response.type, ['Queue', 'Reject']);
  }
}

const maxQueues = 10_000_000;
const maxHashBits = 60;

function validateQueuing(errors: ErrorList, queuing: QueuingConfiguration, field: string): void {
  const { queueLengthLimit = 0, queues = 0, handSize = 0 } = queuing;
  if (queueLengthLimit <= 0) errors.invalid(`${field}.queueLengthLimit`, queueLengthLimit, 'must be positive');
  if (queues <= 0) errors.invalid(`${field}.queues`, queues, 'must be positive');
  else if (queues > maxQueues) errors.invalid(`${field}.queues`, queues, `must not be greater than ${maxQueues}`);
  const path = `${field}.handSize`;
  if (handSize <= 0) errors.invalid(path, handSize, 'must be positive');
  else if (handSize > queues) errors.invalid(path, handSize, `should not be greater than queues (${queues})`);
  else {
    let entropy = 0;
    for (let i = 0; i < handSize; i++) entropy += Math.log2(queues - i);
    if (Math.ceil(entropy) > maxHashBits)
      errors.invalid(
        path,
        handSize,
        `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${maxHashBits}`,
      );
  }
}

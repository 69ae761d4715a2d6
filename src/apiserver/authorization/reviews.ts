/** Asking what somebody may do: the access and rules reviews behind `kubectl auth can-i`. All answer a create and store nothing. */
import { ApiError, type FieldError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import { checkQualifiedName } from '../../api/names.ts';
import { parseFieldSelector } from '../../api/selectors/field-selector.ts';
import { type LabelOperator, makeRequirement } from '../../api/selectors/label-selector.ts';
import { parseLabelSelector } from '../../api/selectors/parse-label-selector.ts';
import type {
  LocalSubjectAccessReview,
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SubjectAccessReview,
} from '../../api/types/authorization-v1.ts';
import type { PolicyRule } from '../../api/types/rbac-v1.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import type { AuthorizationAttributes, Authorizer } from './authorizer.ts';
import { splitNodeUser } from './node-identity.ts';
import { effectiveRules } from './rbac.ts';
import type { RbacIndex } from './rbac-index.ts';

const group = 'authorization.k8s.io';

/** @throws ApiError 422 */
export async function reviewSubjectAccess(
  review: SubjectAccessReview,
  authorizer: Authorizer,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { spec } = review;
  refuse([...attributeErrors(spec), ...subjectErrors(spec), ...selectorErrors(spec), ...metadataErrors(review)]);
  return answered(review, attributesOf(userOf(spec), spec), authorizer, signal);
}

/** @throws ApiError 400, 422 */
export async function reviewLocalSubjectAccess(
  review: LocalSubjectAccessReview,
  namespace: string,
  authorizer: Authorizer,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { spec } = review;
  const errors = [
    ...attributeErrors(spec),
    ...subjectErrors(spec),
    ...selectorErrors(spec),
    ...metadataErrors(review, 'namespace'),
  ];
  if (
    spec?.resourceAttributes !== undefined &&
    spec.resourceAttributes.namespace !== (review.metadata?.namespace ?? namespace)
  )
    errors.push(
      invalid(
        'spec.resourceAttributes.namespace',
        spec.resourceAttributes.namespace ?? '',
        'must match metadata.namespace',
      ),
    );
  if (spec?.nonResourceAttributes !== undefined)
    errors.push(
      invalid(
        'spec.nonResourceAttributes',
        shownPath(spec.nonResourceAttributes),
        'disallowed on this kind of request',
      ),
    );
  refuse(errors);
  if (spec.resourceAttributes?.namespace !== namespace)
    throw ApiError.badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
  return answered(review, attributesOf(userOf(spec), spec), authorizer, signal);
}

/** @throws ApiError 422 */
export async function reviewSelfSubjectAccess(
  review: SelfSubjectAccessReview,
  user: UserInfo,
  authorizer: Authorizer,
  signal: AbortSignal,
): Promise<JsonObject> {
  refuse([...attributeErrors(review.spec), ...selectorErrors(review.spec), ...metadataErrors(review)]);
  return answered(review, attributesOf(user, review.spec), authorizer, signal);
}

/** `kubectl auth can-i --list`. @throws ApiError 400 without a namespace */
export function reviewSelfSubjectRules(namespace: string, user: UserInfo, index: RbacIndex): JsonObject {
  if (namespace === '') throw ApiError.badRequest('no namespace on request');
  const { rules, errors } = effectiveRules(index, user, namespace);
  const node = splitNodeUser(user) !== undefined;
  const evaluationErrors = [...(node ? ['node authorizer does not support user rule resolution'] : []), ...errors];
  return {
    kind: 'SelfSubjectRulesReview',
    apiVersion: `${group}/v1`,
    metadata: {},
    spec: {},
    status: {
      resourceRules: rules.filter(isResourceRule).map((rule) => ({
        verbs: rule.verbs,
        ...some('apiGroups', rule.apiGroups),
        ...some('resources', rule.resources),
        ...some('resourceNames', rule.resourceNames),
      })),
      nonResourceRules: rules
        .filter((rule) => (rule.nonResourceURLs?.length ?? 0) > 0)
        .map((rule) => ({ verbs: rule.verbs, ...some('nonResourceURLs', rule.nonResourceURLs) })),
      incomplete: evaluationErrors.length > 0,
      ...(evaluationErrors.length > 0 ? { evaluationError: evaluationErrors.join(', ') } : {}),
    },
  };
}

const isResourceRule = (rule: PolicyRule): boolean => (rule.resources?.length ?? 0) > 0;
const some = (name: string, values: readonly string[] | undefined): JsonObject =>
  values && values.length > 0 ? { [name]: values } : {};

interface Spec {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: NonResourceAttributes;
}

async function answered(
  review: { readonly spec?: Spec },
  attributes: AuthorizationAttributes,
  authorizer: Authorizer,
  signal: AbortSignal,
): Promise<JsonObject> {
  const decision = await authorizer.authorize(attributes, signal);
  const ignored = ignoredSelectors(review.spec?.resourceAttributes);
  return {
    ...(review as unknown as JsonObject),
    status: {
      allowed: decision.kind === 'allow',
      ...(decision.kind === 'deny' ? { denied: true } : {}),
      ...(decision.reason === '' ? {} : { reason: decision.reason }),
      ...(ignored.length > 0 ? { evaluationError: ignored.join('; ') } : {}),
    },
  };
}

function attributesOf(user: UserInfo, spec: Spec): AuthorizationAttributes {
  const { resourceAttributes: resource, nonResourceAttributes: other } = spec;
  const selector = resource?.fieldSelector;
  const fieldSelector =
    selector?.rawSelector ??
    selector?.requirements
      ?.filter(({ operator, values }) => operator === 'In' && values?.length === 1)
      .map(({ key, values }) => `${key}=${values?.[0]}`)
      .join(',');
  return {
    user,
    verb: resource?.verb ?? other?.verb ?? '',
    namespace: resource?.namespace ?? '',
    apiGroup: resource?.group ?? '',
    apiVersion: resource?.version ?? '',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    name: resource?.name ?? '',
    resourceRequest: resource !== undefined,
    path: other?.path ?? '',
    ...(fieldSelector ? { fieldSelector } : {}),
  };
}

function userOf(spec: SubjectAccessReview['spec']): UserInfo {
  return {
    name: spec.user ?? '',
    ...(spec.uid ? { uid: spec.uid } : {}),
    groups: spec.groups ?? [],
    ...(spec.extra ? { extra: spec.extra } : {}),
  };
}

function invalid(field: string, value: unknown, why: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(value)}: ${why}` };
}

function subjectErrors(spec: SubjectAccessReview['spec'] | undefined): FieldError[] {
  return !spec?.user && (spec?.groups?.length ?? 0) === 0
    ? [invalid('spec.user', spec?.user ?? '', 'at least one of user or group must be specified')]
    : [];
}

function attributeErrors(spec: Spec | undefined): FieldError[] {
  const { resourceAttributes: resource, nonResourceAttributes: other } = spec ?? {};
  if (resource !== undefined && other !== undefined)
    return [
      invalid(
        'spec.nonResourceAttributes',
        shownPath(other),
        'cannot be specified in combination with resourceAttributes',
      ),
    ];
  if (resource === undefined && other === undefined)
    return [
      invalid(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    ];
  return [];
}

const shownPath = ({ path = '', verb = '' }: NonResourceAttributes): object => ({ Path: path, Verb: verb });

/** Reviews carry no metadata but what the server itself put there. */
function metadataErrors(review: { readonly metadata?: object }, except?: string): FieldError[] {
  const { metadata = {} } = review;
  const own = Object.keys(metadata).filter((name) => name !== 'managedFields' && name !== except);
  return own.length === 0
    ? []
    : [invalid('metadata', metadata, except === undefined ? 'must be empty' : `must be empty except for ${except}`)];
}

const labelOperators: ReadonlyMap<string, LabelOperator> = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
]);

/** What of the selectors cannot be understood is left out of the question, which makes it a wider one; the answer says so. */
function ignoredSelectors(resource: ResourceAttributes | undefined): string[] {
  const said: string[] = [];
  const judge = (
    name: string,
    selector: Selector | undefined,
    parse: (text: string) => unknown,
    understood: (requirement: NonNullable<Selector['requirements']>[number]) => boolean,
  ): void => {
    const { rawSelector, requirements = [] } = selector ?? {};
    const good = requirements.filter(understood).length;
    if (requirements.length > 0 ? good === requirements.length : !rawSelector || parses(() => parse(rawSelector)))
      return;
    said.push(`spec.resourceAttributes.${name} ${good > 0 ? 'partially ' : ''}ignored due to parse error`);
  };
  const { fieldSelector, labelSelector } = (resource ?? {}) as {
    readonly fieldSelector?: Selector;
    readonly labelSelector?: Selector;
  };
  judge(
    'fieldSelector',
    fieldSelector,
    parseFieldSelector,
    ({ operator, values }) => (operator === 'In' || operator === 'NotIn') && values?.length === 1,
  );
  judge('labelSelector', labelSelector, parseLabelSelector, ({ key, operator, values }) => {
    const known = labelOperators.get(operator);
    return known !== undefined && parses(() => makeRequirement(key, known, values ?? []));
  });
  return said;
}

/** Any refusal counts: the parsers throw nothing but those. */
function parses(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

interface Selector {
  readonly rawSelector?: string;
  readonly requirements?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

/** Either form of a selector, not both and not none. Operators of newer servers are let through. */
function selectorErrors(spec: Spec | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const { fieldSelector, labelSelector } = (spec?.resourceAttributes ?? {}) as {
    readonly fieldSelector?: Selector;
    readonly labelSelector?: Selector;
  };
  for (const [name, selector] of [
    ['fieldSelector', fieldSelector],
    ['labelSelector', labelSelector],
  ] as const) {
    if (!selector) continue;
    const path = `spec.resourceAttributes.${name}`;
    const requirements = selector.requirements ?? [];
    if (selector.rawSelector && requirements.length > 0)
      errors.push(
        invalid(`${path}.rawSelector`, selector.rawSelector, 'may not specified at the same time as requirements'),
      );
    if (!selector.rawSelector && requirements.length === 0)
      errors.push(
        required(`${path}.requirements`, `when ${path} is specified, requirements or rawSelector is required`),
      );
    for (const [i, { key, operator, values }] of requirements.entries()) {
      const at = `${path}.requirements[${i}]`;
      const count = values?.length ?? 0;
      if ((operator === 'In' || operator === 'NotIn') && count === 0)
        errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      if ((operator === 'Exists' || operator === 'DoesNotExist') && count > 0)
        errors.push({
          type: 'FieldValueForbidden',
          field: `${at}.values`,
          message: "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        });
      if (name === 'labelSelector')
        for (const why of checkQualifiedName(key)) errors.push(invalid(`${at}.key`, key, why));
      else if (key === '') errors.push(required(`${at}.key`, 'must be specified'));
    }
  }
  return errors;
}

const required = (field: string, why: string): FieldError => ({
  type: 'FieldValueRequired',
  field,
  message: `Required value: ${why}`,
});

function refuse(errors: readonly FieldError[]): void {
  // Upstream names no kind here.
  if (errors.length > 0) throw ApiError.invalid({ group, kind: '' }, '', errors);
}

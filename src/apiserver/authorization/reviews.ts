/** Asking what somebody may do: the access and rules reviews behind `kubectl auth can-i`. All answer a create and store nothing. */
import { ApiError, type FieldError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
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
  refuse([...subjectErrors(review.spec), ...attributeErrors(review.spec)]);
  return answered(review, attributesOf(userOf(review.spec), review.spec), authorizer, signal);
}

/** @throws ApiError 400, 422 */
export async function reviewLocalSubjectAccess(
  review: LocalSubjectAccessReview,
  namespace: string,
  authorizer: Authorizer,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { spec } = review;
  const errors = [...subjectErrors(spec), ...attributeErrors(spec)];
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
      invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'disallowed on this kind of request'),
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
  refuse(attributeErrors(review.spec));
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
  review: object,
  attributes: AuthorizationAttributes,
  authorizer: Authorizer,
  signal: AbortSignal,
): Promise<JsonObject> {
  const decision = await authorizer.authorize(attributes, signal);
  return {
    ...(review as JsonObject),
    status: {
      allowed: decision.kind === 'allow',
      ...(decision.kind === 'deny' ? { denied: true } : {}),
      ...(decision.reason === '' ? {} : { reason: decision.reason }),
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
        { Path: other.path ?? '', Verb: other.verb ?? '' },
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

function refuse(errors: readonly FieldError[]): void {
  // Upstream names no kind here.
  if (errors.length > 0) throw ApiError.invalid({ group, kind: '' }, '', errors);
}

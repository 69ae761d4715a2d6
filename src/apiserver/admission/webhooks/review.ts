/** AdmissionReview: what is sent, and what may come back. Source: apiserver/pkg/admission/plugin/webhook/request, .../errors. */
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import type { Status } from '../../../api/types/meta-v1.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { type Invocation, namespaceOf } from './match.ts';

const versions: ReadonlySet<string> = new Set(['v1', 'v1beta1']);

/** The first version that the webhook and we know. */
export const reviewVersion = ({ hook }: Invocation): string | undefined =>
  hook.webhook.admissionReviewVersions.find((version) => versions.has(version));

/** `request` of a review, without its objects: also what match conditions see. */
export function admissionRequest(uid: string, attributes: AdmissionAttributes, invocation: Invocation): JsonObject {
  const { user, subresource, operation, dryRun, kind, resource } = attributes;
  const namespace = namespaceOf(attributes);
  const { group, version, resource: plural } = invocation.resource;
  return {
    uid,
    kind: { group: invocation.kind.group, version: invocation.kind.version, kind: invocation.kind.kind },
    resource: { group, version, resource: plural },
    ...(subresource === '' ? {} : { subResource: subresource }),
    requestKind: { group: kind.group, version: kind.version, kind: kind.kind },
    requestResource: { group: resource.group, version: resource.version, resource: resource.resource },
    ...(subresource === '' ? {} : { requestSubResource: subresource }),
    ...(attributes.name === '' ? {} : { name: attributes.name }),
    ...(namespace === '' ? {} : { namespace }),
    operation,
    userInfo: {
      username: user.name,
      ...(user.uid === undefined || user.uid === '' ? {} : { uid: user.uid }),
      groups: user.groups,
      ...(user.extra && Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
    },
    dryRun,
  };
}

export function admissionReview(
  version: string,
  request: JsonObject,
  object: JsonObject | undefined,
  oldObject: JsonObject | undefined,
  options: JsonObject | null,
): JsonObject {
  const { dryRun, ...head } = request;
  return {
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${version}`,
    request: { ...head, object: object ?? null, oldObject: oldObject ?? null, dryRun: dryRun!, options },
  };
}

export interface AdmissionAnswer {
  readonly allowed: boolean;
  readonly auditAnnotations: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  readonly status: Partial<Status> | undefined;
  /** Base64. Empty: none. */
  readonly patch: string;
  readonly patchType: string;
}

/** @throws Error with upstream's words when it is no answer to the request */
export function readReview(review: JsonObject, version: string, uid: string, mutating: boolean): AdmissionAnswer {
  const response = review.response as JsonObject | null | undefined;
  if (typeof response !== 'object' || response === null) throw new Error('webhook response was absent');
  const patch = typeof response.patch === 'string' ? response.patch : '';
  const patchType = response.patchType as string | null | undefined;
  const known = version === 'v1';
  if (known) {
    if (response.uid !== uid)
      throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
    const wanted = 'admission.k8s.io/v1, Kind=AdmissionReview';
    const got = `${String(review.apiVersion)}, Kind=${String(review.kind)}`;
    if (got !== wanted) throw new Error(`expected webhook response of ${wanted}, got ${got}`);
    if (mutating) {
      if (patch !== '' && patchType == null)
        throw new Error('webhook returned response.patch but not response.patchType');
      if (patch === '' && patchType != null)
        throw new Error('webhook returned response.patchType but not response.patch');
      if (patchType === '') throw new Error('webhook returned invalid response.patchType of ""');
    } else {
      if (patch !== '') throw new Error('validating webhook may not return response.patch');
      if (patchType != null) throw new Error('validating webhook may not return response.patchType');
    }
  }
  return {
    allowed: response.allowed === true,
    auditAnnotations: textsOf(response.auditAnnotations),
    warnings: Array.isArray(response.warnings) ? response.warnings.filter((text) => typeof text === 'string') : [],
    status: (response.status ?? undefined) as Partial<Status> | undefined,
    patch: mutating ? patch : '',
    patchType: known ? (patchType ?? '') : 'JSONPatch',
  };
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** A webhook's no. */
export function denial(webhook: string, status: Partial<Status> | undefined): ApiError {
  const by = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const { message = '', reason = '', code = 0, details, metadata = {} } = status ?? {};
  return ApiError.fromStatus({
    metadata,
    code: Math.max(code, 400),
    ...(reason === '' ? {} : { reason }),
    message: message !== '' ? `${by}: ${message}` : reason !== '' ? `${by}: ${reason}` : `${by} without explanation`,
    ...(details === undefined ? {} : { details }),
  });
}

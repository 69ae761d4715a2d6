/** Kinds that are asked, not stored: who am I, whose token is this, may they. */

import { ApiError } from '../../../api/errors.ts';
import type { ApiResponse } from '../../../api/exchange.ts';
import type { JsonObject } from '../../../api/json.ts';
import { formatTime } from '../../../api/time.ts';
import type { TokenReview } from '../../../api/types/authentication-v1.ts';
import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
} from '../../../api/types/authorization-v1.ts';
import type { TokenAuthenticator } from '../../authentication/bearer-token.ts';
import { reviewSelf, reviewToken } from '../../authentication/reviews.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import type { RbacIndex } from '../../authorization/rbac-index.ts';
import {
  reviewLocalSubjectAccess,
  reviewSelfSubjectAccess,
  reviewSelfSubjectRules,
  reviewSubjectAccess,
} from '../../authorization/reviews.ts';
import { negotiateAccept } from '../../negotiation/negotiation.ts';
import { type AdmissionSubject, admit, validateAdmission } from '../admit.ts';
import { withManager } from '../create.ts';
import { inNamespace, metadataOf, withoutSystemFields } from '../object-meta.ts';
import { parseWriteOptions } from '../options.ts';
import { endpoint, methodNotAllowed } from '../resource-handler.ts';
import type { SubresourceHandler, SubresourceRequest } from '../subresources.ts';

export interface ReviewOptions {
  readonly authorizer: Authorizer;
  /** Absent: TokenReview answers 501. */
  readonly tokens: TokenAuthenticator | undefined;
  readonly audiences: readonly string[];
  /** Absent: SelfSubjectRulesReview answers 501. */
  readonly rbacIndex: RbacIndex | undefined;
}

export function reviewHandlers(options: ReviewOptions): Readonly<Record<string, SubresourceHandler>> {
  const { authorizer, tokens, audiences, rbacIndex } = options;
  return {
    'authentication.k8s.io/selfsubjectreviews': review((_, { context, handler }) =>
      reviewSelf(context.user, handler.registry.clock),
    ),
    'authentication.k8s.io/tokenreviews': review((object) => {
      if (!tokens) throw missing('TokenReview', 'a token authenticator');
      return reviewToken(object as unknown as TokenReview, tokens, audiences);
    }),
    'authorization.k8s.io/subjectaccessreviews': review((object, { context }) =>
      reviewSubjectAccess(object as unknown as SubjectAccessReview, authorizer, context.signal),
    ),
    'authorization.k8s.io/localsubjectaccessreviews': review((object, { context, namespace }) =>
      reviewLocalSubjectAccess(object as unknown as LocalSubjectAccessReview, namespace, authorizer, context.signal),
    ),
    'authorization.k8s.io/selfsubjectaccessreviews': review((object, { context }) =>
      reviewSelfSubjectAccess(object as unknown as SelfSubjectAccessReview, context.user, authorizer, context.signal),
    ),
    'authorization.k8s.io/selfsubjectrulesreviews': review((object, { context }) => {
      if (!rbacIndex) throw missing('SelfSubjectRulesReview', 'RBAC');
      const { spec } = object as unknown as SelfSubjectRulesReview;
      return reviewSelfSubjectRules(spec.namespace ?? '', context.user, rbacIndex);
    }),
  };
}

export const missing = (what: string, part: string): ApiError =>
  new ApiError({ code: 501, message: `${what} is not available: this API server was set up without ${part}` });

type Answer = (object: JsonObject, request: SubresourceRequest) => JsonObject | Promise<JsonObject>;

/** A create whose answer is the body with a status. */
const review =
  (answer: Answer): SubresourceHandler =>
  async (request): Promise<ApiResponse> => {
    const { context, handler, served, name } = request;
    if (context.request.method !== 'POST' || name !== '') throw methodNotAllowed();
    const { registry } = handler;
    const negotiated = negotiateAccept(context.request, { ...endpoint, table: false });
    const options = parseWriteOptions(context.query, 'CreateOptions');
    const decoded = await handler.decode(context, served.gvk, served.schema.type, options.fieldValidation);
    let object = registry.kinds.applyDefaults(decoded, served.gvk);
    const now = formatTime(registry.clock.now());
    object = inNamespace(withoutSystemFields(object), request.namespace, served.schema.namespaced);
    object = withManager(registry, context, served, '', options, undefined, object, now);
    const subject: AdmissionSubject = {
      context,
      served,
      operation: 'CREATE',
      subresource: '',
      namespace: request.namespace,
      name: metadataOf(object).name ?? '',
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      dryRun: options.dryRun,
    };
    object = (await admit(registry.admission, subject, object, undefined)) ?? object;
    await validateAdmission(registry.admission, subject, object, undefined);
    return handler.value(201, context, await answer(object, request), negotiated);
  };

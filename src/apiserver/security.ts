/**
 * Security put together as a cluster uses it: certificates, service account tokens, the loopback's token; Node and RBAC authorization; the
 * built-in admission plugins; the review and token endpoints.
 */

import bootstrapObjects from '../../schema/bootstrap-objects.json' with { type: 'json' };
import type { ApiResponse } from '../api/exchange.ts';
import type { JsonObject } from '../api/json.ts';
import { builtinSchema } from '../api/schema/builtin.ts';
import type { TokenRequest, TokenReview } from '../api/types/authentication-v1.ts';
import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SubjectAccessReview,
} from '../api/types/authorization-v1.ts';
import type { PolicyRule } from '../api/types/rbac-v1.ts';
import { createBuiltInAdmission } from './admission/index.ts';
import {
  createAuthenticate,
  createBearerTokenAuthenticator,
  createClientCertificateAuthenticator,
  createServiceAccountTokens,
  createStaticTokens,
  createTokenIssuer,
  createTokenUnion,
  impersonated,
  oidcDiscovery,
  reviewSelf,
  reviewToken,
  type SigningKey,
  type UserInfo,
} from './authentication/index.ts';
import {
  createAuthorizerUnion,
  createEscalationCheck,
  createNodeAuthorizer,
  createNodeGraph,
  createPrivilegedGroups,
  createRbacAuthorizer,
  createRbacIndex,
  reviewLocalSubjectAccess,
  reviewSelfSubjectAccess,
  reviewSelfSubjectRules,
  reviewSubjectAccess,
} from './authorization/index.ts';
import type { Security, SecurityContext } from './index.ts';
import { negotiateAccept } from './negotiation/negotiation.ts';
import { endpoint } from './registry/resource-handler.ts';
import type { SubresourceHandler, SubresourceRequest } from './registry/subresources.ts';

export interface ClusterSecurityOptions {
  /** Signs service account tokens; its public half verifies them. */
  readonly serviceAccountKey: SigningKey;
  /** `--service-account-issuer` */
  readonly issuer: string;
  readonly jwksUri: string;
  /** Tokens of callers in the same process. */
  readonly staticTokens?: ReadonlyMap<string, UserInfo>;
  /** `--anonymous-auth` */
  readonly anonymousAllowed?: boolean;
  /** `--disable-admission-plugins` */
  readonly disabledAdmissionPlugins?: readonly string[];
}

export function createClusterSecurity(options: ClusterSecurityOptions): (context: SecurityContext) => Security {
  return ({ reader, clock, random }) => {
    const { issuer, serviceAccountKey: key } = options;
    const audiences = [issuer];
    const tokens = createTokenUnion([
      createStaticTokens(options.staticTokens ?? new Map()),
      createServiceAccountTokens({ issuers: [issuer], keys: [key], reader, clock }),
    ]);
    const authenticate = createAuthenticate({
      authenticators: [createClientCertificateAuthenticator(), createBearerTokenAuthenticator(tokens, audiences)],
      anonymousAllowed: options.anonymousAllowed ?? true,
    });
    const index = createRbacIndex(reader);
    const authorizer = createAuthorizerUnion([
      createPrivilegedGroups(),
      createNodeAuthorizer({ graph: createNodeGraph(reader), reader, rules: nodeRules() }),
      createRbacAuthorizer(index),
    ]);
    const issue = createTokenIssuer({ issuer, key, audiences, reader, clock, random });
    return {
      authenticator: {
        authenticate: (request) => {
          const user = authenticate(request);
          return user instanceof Promise
            ? user.then((found) => ({ kind: 'authenticated', user: found }))
            : { kind: 'authenticated', user };
        },
      },
      authorizer,
      admission: createBuiltInAdmission({
        reader,
        clock,
        random,
        checkEscalation: createEscalationCheck(index, authorizer),
        ...(options.disabledAdmissionPlugins ? { disabled: options.disabledAdmissionPlugins } : {}),
      }),
      impersonate: (request, caller) => impersonated(request, caller, authorizer),
      subresources: {
        '/serviceaccounts/token': answering(
          'authentication.k8s.io',
          'TokenRequest',
          (body, { namespace, name, context }) =>
            issue.issue(namespace, name, body as unknown as TokenRequest, {
              warn: (text) => context.warnings.push(text),
              signal: context.signal,
            }),
        ),
      },
      virtual: {
        'authentication.k8s.io/tokenreviews': answering('authentication.k8s.io', 'TokenReview', (body) =>
          reviewToken(body as unknown as TokenReview, tokens, audiences),
        ),
        'authentication.k8s.io/selfsubjectreviews': answering(
          'authentication.k8s.io',
          'SelfSubjectReview',
          (_, { context }) => reviewSelf(context.user, clock),
        ),
        'authorization.k8s.io/subjectaccessreviews': answering(
          'authorization.k8s.io',
          'SubjectAccessReview',
          (body, { context }) =>
            reviewSubjectAccess(body as unknown as SubjectAccessReview, authorizer, context.signal),
        ),
        'authorization.k8s.io/selfsubjectaccessreviews': answering(
          'authorization.k8s.io',
          'SelfSubjectAccessReview',
          (body, { context }) =>
            reviewSelfSubjectAccess(
              body as unknown as SelfSubjectAccessReview,
              context.user,
              authorizer,
              context.signal,
            ),
        ),
        'authorization.k8s.io/localsubjectaccessreviews': answering(
          'authorization.k8s.io',
          'LocalSubjectAccessReview',
          (body, { context, namespace }) =>
            reviewLocalSubjectAccess(
              body as unknown as LocalSubjectAccessReview,
              namespace,
              authorizer,
              context.signal,
            ),
        ),
        'authorization.k8s.io/selfsubjectrulesreviews': answering(
          'authorization.k8s.io',
          'SelfSubjectRulesReview',
          (body, { context }) =>
            reviewSelfSubjectRules(((body.spec ?? {}) as { namespace?: string }).namespace ?? '', context.user, index),
        ),
      },
      documents: oidcDiscovery({ issuer, keys: [key], jwksUri: options.jwksUri }),
    };
  };
}

/** A create that is answered and stores nothing. */
function answering(
  group: string,
  kind: string,
  answer: (body: JsonObject, request: SubresourceRequest) => JsonObject | Promise<JsonObject>,
): SubresourceHandler {
  const type = builtinSchema.byGvk({ group, version: 'v1', kind });
  if (!type) throw new Error(`Schema: no kind ${group}/v1 ${kind}`);
  return async (request): Promise<ApiResponse> => {
    const { handler, context } = request;
    const body = await handler.decode(context, { group, version: 'v1', kind }, type, 'Ignore');
    const negotiated = negotiateAccept(context.request, endpoint);
    return handler.value(201, context, await answer(body, request), negotiated);
  };
}

/** The rules of the default role `system:node`: what is not subdivided by node. */
function nodeRules(): readonly PolicyRule[] {
  const roles = bootstrapObjects.ClusterRole as unknown as readonly {
    readonly metadata: { readonly name: string };
    readonly rules?: readonly PolicyRule[];
  }[];
  return roles.find((role) => role.metadata.name === 'system:node')?.rules ?? [];
}

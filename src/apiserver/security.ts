/**
 * Security put together as a cluster uses it: certificates, service account tokens, the loopback's token; Node and RBAC authorization; the
 * built-in admission plugins; the review and token endpoints.
 */

import bootstrapObjects from '../../schema/bootstrap-objects.json' with { type: 'json' };
import type { PolicyRule } from '../api/types/rbac-v1.ts';
import { createBuiltInAdmission } from './admission/index.ts';
import {
  createAuthenticate,
  createBearerTokenAuthenticator,
  createBootstrapTokens,
  createClientCertificateAuthenticator,
  createRequestHeaderAuthenticator,
  createServiceAccountTokens,
  createStaticTokens,
  createTokenIssuer,
  createTokenUnion,
  oidcDiscovery,
  type SigningKey,
  type UserInfo,
  type VerifyingKey,
} from './authentication/index.ts';
import {
  createAuthorizerUnion,
  createEscalationCheck,
  createNodeAuthorizer,
  createNodeGraph,
  createPrivilegedGroups,
  createRbacAuthorizer,
  createRbacIndex,
} from './authorization/index.ts';
import type { Security, SecurityContext } from './index.ts';
import { countedDecisions } from './security-metrics.ts';

export interface ClusterSecurityOptions {
  /** Signs service account tokens; its public half verifies them. */
  readonly serviceAccountKey: SigningKey;
  /** Of other API servers and of earlier keys: their tokens are believed too. */
  readonly verifyingKeys?: readonly VerifyingKey[];
  /** `--service-account-issuer` */
  readonly issuer: string;
  /** Further ones, whose tokens are still believed. */
  readonly earlierIssuers?: readonly string[];
  readonly jwksUri: string;
  /** Tokens of callers in the same process. */
  readonly staticTokens?: ReadonlyMap<string, UserInfo>;
  /** `--requestheader-allowed-names`. Default: kubeadm's `front-proxy-client`. */
  readonly requestHeaderNames?: readonly string[];
  /** `--enable-bootstrap-token-auth`. Default here: on, as kubeadm sets it; without a token's Secret it accepts nobody. */
  readonly bootstrapTokens?: boolean;
  /** `--service-account-extend-token-expiration` */
  readonly extendTokenExpiration?: boolean;
  /** `--service-account-max-token-expiration`; 0: no limit. */
  readonly maxTokenExpirationSeconds?: number;
  /** `--anonymous-auth` */
  readonly anonymousAllowed?: boolean;
  /** `--disable-admission-plugins` */
  readonly disabledAdmissionPlugins?: readonly string[];
}

export function createClusterSecurity(options: ClusterSecurityOptions): (context: SecurityContext) => Security {
  return ({ reader, writer, clock, random, log, metrics }) => {
    const { issuer, serviceAccountKey: key } = options;
    const issuers = [issuer, ...(options.earlierIssuers ?? [])];
    // Upstream's default of --api-audiences.
    const audiences = issuers;
    const tokens = createTokenUnion([
      createStaticTokens(options.staticTokens ?? new Map()),
      createServiceAccountTokens({
        issuers,
        keys: [key, ...(options.verifyingKeys ?? [])],
        reader,
        clock,
      }),
      ...((options.bootstrapTokens ?? true) ? [createBootstrapTokens({ reader, clock, log })] : []),
    ]);
    const authenticate = createAuthenticate({
      authenticators: [
        createRequestHeaderAuthenticator({ allowedNames: options.requestHeaderNames ?? ['front-proxy-client'] }),
        createClientCertificateAuthenticator(),
        createBearerTokenAuthenticator(tokens, audiences),
      ],
      anonymousAllowed: options.anonymousAllowed ?? true,
    });
    const index = createRbacIndex(reader);
    const authorizer = createAuthorizerUnion([
      createPrivilegedGroups(),
      countedDecisions(createNodeAuthorizer({ graph: createNodeGraph(reader), reader, rules: nodeRules() }), {
        metrics,
        type: 'Node',
        name: 'node',
      }),
      countedDecisions(createRbacAuthorizer(index), { metrics, type: 'RBAC', name: 'rbac' }),
    ]);
    const tokenIssuer = createTokenIssuer({
      issuer,
      key,
      audiences,
      reader,
      clock,
      random,
      extendExpiration: options.extendTokenExpiration ?? true,
      maxExpirationSeconds: options.maxTokenExpirationSeconds ?? 0,
    });
    return {
      authenticate,
      authorizer,
      admission: createBuiltInAdmission({
        reader,
        ...(writer ? { writer } : {}),
        clock,
        random,
        authorizer,
        checkEscalation: createEscalationCheck(index, authorizer),
        ...(options.disabledAdmissionPlugins ? { disabled: options.disabledAdmissionPlugins } : {}),
      }),
      ...(options.disabledAdmissionPlugins ? { disabledAdmissionPlugins: options.disabledAdmissionPlugins } : {}),
      tokens,
      audiences,
      tokenIssuer,
      rbacIndex: index,
      documents: oidcDiscovery({ issuer, keys: [key], jwksUri: options.jwksUri }),
    };
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

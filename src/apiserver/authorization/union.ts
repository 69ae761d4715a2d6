/** Several authorizers as one: the first that allows or denies decides. */
import { mastersGroup } from '../authentication/well-known-users.ts';
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from './authorizer.ts';

export function createAuthorizerUnion(authorizers: readonly Authorizer[]): Authorizer {
  const ask = (
    attributes: AuthorizationAttributes,
    signal: AbortSignal,
    from: number,
    reasons: readonly string[],
  ): AuthorizationDecision | Promise<AuthorizationDecision> => {
    let collected = reasons;
    for (let i = from; i < authorizers.length; i++) {
      const decision = authorizers[i]!.authorize(attributes, signal);
      if (decision instanceof Promise)
        return decision.then((settled) =>
          settled.kind === 'noOpinion' ? ask(attributes, signal, i + 1, added(collected, settled.reason)) : settled,
        );
      if (decision.kind !== 'noOpinion') return decision;
      collected = added(collected, decision.reason);
    }
    return { kind: 'noOpinion', reason: collected.join('\n') };
  };
  return { authorize: (attributes, signal) => ask(attributes, signal, 0, none) };
}

const none: readonly string[] = [];
const added = (reasons: readonly string[], reason: string): readonly string[] =>
  reason === '' ? reasons : [...reasons, reason];

const allowed: AuthorizationDecision = Object.freeze({ kind: 'allow', reason: '' });
const noOpinion: AuthorizationDecision = Object.freeze({ kind: 'noOpinion', reason: '' });

/** Members of these groups may do everything, whatever roles say: a broken RBAC can be mended. */
export function createPrivilegedGroups(groups: readonly string[] = [mastersGroup]): Authorizer {
  return {
    authorize: ({ user }) => (user.groups.some((group) => groups.includes(group)) ? allowed : noOpinion),
  };
}

/** `--authorization-mode=AlwaysAllow`, and paths that are open to everybody. */
export const alwaysAllow: Authorizer = Object.freeze({ authorize: () => allowed });

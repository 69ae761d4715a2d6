/** Whose a bootstrap token is: nobody's in particular, a member of `system:bootstrappers`. Source: plugin/pkg/auth/authenticator/token/bootstrap. */
import { timingSafeEqual } from 'node:crypto';
import {
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  bootstrapUserPrefix,
  isTokenExpired,
  isTokenFor,
  parseBootstrapToken,
  tokenField,
  tokenGroups,
} from '../../api/bootstrap-token.ts';
import type { Secret } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { TokenAuthenticator } from './bearer-token.ts';

export interface BootstrapTokensOptions {
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Whatever is wrong with a token, its bearer hears only that nobody knows it; the log says what. */
export function createBootstrapTokens({ reader, clock, log }: BootstrapTokensOptions): TokenAuthenticator {
  return {
    authenticateToken(text) {
      const token = parseBootstrapToken(text);
      if (!token) return { kind: 'unknown' };
      const name = bootstrapTokenPrefix + token.id;
      const secret = reader.get('', 'secrets', bootstrapTokenNamespace, name) as unknown as Secret | undefined;
      if (!secret) {
        log.info('No secret matches a bootstrap token', { secret: `${bootstrapTokenNamespace}/${name}` });
        return { kind: 'unknown' };
      }
      const groups = secret.metadata.deletionTimestamp ? 'the secret is being deleted' : judge(secret);
      if (typeof groups === 'string') {
        log.warn('A bootstrap token is not accepted', { secret: `${bootstrapTokenNamespace}/${name}`, reason: groups });
        return { kind: 'unknown' };
      }
      return { kind: 'authenticated', user: { name: bootstrapUserPrefix + token.id, groups } };

      /** @returns the bearer's groups, or why the token does not count. */
      function judge(found: Secret): readonly string[] | string {
        if (found.type !== bootstrapTokenType || !found.data) return `its type is not ${bootstrapTokenType}`;
        if (!sameText(tokenField(found, 'token-secret'), token!.secret)) return 'token-secret does not match';
        if (tokenField(found, 'token-id') !== token!.id) return 'token-id does not match';
        if (isTokenExpired(found, clock.now())) return 'it has expired';
        if (!isTokenFor(found, 'authentication')) return 'it is not marked usage-bootstrap-authentication=true';
        try {
          return tokenGroups(found);
        } catch (error) {
          return error instanceof Error ? error.message : String(error);
        }
      }
    },
  };
}

/** In a time that tells nothing of where they differ. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

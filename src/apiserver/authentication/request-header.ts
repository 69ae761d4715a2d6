/**
 * Front proxies: who shows their certificate says in headers for whom it speaks. Source: apiserver/pkg/authentication/request/headerrequest; upstream's flags
 * --requestheader-allowed-names, --requestheader-username-headers and so on, with kubeadm's values.
 */
import type { ApiRequest } from '../../api/exchange.ts';
import type { AuthenticationResult, Authenticator } from './authenticator.ts';

export interface RequestHeaderOptions {
  /** Common names that may speak for others; none: every one that the authority signed. */
  readonly allowedNames: readonly string[];
}

const extraPrefix = 'x-remote-extra-';

export function createRequestHeaderAuthenticator({ allowedNames }: RequestHeaderOptions): Authenticator {
  return {
    authenticate(request): AuthenticationResult {
      const { peer } = request;
      if (!peer?.frontProxy) return { kind: 'unknown' };
      if (allowedNames.length > 0 && !allowedNames.includes(peer.commonName))
        return {
          kind: 'rejected',
          error: new Error(`x509: subject with cn=${peer.commonName} is not in the allowed list`),
        };
      const name = linesOf(request, 'x-remote-user').find((value) => value !== '');
      if (name === undefined) return { kind: 'unknown' };
      const uid = linesOf(request, 'x-remote-uid').find((value) => value !== '');
      const extra = extraOf(request);
      return {
        kind: 'authenticated',
        user: Object.freeze({
          name,
          ...(uid === undefined ? {} : { uid }),
          groups: Object.freeze([...linesOf(request, 'x-remote-group')]),
          ...(extra ? { extra } : {}),
        }),
      };
    },
  };
}

const linesOf = (request: ApiRequest, name: string): readonly string[] => {
  const value = request.headers[name];
  if (value === undefined) return [];
  return request.lines?.(name) ?? [value];
};

function extraOf(request: ApiRequest): Readonly<Record<string, readonly string[]>> | undefined {
  const extra: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]>;
  let any = false;
  for (const name in request.headers) {
    if (!name.startsWith(extraPrefix)) continue;
    any = true;
    extra[unescapeKey(name.slice(extraPrefix.length))] = Object.freeze([...linesOf(request, name)]);
  }
  return any ? Object.freeze({ ...extra }) : undefined;
}

function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch (error) {
    // Not percent-encoded: it is taken as it stands.
    if (error instanceof URIError) return key;
    throw error;
  }
}

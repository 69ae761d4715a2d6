import type { ApiRequest } from '../../api/exchange.ts';

export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** The outcome of one way to authenticate. `unknown`: this way does not apply (try the next); `rejected`: credentials were there and bad. */
export type AuthenticationResult =
  | { readonly kind: 'authenticated'; readonly user: UserInfo; readonly audiences?: readonly string[] }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'rejected'; readonly error: Error };

export interface Authenticator {
  authenticate(request: ApiRequest): AuthenticationResult | Promise<AuthenticationResult>;
}

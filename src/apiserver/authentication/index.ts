/** Who sends a request. */
export type { AuthenticationResult, Authenticator, UserInfo } from './authenticator.ts';
export { createBearerTokenAuthenticator, createTokenUnion, type TokenAuthenticator } from './bearer-token.ts';
export { createBootstrapTokens } from './bootstrap-tokens.ts';
export { type Authenticate, createAuthenticate } from './chain.ts';
export { createClientCertificateAuthenticator } from './client-certificate.ts';
export { createImpersonation } from './impersonation.ts';
export { oidcDiscovery } from './oidc-discovery.ts';
export { createRequestHeaderAuthenticator, type RequestHeaderOptions } from './request-header.ts';
export { reviewSelf, reviewToken, userInfo } from './reviews.ts';
export { createServiceAccountTokens } from './service-account-tokens.ts';
export { createStaticTokens } from './static-tokens.ts';
export { createTokenIssuer, podTokenExpirationSeconds, type TokenIssuer } from './token-issuer.ts';
export { type SigningKey, signingKey, type VerifyingKey, verifyingKey } from './token-keys.ts';
export * from './well-known-users.ts';

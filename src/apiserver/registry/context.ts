/** What one request carries through the registry. */
import type { ApiRequest } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { AuditTrail } from '../audit/index.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import type { RequestInfo } from '../request-info.ts';

export interface RequestContext {
  readonly request: ApiRequest;
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  readonly signal: AbortSignal;
  /** Texts of `Warning: 299` headers, in order; duplicates are sent once. */
  readonly warnings: string[];
  /** Of a request that is recorded. */
  readonly audit?: AuditTrail | undefined;
  /** The body's object where it is in the order and form of the store (`asStored`), so that what is still part of it need not be looked at. */
  arranged?: JsonObject | undefined;
  /** For audit events; made when the first one comes. */
  auditAnnotations?: Map<string, string> | undefined;
}

/**
 * Which part of upstream answers a path, as far as callers see it: documents behind its router are read with GET only and refuse in JSON, all others are
 * handlers at exactly one path that never look at the method. Source: apiserver/pkg/server/handler.go (director), mux/pathrecorder.go; go-restful.
 */
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import { methodNotAllowed } from '../registry/unrouted.ts';

/** Documents with a router of their own. */
const routed = ['/api', '/version', '/openid/v1/jwks', '/.well-known/openid-configuration'];
/** Groups whose own document is behind the router too; those of others are the aggregator's. */
const ownGroups = new Set(['apiregistration.k8s.io', 'apiextensions.k8s.io']);

/**
 * The root of the router that takes a path of a document, or undefined.
 * @param path decoded. @param builtIn whether a group is one of this server's own, users' kinds left out
 */
export function routerOf(path: string, builtIn: (group: string) => boolean): string | undefined {
  for (const root of routed) if (path === root || path.startsWith(`${root}/`)) return root;
  const [, group, version] = /^\/apis\/([^/]+)(?:\/([^/]+))?/.exec(path) ?? [];
  if (group === undefined || !builtIn(group)) return undefined;
  return version !== undefined || ownGroups.has(group) ? `/apis/${group}` : undefined;
}

/** Two slashes where a router or a group is looked for: nobody takes such a path, though its rights are those of the path with one. */
export const isAstray = (path: string): boolean => path.startsWith('//') || path.startsWith('/apis//');

/** @throws ApiError 406 where the router has only one form of a document, and the client wants none like it. */
export function requireMediaType({ headers }: ApiRequest, mediaType: string): void {
  const accept = headers.accept ?? '';
  if (accept.trim() === '') return;
  const asked = accept.split(',').map((part) => part.split(';')[0]!.trim());
  if (asked.some((type) => type === '*/*' || type === mediaType)) return;
  throw new ApiError({
    code: 406,
    reason: 'NotAcceptable',
    message: `406: Not Acceptable\n\nAvailable representations: ${mediaType}`,
    details: {},
  });
}

/** A routed document that is made once, in one form. @throws ApiError 404, 405, 406 as its router does */
export function oneForm(
  documents: ReadonlyMap<string, ApiResponse> | undefined,
  request: ApiRequest,
): ApiResponse | undefined {
  if (documents === undefined) return undefined;
  const found = documents.get(request.path.replace(/\/+$/, ''));
  if (found === undefined) return undefined;
  if (request.method !== 'GET') throw methodNotAllowed();
  requireMediaType(request, found.headers['content-type'] ?? '');
  return found;
}

/** What Go's server answers where a path's escapes cannot be read, before anything else sees the request. */
export const isMalformed = (path: string): boolean => path.includes('%') && /%(?![0-9A-Fa-f]{2})/.test(path);

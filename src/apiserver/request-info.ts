/** What a request is about, worked out once from method, path and query. Source: k8s.io/apiserver/pkg/endpoints/request.RequestInfo. */
export interface RequestInfo {
  /** Below /api or /apis/GROUP/VERSION. */
  readonly isResourceRequest: boolean;
  readonly path: string;
  /** get, list, watch, create, update, patch, delete, deletecollection, proxy; for other paths the lower-cased method. */
  readonly verb: string;
  /** The verb stands in the path (`/api/v1/watch/...`) and says nothing of the method: only reads may be answered. */
  readonly verbByPath: boolean;
  readonly apiPrefix: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  /** Percent-decoded. */
  readonly name: string;
  /** Everything after the resource. */
  readonly parts: readonly string[];
  readonly fieldSelector: string;
  readonly labelSelector: string;
}

/**
 * @param path raw path, percent-encoded; a malformed escape is kept as it stands.
 * Never throws: what cannot be understood is a non-resource request, or a resource request that no handler knows.
 */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const segments = split(decodePath(path));
  const prefix = segments[0];
  if ((prefix !== 'api' && prefix !== 'apis') || segments.length < (prefix === 'api' ? 3 : 4))
    return nonResource(method, path);
  let at = 1;
  const apiGroup = prefix === 'apis' ? segments[at++]! : '';
  const apiVersion = segments[at++]!;
  let verb = '';
  let verbByPath = false;
  const first = segments[at]!;
  if (first === 'proxy' || first === 'watch') {
    // The deprecated prefix forms /api/v1/watch/... and /api/v1/proxy/...
    if (segments.length < at + 2) return nonResource(method, path);
    verb = first;
    verbByPath = true;
    at++;
  } else {
    verb = verbOf(method);
  }
  let namespace = '';
  let parts = segments.slice(at);
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = parts[1]!;
    // /namespaces/NAME, /namespaces/NAME/status and /namespaces/NAME/finalize are about the namespace itself.
    if (parts.length > 2 && !(parts.length === 3 && namespaceSubresources.has(parts[2]!))) parts = parts.slice(2);
  }
  const resource = parts[0] ?? '';
  const name = parts[1] ?? '';
  const subresource = verb === 'proxy' ? '' : (parts[2] ?? '');
  let labelSelector = '';
  let fieldSelector = '';
  // The old paths treat selectors each in their own way: nobody's rights may hang on them.
  if (!verbByPath && (verb === 'get' || verb === 'delete')) {
    labelSelector = query.get('labelSelector') ?? '';
    fieldSelector = query.get('fieldSelector') ?? '';
  }
  if (name === '' && verb === 'get') verb = isTrue(query.get('watch')) ? 'watch' : 'list';
  if (name === '' && verb === 'delete') verb = 'deletecollection';
  // A collection request for exactly one name counts as a request about that name, for authorization.
  let authorizedName = name;
  if (name === '' && (verb === 'list' || verb === 'watch')) authorizedName = nameFromFieldSelector(fieldSelector);
  return {
    isResourceRequest: true,
    path,
    verb,
    verbByPath,
    apiPrefix: prefix,
    apiGroup,
    apiVersion,
    namespace,
    resource,
    subresource,
    name: authorizedName,
    parts,
    fieldSelector,
    labelSelector,
  };
}

const namespaceSubresources: ReadonlySet<string> = new Set(['status', 'finalize']);

/** Whether a boolean query parameter is on. Source: conversion of string slices to bool: absent, `false` and `0` are off, all else on. */
export const isTrue = (value: string | null): boolean => value !== null && value !== 'false' && value !== '0';

function verbOf(method: string): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'GET':
    case 'HEAD':
      return 'get';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return 'delete';
    default:
      return '';
  }
}

function nonResource(method: string, path: string): RequestInfo {
  return {
    isResourceRequest: false,
    path,
    verb: method.toLowerCase(),
    verbByPath: false,
    apiPrefix: '',
    apiGroup: '',
    apiVersion: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    parts: [],
    fieldSelector: '',
    labelSelector: '',
  };
}

function split(path: string): string[] {
  let start = 0;
  let end = path.length;
  while (start < end && path.charCodeAt(start) === 47) start++;
  while (end > start && path.charCodeAt(end - 1) === 47) end--;
  return start === end ? [] : path.slice(start, end).split('/');
}

/** As one text before it is taken apart, as upstream does: a slash that was escaped separates too, for us and for whoever the request is passed on to. */
function decodePath(path: string): string {
  if (!path.includes('%')) return path;
  return path
    .replace(/%2f/gi, '/')
    .split('/')
    .map((segment) => {
      if (!segment.includes('%')) return segment;
      try {
        return decodeURIComponent(segment);
      } catch (error) {
        if (error instanceof URIError) return segment;
        throw error;
      }
    })
    .join('/');
}

/** The value of a `metadata.name=x` requirement, when the selector has exactly one such and the value is a plain path segment. */
function nameFromFieldSelector(selector: string): string {
  if (selector === '' || !selector.includes('metadata.name')) return '';
  for (const term of selector.split(',')) {
    const match = /^metadata\.name==?([^=!\\]+)$/.exec(term);
    if (match?.[1] && match[1] !== '.' && match[1] !== '..' && !/[/%]/.test(match[1])) return match[1];
  }
  return '';
}

/** `content-type` -> `Content-Type`, as HTTP/1.1 servers and upstream write it. HTTP/2 keeps lower case. */
const known: Readonly<Record<string, string>> = Object.freeze(
  Object.assign(
    Object.create(null) as Record<string, string>,
    Object.fromEntries(
      [
        'Content-Type',
        'Content-Length',
        'Content-Encoding',
        'Content-Disposition',
        'Cache-Control',
        'Vary',
        'ETag',
        'Expires',
        'Last-Modified',
        'Location',
        'Retry-After',
        'Warning',
        'WWW-Authenticate',
        'X-Content-Type-Options',
        'X-Kubernetes-PF-FlowSchema-UID',
        'X-Kubernetes-PF-PriorityLevel-UID',
        'Audit-Id',
        'Date',
        'Allow',
        'Accept-Patch',
      ].map((name) => [name.toLowerCase(), name]),
    ),
  ),
);

export function headerName(lower: string): string {
  return known[lower] ?? lower.replace(/(^|-)[a-z]/g, (c) => c.toUpperCase());
}

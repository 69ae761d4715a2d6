/** Links in what a backend says, made to lead through the proxy again. Source: apimachinery/pkg/util/proxy (Transport.rewriteURL). */
import { joinPath, type LinkUrl } from './go-url.ts';

export interface LinkSource {
  /** `host:port` of the backend. */
  readonly backend: string;
  /** The Host header the client sent. */
  readonly requested: string;
  /** The path of the proxy itself, without a slash at its end. */
  readonly prefix: string;
}

/** @param text the link as it was written, given back when it leads elsewhere or is relative */
export function rewriteLink(url: LinkUrl, text: string, source: LinkSource): string {
  const elsewhere = url.host !== '' && url.host !== source.backend && url.host !== source.requested;
  if (elsewhere || !url.path.startsWith('/')) return text;
  // Of the server's own links only the path stays, or the client would be sent to the host as the server sees it.
  const origin =
    url.host === source.requested && url.host !== '' ? `${url.scheme === '' ? '' : `${url.scheme}:`}//${url.host}` : '';
  if (url.path.startsWith(source.prefix)) return `${origin}${url.path}${url.rest}`;
  const joined = joinPath(source.prefix, url.path);
  return `${origin}${joined}${url.path.endsWith('/') && !joined.endsWith('/') ? '/' : ''}${url.rest}`;
}

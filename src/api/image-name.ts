/** Names of container images: `registry:port/path/name:tag@digest`. Source: distribution/reference, what upstream's defaulting reads. */

const domainComponent = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domain = `(?:${domainComponent}(?:\\.${domainComponent})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const pathComponent = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const tag = '[\\w][\\w.-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}';
const reference = new RegExp(`^(${domain}/${pathComponent}(?:/${pathComponent})*)(?::(${tag}))?(?:@(${digest}))?$`);
const nameMax = 255;

/** @returns the tag; `latest` when neither tag nor digest is given, `undefined` when only a digest is or the text is no image name. */
export function imageTag(image: string): string | undefined {
  if (/^[a-f0-9]{64}$/.test(image)) return undefined;
  const match = reference.exec(withDomain(image));
  if (!match || match[1]!.length > nameMax) return undefined;
  return match[2] ?? (match[3] === undefined ? 'latest' : undefined);
}

/** With the registry that a short name leaves out. */
function withDomain(image: string): string {
  const slash = image.indexOf('/');
  if (slash < 0) return `docker.io/library/${image}`;
  const first = image.slice(0, slash);
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  return isDomain ? image : `docker.io/${image}`;
}

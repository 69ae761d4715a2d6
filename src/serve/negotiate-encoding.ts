/** Whether a client takes gzip. Upstream looks for the bare token and ignores weights; so does this. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  if (acceptEncoding === undefined || !acceptEncoding.includes('gzip')) return false;
  return acceptEncoding.split(',').some((token) => token.trim() === 'gzip');
}

/** Documents that clients keep: their hash is their ETag. */
import { createHash } from 'node:crypto';
import type { ApiResponse, Headers } from '../../api/exchange.ts';

export interface Tagged {
  readonly bytes: Uint8Array;
  /** SHA-512 of the bytes in upper-case hexadecimal, as upstream writes it. */
  readonly hash: string;
}

export function tagged(bytes: Uint8Array): Tagged {
  return { bytes, hash: createHash('sha512').update(bytes).digest('hex').toUpperCase() };
}

/** 304 when the client has that document already. @param headers the request's. */
export function taggedAnswer(
  { bytes, hash }: Tagged,
  contentType: string,
  headers: Headers,
  extra: Headers,
): ApiResponse {
  const etag = `"${hash}"`;
  const common = { etag, vary: 'Accept', ...extra };
  const known = headers['if-none-match']?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
  return known
    ? { status: 304, headers: common, body: { kind: 'empty' } }
    : { status: 200, headers: { 'content-type': contentType, ...common }, body: { kind: 'bytes', bytes } };
}

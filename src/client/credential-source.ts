/** Credentials as text or as a file that is read again, because certificates and tokens are renewed under a running process. */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';

export type CredentialSource = string | { readonly file: string };

/** @throws Error naming the file. */
export async function readCredential(source: CredentialSource | undefined, what: string): Promise<string | undefined> {
  if (source === undefined || typeof source === 'string') return source;
  try {
    return await readFile(source.file, 'utf8');
  } catch (cause) {
    throw new Error(`Cannot read ${what} "${source.file}": ${(cause as Error).message}`, { cause });
  }
}

/** A token file is read again after a minute (client-go's period), sooner than any token in use runs out. */
const tokenFreshMs = 60_000;

/** @returns asks for the token to send now. A file that cannot be read again leaves the last token in use. */
export function createTokenReader(
  source: CredentialSource | undefined,
  clock: Clock,
): () => Promise<string | undefined> {
  let token: string | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (source === undefined || typeof source === 'string') return source;
    if (clock.monotonic() - readAt < tokenFreshMs) return token;
    try {
      token = (await readCredential(source, 'token file'))?.trim();
      readAt = clock.monotonic();
    } catch (error) {
      if (token === undefined) throw error;
    }
    return token;
  };
}

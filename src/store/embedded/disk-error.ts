import { StoreError, type StoreErrorCode } from '../store.ts';

/** What LMDB or the file system says -> what the store says. LMDB's own codes are negative; others are errno. */
const codes: Readonly<Record<string, readonly [StoreErrorCode, string]>> = {
  ENOSPC: ['noSpace', 'no space is left on the device'],
  28: ['noSpace', 'no space is left on the device'],
  EDQUOT: ['noSpace', 'the disk quota is exceeded'],
  122: ['noSpace', 'the disk quota is exceeded'],
  EFBIG: ['noSpace', 'the file size limit is reached'],
  27: ['noSpace', 'the file size limit is reached'],
  [-30792]: ['noSpace', 'the store has reached its size limit'],
  EROFS: ['readonly', 'the file system is read-only'],
  30: ['readonly', 'the file system is read-only'],
  EACCES: ['readonly', 'permission denied'],
  13: ['readonly', 'permission denied'],
  EPERM: ['readonly', 'permission denied'],
  1: ['readonly', 'permission denied'],
  ENOTDIR: ['invalid', 'a part of the path is not a directory'],
  EEXIST: ['invalid', 'the path is not a directory'],
  [-30793]: ['corrupt', 'the data file is not a store; restore a snapshot'],
  [-30796]: ['corrupt', 'the data file is damaged; restore a snapshot'],
  [-30797]: ['corrupt', 'the data file is damaged; restore a snapshot'],
  [-30795]: ['corrupt', 'the data file is damaged; restore a snapshot'],
  [-30794]: ['corrupt', 'the data file is of another LMDB version; restore a snapshot'],
};

/** @param attempted a sentence's beginning; the reason follows after a colon. */
export function diskError(error: unknown, attempted: string): StoreError {
  if (error instanceof StoreError)
    return new StoreError(error.code, `${attempted}: ${error.message}`, { cause: error.cause });
  const code = String((error as { code?: unknown }).code ?? '');
  const [storeCode, reason] = codes[code] ?? (['unavailable', (error as Error).message] as const);
  return new StoreError(storeCode, `${attempted}: ${reason}`, { cause: error });
}

/**
 * Whether an unhandled rejection is that of lmdb's own batch: when a commit fails, a promise rejects beside those of the writes, and nobody
 * outside of lmdb can reach it. The writes' own promises have told the failure. To be asked by whoever owns the process.
 */
export const isBatchRejection = (reason: unknown): boolean => reason instanceof Error && 'commitError' in reason;

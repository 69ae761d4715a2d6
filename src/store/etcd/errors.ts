import { StoreError, type StoreErrorCode } from '../store.ts';

/** etcd names its errors by text; grpc's code alone does not tell them apart. Source: etcd api/v3rpc/rpctypes/error.go. */
const byText: readonly (readonly [RegExp, StoreErrorCode])[] = [
  [/required revision has been compacted/, 'compacted'],
  [/required revision is a future revision/, 'futureRevision'],
  [/request is too large|larger than max/, 'tooLarge'],
  [/database space exceeded/, 'noSpace'],
  [/requested lease not found/, 'leaseNotFound'],
];
const invalidArgument = 3;

/** grpc's ServiceError -> StoreError (`unavailable`: whether a write happened is unknown); anything else comes back as it is. */
export function fromGrpc(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return error;
  const details = 'details' in error && typeof error.details === 'string' ? error.details : error.message;
  for (const [pattern, code] of byText)
    if (pattern.test(details)) return new StoreError(code, details, { cause: error });
  const code = error.code === invalidArgument ? 'invalid' : 'unavailable';
  return new StoreError(code, code === 'invalid' ? details : `etcd: ${details}`, { cause: error });
}

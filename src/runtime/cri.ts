/**
 * The container runtime interface as the kubelet sees it (decision 12): runtime and image service of CRI v1 in one object. Implemented by
 * `cri-client.ts` (a CRI server on a unix socket: containerd, CRI-O, our own) and `hollow/` (in memory).
 *
 * Invariants: calls that are meant to be repeated treat "already so" as success (stop and remove of what is gone); every call is bounded by
 * its options; a failure is a `CriError`.
 */
import type { ImageService, RuntimeService } from './cri-types.ts';

export interface CriCallOptions {
  readonly signal?: AbortSignal;
  /** The call fails with DEADLINE_EXCEEDED after this many milliseconds; a stream is not bounded by it, only its opening. */
  readonly timeoutMs: number;
}

export type CriRuntime = RuntimeService &
  ImageService & {
    /** Ends connections. Containers go on running. Idempotent. */
    close(): Promise<void>;
  };

/** gRPC status names by number. */
export const criCodes = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
export type CriCode = (typeof criCodes)[number];

/**
 * The runtime said no, or did not answer. `message` is as Go prints a gRPC error (`rpc error: code = NotFound desc = ...`), because it ends
 * up in events and statuses that people compare with upstream's; `detail` is the runtime's own text.
 */
export class CriError extends Error {
  readonly code: CriCode;
  readonly detail: string;
  readonly method: string;
  constructor(method: string, code: CriCode, detail: string, options: { cause?: unknown } = {}) {
    super(
      `rpc error: code = ${goCodeName(code)} desc = ${detail}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'CriError';
    this.method = method;
    this.code = code;
    this.detail = detail;
  }
  /** Trying again later may help without anything else changing. */
  get temporary(): boolean {
    return this.code === 'UNAVAILABLE' || this.code === 'DEADLINE_EXCEEDED' || this.code === 'RESOURCE_EXHAUSTED';
  }
}

export const isCriNotFound = (error: unknown): boolean => error instanceof CriError && error.code === 'NOT_FOUND';

/** `NOT_FOUND` -> `NotFound`; Go spells OK and CANCELLED its own way. */
function goCodeName(code: CriCode): string {
  if (code === 'OK') return 'OK';
  if (code === 'CANCELLED') return 'Canceled';
  return code
    .split('_')
    .map((part) => part[0] + part.slice(1).toLowerCase())
    .join('');
}

/**
 * Expected failures: the world said no. An ApiError carries a real API `Status` (code, reason, message, details) and is part of the contract.
 * Messages are upstream's, because people and tools read them. Source: k8s.io/apimachinery/pkg/api/errors.
 */
import type { Status, StatusCause, StatusDetails } from './types/meta-v1.ts';

export type StatusReason =
  | ''
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Invalid'
  | 'ServerTimeout'
  | 'StorageReadError'
  | 'Timeout'
  | 'TooManyRequests'
  | 'BadRequest'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'InternalError'
  | 'Expired'
  | 'ServiceUnavailable';

/** `deployments.apps`, `pods`: how messages name a resource. */
export interface QualifiedResource {
  readonly group: string;
  readonly resource: string;
}
const qualified = ({ group, resource }: QualifiedResource): string =>
  group === '' ? resource : `${resource}.${group}`;

/** One refused field. `type` is the cause's reason (`FieldValueInvalid` ...), `message` the text after the field path. */
export interface FieldError {
  readonly type:
    | 'FieldValueNotFound'
    | 'FieldValueRequired'
    | 'FieldValueDuplicate'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
    | 'InternalError';
  readonly field: string;
  /** As upstream prints it without the field, e.g. `Invalid value: "x": must be ...`. */
  readonly message: string;
}

export class ApiError extends Error {
  readonly status: Status;
  constructor(status: Omit<Status, 'kind' | 'apiVersion' | 'status'>, options: { cause?: unknown } = {}) {
    super(
      status.message ?? status.reason ?? 'unknown',
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'ApiError';
    this.status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', ...status };
  }
  get code(): number {
    return this.status.code ?? 500;
  }
  get reason(): string {
    return this.status.reason ?? '';
  }

  static fromStatus(status: Status): ApiError {
    return new ApiError(status);
  }
  static notFound(resource: QualifiedResource, name: string): ApiError {
    return new ApiError({
      code: 404,
      reason: 'NotFound',
      message: `${qualified(resource)} "${name}" not found`,
      details: details(resource, name),
    });
  }
  static alreadyExists(resource: QualifiedResource, name: string): ApiError {
    return new ApiError({
      code: 409,
      reason: 'AlreadyExists',
      message: `${qualified(resource)} "${name}" already exists`,
      details: details(resource, name),
    });
  }
  static conflict(resource: QualifiedResource, name: string, why: string): ApiError {
    return new ApiError({
      code: 409,
      reason: 'Conflict',
      message: `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
      details: details(resource, name),
    });
  }
  static forbidden(resource: QualifiedResource, name: string, why: string): ApiError {
    const message =
      resource.resource === ''
        ? `forbidden: ${why}`
        : name === ''
          ? `${qualified(resource)} is forbidden: ${why}`
          : `${qualified(resource)} "${name}" is forbidden: ${why}`;
    return new ApiError({ code: 403, reason: 'Forbidden', message, details: details(resource, name) });
  }
  static unauthorized(message = 'Unauthorized'): ApiError {
    return new ApiError({ code: 401, reason: 'Unauthorized', message });
  }
  static badRequest(message: string, options: { cause?: unknown } = {}): ApiError {
    return new ApiError({ code: 400, reason: 'BadRequest', message }, options);
  }
  /** 422 with one cause per field error; `kind` is the object's kind, not the resource. */
  static invalid(
    kind: { readonly group: string; readonly kind: string },
    name: string,
    errors: readonly FieldError[],
  ): ApiError {
    const causes: StatusCause[] = errors.map(({ type, field, message }) => ({ reason: type, message, field }));
    const lines = [...new Set(errors.map((e) => `${e.field}: ${e.message}`))];
    const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
    const qualifiedKind = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
    return new ApiError({
      code: 422,
      reason: 'Invalid',
      message: `${qualifiedKind} ${JSON.stringify(name)} is invalid${text === undefined ? '' : `: ${text}`}`,
      details: {
        ...(name === '' ? {} : { name }),
        ...(kind.group === '' ? {} : { group: kind.group }),
        ...(kind.kind === '' ? {} : { kind: kind.kind }),
        causes,
      },
    });
  }
  static gone(message: string): ApiError {
    return new ApiError({ code: 410, reason: 'Gone', message });
  }
  static expired(message: string): ApiError {
    return new ApiError({ code: 410, reason: 'Expired', message });
  }
  static tooManyRequests(message: string, retryAfterSeconds: number): ApiError {
    return new ApiError({ code: 429, reason: 'TooManyRequests', message, details: { retryAfterSeconds } });
  }
  static internal(error: unknown): ApiError {
    const message = error instanceof Error ? error.message : String(error);
    return new ApiError(
      {
        code: 500,
        reason: 'InternalError',
        message: `Internal error occurred: ${message}`,
        details: { causes: [{ message }] },
      },
      { cause: error },
    );
  }
  static serviceUnavailable(message: string): ApiError {
    return new ApiError({ code: 503, reason: 'ServiceUnavailable', message });
  }
  static timeout(message: string, retryAfterSeconds: number): ApiError {
    return new ApiError({
      code: 504,
      reason: 'Timeout',
      message: `Timeout: ${message}`,
      details: { retryAfterSeconds },
    });
  }
  static tooLarge(message: string): ApiError {
    return new ApiError({
      code: 413,
      reason: 'RequestEntityTooLarge',
      message: `Request entity is too large: ${message}`,
    });
  }
}

function details({ group, resource }: QualifiedResource, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    ...(resource === '' ? {} : { kind: resource }),
  };
}

export const isApiError = (error: unknown, reason?: StatusReason): error is ApiError =>
  error instanceof ApiError && (reason === undefined || error.reason === reason);
export const isNotFound = (error: unknown): boolean => isApiError(error, 'NotFound');
export const isAlreadyExists = (error: unknown): boolean => isApiError(error, 'AlreadyExists');
export const isConflict = (error: unknown): boolean => isApiError(error, 'Conflict');
/** The watch or continue token is older than what the server remembers: list again. */
export const isExpired = (error: unknown): boolean => isApiError(error, 'Expired') || isApiError(error, 'Gone');

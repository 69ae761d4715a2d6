/** Paths that must stay below where they start. */
import type { ErrorList } from './error-list.ts';

export function validateNoBacksteps(errors: ErrorList, path: string, field: string): void {
  if (path.includes('..') && path.split('/').includes('..')) errors.invalid(field, path, "must not contain '..'");
}

/** Relative, and without `..`. */
export function validateDescendingPath(errors: ErrorList, path: string, field: string): void {
  if (path.startsWith('/')) errors.invalid(field, path, 'must be a relative path');
  validateNoBacksteps(errors, path, field);
}

/** Names that begin with two dots are the kubelet's own. */
export function validateUnreservedPath(errors: ErrorList, path: string, field: string): void {
  validateDescendingPath(errors, path, field);
  if (path.startsWith('..') && !path.startsWith('../')) errors.invalid(field, path, "must not start with '..'");
}

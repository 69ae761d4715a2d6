import { ApiError } from '../../api/errors.ts';

/** The API server refuses to create anything in a namespace that is being deleted; that is no failure of who tried. */
export const isNamespaceEnding = (error: unknown): boolean =>
  error instanceof ApiError &&
  error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true;

/** What the router says of a path or a method that it has no route for. Source: endpoints/handlers (go-restful's service errors). */
import { ApiError } from '../../api/errors.ts';

export const unknownResource = (): ApiError =>
  new ApiError({
    code: 404,
    reason: 'NotFound',
    message: 'the server could not find the requested resource',
    details: {},
  });
export const methodNotAllowed = (): ApiError =>
  new ApiError({
    code: 405,
    reason: 'MethodNotAllowed',
    message: 'the server does not allow this method on the requested resource',
    details: {},
  });

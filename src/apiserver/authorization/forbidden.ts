/** The 403 that a refused request gets, in upstream's words. Source: handlers/responsewriters.Forbidden. */
import { ApiError } from '../../api/errors.ts';
import type { AuthorizationAttributes } from './authorizer.ts';

/** An answer given before any handler saw the request: browsers are told not to guess what it is. Source: responsewriters.RespondWithError. */
export class RefusedRequest extends ApiError {
  constructor({ status }: ApiError) {
    super(status);
  }
}

/** @param reason the authorizers' own; appended when there is one */
export function forbidden(attributes: AuthorizationAttributes, reason = ''): ApiError {
  const text = forbiddenText(attributes);
  return ApiError.forbidden(
    { group: attributes.apiGroup, resource: attributes.resourceRequest ? attributes.resource : '' },
    attributes.resourceRequest ? attributes.name : '',
    reason === '' ? text : `${text}: ${reason}`,
  );
}

function forbiddenText({ user, verb, path, ...about }: AuthorizationAttributes): string {
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  if (!about.resourceRequest) return `${who} path ${JSON.stringify(path)}`;
  const resource = about.subresource === '' ? about.resource : `${about.resource}/${about.subresource}`;
  const where = about.namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(about.namespace)}`;
  return `${who} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(about.apiGroup)} ${where}`;
}

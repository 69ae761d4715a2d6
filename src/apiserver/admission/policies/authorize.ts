/** Expressions ask the server's own authorizer, about the user of the request or about a service account. */
import type { Authorize, AuthorizerValue } from '../../../cel/libraries/authorizer.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import type { AdmissionAttributes } from '../admission.ts';

export function authorizerFor(
  authorizer: Authorizer,
  { user, resource, subresource, namespace, name }: AdmissionAttributes,
  signal: AbortSignal,
): { readonly authorize: Authorize; readonly resource: AuthorizerValue['question'] } {
  const authorize: Authorize = (question) => {
    const { serviceAccount } = question;
    const decision = authorizer.authorize(
      {
        user:
          serviceAccount === undefined
            ? user
            : {
                name: `system:serviceaccount:${serviceAccount.namespace}:${serviceAccount.name}`,
                groups: [
                  'system:serviceaccounts',
                  `system:serviceaccounts:${serviceAccount.namespace}`,
                  'system:authenticated',
                ],
              },
        verb: question.verb,
        namespace: question.namespace ?? '',
        apiGroup: question.group ?? '',
        apiVersion: '*',
        resource: question.resource ?? '',
        subresource: question.subresource ?? '',
        name: question.name ?? '',
        resourceRequest: question.path === undefined,
        path: question.path ?? '',
        ...(question.fieldSelector === undefined ? {} : { fieldSelector: question.fieldSelector }),
      },
      signal,
    );
    if (decision instanceof Promise)
      return { allowed: false, reason: '', error: 'the authorizer does not answer at once, as expressions need it' };
    return { allowed: decision.kind === 'allow', reason: decision.reason };
  };
  return {
    authorize,
    resource: {
      group: resource.group,
      resource: resource.resource,
      ...(subresource === '' ? {} : { subresource }),
      namespace,
      name,
    },
  };
}

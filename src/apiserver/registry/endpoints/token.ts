/** `serviceaccounts/NAME/token`: a TokenRequest is answered with a token. */
import { setIn } from '../../../api/edit.ts';
import type { JsonObject } from '../../../api/json.ts';
import { managerName } from '../../../api/managed-fields/manager-name.ts';
import { formatTime } from '../../../api/time.ts';
import type { TokenRequest } from '../../../api/types/authentication-v1.ts';
import type { TokenIssuer } from '../../authentication/token-issuer.ts';
import { negotiateAccept } from '../../negotiation/negotiation.ts';
import { type AdmissionSubject, admit, validateAdmission } from '../admit.ts';
import { withoutSystemFields } from '../object-meta.ts';
import { parseWriteOptions } from '../options.ts';
import { endpoint, methodNotAllowed } from '../resource-handler.ts';
import type { SubresourceHandler } from '../subresources.ts';
import { missing } from './reviews.ts';

const gvk = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' } as const;

/** An hour unless said otherwise; the caller owns the field either way. */
function withExpiration(object: JsonObject): JsonObject {
  const spec = object.spec as JsonObject | undefined;
  return (spec?.expirationSeconds ?? null) === null ? setIn(object, ['spec', 'expirationSeconds'], 3600) : object;
}

export function tokenHandler(issuer: TokenIssuer | undefined): SubresourceHandler {
  return async ({ context, handler, served, namespace, name }) => {
    if (context.request.method !== 'POST') throw methodNotAllowed();
    if (!issuer) throw missing('serviceaccounts/token', 'a signing key');
    const { registry } = handler;
    const type = registry.schema.byGvk(gvk);
    if (!type) throw new Error('The schema has no TokenRequest');
    const negotiated = negotiateAccept(context.request, endpoint);
    const { fieldValidation, fieldManager, dryRun } = parseWriteOptions(context.query, 'CreateOptions');
    const decoded = withoutSystemFields(await handler.decode(context, gvk, type, fieldValidation));
    let object = registry.fieldManager.update({
      next: withExpiration(registry.kinds.applyDefaults(decoded, gvk)),
      type,
      manager: managerName(fieldManager, context.request.headers['user-agent'] ?? ''),
      subresource: 'token',
      apiVersion: 'authentication.k8s.io/v1',
      now: formatTime(registry.clock.now()),
    });
    const subject: AdmissionSubject = {
      context,
      served,
      operation: 'CREATE',
      subresource: 'token',
      namespace,
      name,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      dryRun,
      kind: gvk,
    };
    object = (await admit(registry.admission, subject, object, undefined)) ?? object;
    await validateAdmission(registry.admission, subject, object, undefined);
    const answer = await issuer.issue(namespace, name, object as unknown as TokenRequest, {
      warn: (message) => {
        context.warnings.push(message);
      },
      signal: context.signal,
    });
    return handler.value(201, context, answer, negotiated);
  };
}

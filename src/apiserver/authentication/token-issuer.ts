/** `POST serviceaccounts/NAME/token`: makes the tokens that `service-account-tokens.ts` accepts. Source: pkg/registry/core/serviceaccount/storage/token.go. */
import { ApiError, type FieldError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import { formatTime } from '../../api/time.ts';
import type { BoundObjectReference, TokenRequest } from '../../api/types/authentication-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import { type ObjectClaim, signToken } from './jwt.ts';
import type { SigningKey } from './token-keys.ts';
import { serviceAccountUser } from './well-known-users.ts';

export interface TokenIssuerOptions {
  readonly issuer: string;
  readonly key: SigningKey;
  /** `--api-audiences`: what a token without audiences is for. */
  readonly audiences: readonly string[];
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly random: Random;
  /** `--service-account-max-token-expiration`, seconds; 0: no limit. */
  readonly maxExpirationSeconds?: number;
  /** `--service-account-extend-token-expiration`, on by default: the token mounted into pods works for a year and is renewed hourly. */
  readonly extendExpiration?: boolean;
}

export interface TokenIssuer {
  /**
   * @param request defaulted (`spec.expirationSeconds`) and structurally valid
   * @param warn adds a Warning header
   * @throws ApiError 404 (account or bound object), 400, 409, 422
   */
  issue(
    namespace: string,
    name: string,
    request: TokenRequest,
    options: { readonly warn: (message: string) => void; readonly signal?: AbortSignal },
  ): Promise<JsonObject>;
}

/** What the ServiceAccount admission plugin asks for: an hour and a few seconds that mark it. */
export const podTokenExpirationSeconds = 3607;
const extendedExpirationSeconds = 365 * 24 * 3600;

export function createTokenIssuer(options: TokenIssuerOptions): TokenIssuer {
  const { issuer, key, audiences, reader, clock, random, maxExpirationSeconds = 0, extendExpiration = true } = options;
  return {
    async issue(namespace, name, request, { warn, signal }) {
      checkUrl(request, namespace, name);
      const account = metadataOf(await existing(reader, 'serviceaccounts', namespace, name, signal));
      const asked = (request.metadata as { readonly uid?: string } | undefined)?.uid ?? '';
      if (asked !== '' && asked !== account.uid)
        throw ApiError.conflict(
          { group: 'authentication.k8s.io', resource: 'TokenRequest' },
          name,
          `the UID in the token request (${asked}) does not match the UID of the service account (${account.uid})`,
        );
      let seconds = request.spec?.expirationSeconds ?? 3600;
      checkExpiration(seconds);
      const reference = request.spec?.boundObjectRef;
      const bound = reference ? await bind(reader, reference, namespace, name, signal) : {};
      if (maxExpirationSeconds > 0 && seconds > maxExpirationSeconds) {
        warn(`requested expiration of ${seconds} seconds shortened to ${maxExpirationSeconds} seconds`);
        seconds = maxExpirationSeconds;
      }
      const named = request.spec?.audiences ?? [];
      const audience = named.length > 0 ? named : audiences;
      const now = Math.floor(clock.now() / 1000);
      const extended =
        extendExpiration &&
        bound.pod !== undefined &&
        seconds === podTokenExpirationSeconds &&
        audience.every((each) => audiences.includes(each));
      const token = signToken(key, {
        aud: audience,
        exp: now + (extended ? extendedExpirationSeconds : seconds),
        iat: now,
        iss: issuer,
        jti: random.uuid(),
        'kubernetes.io': {
          namespace,
          ...(bound.node ? { node: bound.node } : {}),
          ...(bound.pod ? { pod: bound.pod } : {}),
          ...(bound.secret ? { secret: bound.secret } : {}),
          serviceaccount: { name, uid: account.uid },
          ...(extended ? { warnafter: now + seconds } : {}),
        },
        nbf: now,
        sub: serviceAccountUser(namespace, name),
      });
      return {
        kind: 'TokenRequest',
        apiVersion: 'authentication.k8s.io/v1',
        metadata: {
          ...(request.metadata as unknown as JsonObject | undefined),
          name,
          namespace,
          uid: account.uid,
          creationTimestamp: formatTime(now * 1000),
        },
        spec: {
          audiences: audience,
          expirationSeconds: seconds,
          boundObjectRef: (reference as JsonObject | undefined) ?? null,
        },
        status: { token, expirationTimestamp: formatTime((now + seconds) * 1000) },
      };
    },
  };
}

const kind = { group: 'authentication.k8s.io', kind: 'TokenRequest' };
const invalid = (field: string, value: unknown, why: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
});

function checkUrl(request: TokenRequest, namespace: string, name: string): void {
  const own = request.metadata ?? {};
  if (own.name && own.name !== name)
    throw ApiError.invalid(kind, name, [
      invalid('metadata.name', own.name, 'must match the service account name if specified'),
    ]);
  if (own.namespace && own.namespace !== namespace)
    throw ApiError.invalid(kind, name, [
      invalid('metadata.namespace', own.namespace, 'must match the service account namespace if specified'),
    ]);
}

function checkExpiration(seconds: number): void {
  const why =
    seconds < 600
      ? 'may not specify a duration less than 10 minutes'
      : seconds > 2 ** 32
        ? 'may not specify a duration larger than 2^32 seconds'
        : undefined;
  if (why !== undefined) throw ApiError.invalid(kind, '', [invalid('spec.expirationSeconds', seconds, why)]);
}

interface Bound {
  readonly pod?: ObjectClaim;
  readonly secret?: ObjectClaim;
  readonly node?: ObjectClaim;
}

async function bind(
  reader: ObjectReader,
  reference: BoundObjectReference,
  namespace: string,
  account: string,
  signal: AbortSignal | undefined,
): Promise<Bound> {
  const { name = '', uid = '' } = reference;
  const [group, version] = splitApiVersion(reference.apiVersion ?? '');
  const checkUid = (found: string): void => {
    if (uid !== '' && uid !== found)
      throw ApiError.conflict(
        { group, resource: reference.kind ?? '' },
        name,
        `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      );
  };
  switch (group === '' ? reference.kind : undefined) {
    case 'Pod': {
      const pod = await existing(reader, 'pods', namespace, name, signal);
      const spec = pod.spec as JsonObject;
      if (spec.serviceAccountName !== account)
        throw ApiError.badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        );
      const claim = metadataOf(pod);
      checkUid(claim.uid);
      if (typeof spec.nodeName !== 'string' || spec.nodeName === '') return { pod: claim };
      // The node of a pod may be gone already; the token then names it without uid.
      const node = await reader.fresh('', 'nodes', '', spec.nodeName, signal);
      return { pod: claim, node: node === undefined ? { name: spec.nodeName } : metadataOf(node) };
    }
    case 'Secret': {
      const claim = metadataOf(await existing(reader, 'secrets', namespace, name, signal));
      checkUid(claim.uid);
      return { secret: claim };
    }
    case 'Node': {
      const claim = metadataOf(await existing(reader, 'nodes', '', name, signal));
      checkUid(claim.uid);
      return { node: claim };
    }
    default:
      throw ApiError.badRequest(
        `cannot bind token to object of type ${group}/${version}, Kind=${reference.kind ?? ''}`,
      );
  }
}

function splitApiVersion(apiVersion: string): readonly [group: string, version: string] {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

async function existing(
  reader: ObjectReader,
  resource: string,
  namespace: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<JsonObject> {
  const object = await reader.fresh('', resource, namespace, name, signal);
  if (object === undefined) throw ApiError.notFound({ group: '', resource }, name);
  return object;
}

function metadataOf(object: JsonObject): { readonly name: string; readonly uid: string } {
  const { name, uid } = object.metadata as JsonObject;
  return { name: String(name), uid: String(uid) };
}

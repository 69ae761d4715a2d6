/**
 * Objects of one version from another by asking the definition's webhook. What a webhook may change is everything but the identity: of the metadata only labels
 * and annotations count. Source: apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go.
 */
import { ApiError } from '../../api/errors.ts';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { CustomResourceDefinition } from '../../api/types/apiextensions-v1.ts';
import { ErrorList } from '../../api/validation/error-list.ts';
import { validateAnnotations, validateLabels } from '../../api/validation/metadata.ts';
import type { Random } from '../../base/random.ts';
import type { WebhookClient } from '../webhook/client.ts';
import type { KindOptions } from './kind.ts';

/** Upstream asks without a limit of its own; the caller's request has one. */
const timeoutMs = 30_000;
const reviewVersions: ReadonlySet<string> = new Set(['v1', 'v1beta1']);

/** @returns undefined for a definition whose versions differ in name only. */
export function conversionWebhook(
  definition: CustomResourceDefinition,
  client: WebhookClient,
  random: Random,
): KindOptions['webhook'] {
  const { conversion, group, names } = definition.spec;
  if (conversion?.strategy !== 'Webhook') return undefined;
  const config = conversion.webhook?.clientConfig ?? {};
  const caBundle =
    Buffer.from(config.caBundle ?? '', 'base64')
      .toString()
      .trim() === ''
      ? ''
      : config.caBundle!;
  const version = conversion.webhook?.conversionReviewVersions.find((known) => reviewVersions.has(known));

  return async (objects, apiVersion) => {
    const asked = objects.filter((object) => object.apiVersion !== apiVersion);
    if (asked.length === 0) return objects;
    if (version === undefined) throw failure('no supported conversion review versions');
    // All of one list come from the kind; upstream names the first one's.
    const subject = `${String(asked[0]!.apiVersion).replace(/^.*\//, `${group}/`)}, Kind=${names.kind}`;
    const uid = random.uuid();
    const reviewVersion = `apiextensions.k8s.io/${version}`;
    let converted: readonly JsonValue[];
    try {
      const answer = await client.call({
        config: { ...config, caBundle },
        body: {
          kind: 'ConversionReview',
          apiVersion: reviewVersion,
          request: { uid, desiredAPIVersion: apiVersion, objects: asked },
        },
        timeoutMs,
        signal: new AbortController().signal,
      });
      converted = convertedObjects(answer, version, reviewVersion, uid);
    } catch (error) {
      throw failure(
        `conversion webhook for ${subject} failed: ${error instanceof Error ? error.message : error}`,
        error,
      );
    }
    if (converted.length !== asked.length)
      throw failure(`conversion webhook for ${subject} returned ${converted.length} objects, expected ${asked.length}`);
    let at = 0;
    return objects.map((object) => {
      if (object.apiVersion === apiVersion) return object;
      const index = at++;
      try {
        return deepFreeze(restored(object, converted[index]!, apiVersion));
      } catch (error) {
        if (!(error instanceof InvalidAnswer)) throw error;
        throw failure(
          `conversion webhook for ${subject} returned invalid ${error.what} at index ${index}: ${error.message}`,
        );
      }
    });
  };
}

const failure = (message: string, cause?: unknown): ApiError => new ApiError({ code: 500, message }, { cause });

class InvalidAnswer extends Error {
  readonly what: string;
  constructor(message: string, what = 'converted object') {
    super(message);
    this.what = what;
  }
}

/** @throws Error when the webhook says no, or something that is no answer. */
function convertedObjects(
  review: JsonObject,
  version: string,
  reviewVersion: string,
  uid: string,
): readonly JsonValue[] {
  const response = review.response as JsonObject | null | undefined;
  if (version === 'v1') {
    if (review.apiVersion !== reviewVersion || review.kind !== 'ConversionReview')
      throw new Error(
        `expected webhook response of ${reviewVersion}, Kind=ConversionReview, got ${review.apiVersion}, Kind=${review.kind}`,
      );
    if (!response) throw new Error('no response provided');
    if (response.uid !== uid)
      throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
  } else if (!response) throw new Error('no response provided');
  const result = (response.result ?? {}) as { readonly status?: string; readonly message?: string };
  if (result.status !== 'Success')
    throw new Error(result.message || `response.result.status was '${result.status ?? ''}', not 'Success'`);
  return (response.convertedObjects ?? []) as readonly JsonValue[];
}

/** The answer with the metadata it had. @throws InvalidAnswer */
function restored(original: JsonObject, answer: JsonValue, apiVersion: string): JsonObject {
  if (!isObject(answer)) throw new InvalidAnswer('it is no object');
  if (answer.apiVersion !== apiVersion)
    throw new InvalidAnswer(`invalid groupVersion (expected ${apiVersion}, received ${answer.apiVersion ?? ''})`);
  if (answer.kind !== original.kind)
    throw new InvalidAnswer(`invalid kind (expected ${original.kind}, received ${answer.kind ?? ''})`);
  const given = answer.metadata;
  const before = (original.metadata ?? {}) as JsonObject;
  for (const [field, name] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const [had, has] = [before[field] ?? '', (isObject(given) ? given[field] : undefined) ?? ''];
    if (had !== has) throw new InvalidAnswer(`must have the same ${name}: ${had} != ${has}`);
  }
  if (given === undefined) throw new InvalidAnswer('missing metadata in converted object', metadataAnswer);
  if (!isObject(given)) throw new InvalidAnswer('invalid metadata in converted object', metadataAnswer);
  const metadata: Record<string, JsonValue | undefined> = { ...before };
  for (const field of ['labels', 'annotations'] as const) {
    const value = given[field];
    if (value === undefined || value === null) delete metadata[field];
    else metadata[field] = checkedMap(value, field);
  }
  return { ...answer, metadata: metadata as JsonObject };
}

const metadataAnswer = 'metadata in object';

/** @throws InvalidAnswer */
function checkedMap(value: JsonValue, field: 'labels' | 'annotations'): JsonObject {
  if (!isObject(value)) throw new InvalidAnswer(`invalid metadata.${field} in converted object`, metadataAnswer);
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string')
      throw new InvalidAnswer(`metadata.${field}[${key}] must be a string in converted object`, metadataAnswer);
  const list = new ErrorList();
  const check = field === 'labels' ? validateLabels : validateAnnotations;
  check(list, value as Readonly<Record<string, string>>, `metadata.${field}`);
  const [first, ...more] = list.errors.map(({ field: at, message }) => `${at}: ${message}`);
  if (first !== undefined)
    throw new InvalidAnswer(more.length === 0 ? first : `[${[first, ...more].join(', ')}]`, metadataAnswer);
  return value;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

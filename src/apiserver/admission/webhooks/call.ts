/** One question to one webhook, with what goes wrong on the way kept apart from its no. */
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Random } from '../../../base/random.ts';
import type { WebhookClient } from '../../webhook/client.ts';
import type { AdmissionAttributes } from '../admission.ts';
import type { Invocation } from './match.ts';
import type { WebhookMetrics } from './metrics.ts';
import {
  type AdmissionAnswer,
  admissionRequest,
  admissionReview,
  denial,
  readReview,
  reviewVersion,
} from './review.ts';

/** The webhook could not be asked: its failure policy decides. */
export class CallingError extends Error {
  /** For metrics. */
  readonly code: number;
  constructor(webhook: string, why: string, code: number, cause?: unknown) {
    super(`failed calling webhook ${JSON.stringify(webhook)}: ${why}`, { cause });
    this.code = code;
  }
}

export interface Caller {
  readonly webhooks: WebhookClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: WebhookMetrics;
}

/**
 * @param object in the version of the invocation
 * @throws CallingError; ApiError when the webhook says no, or must not be asked
 */
export async function askWebhook(
  caller: Caller,
  invocation: Invocation,
  attributes: AdmissionAttributes,
  object: JsonObject | undefined,
  oldObject: JsonObject | undefined,
  mutating: boolean,
  signal: AbortSignal,
): Promise<AdmissionAnswer> {
  const { webhook } = invocation.hook;
  if (attributes.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun')
    throw ApiError.badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
  const version = reviewVersion(invocation);
  if (version === undefined)
    throw new CallingError(
      webhook.name,
      'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
      400,
    );
  const uid = caller.random.uuid();
  const request = admissionRequest(uid, attributes, invocation);
  const options = attributes.operation === 'CONNECT' ? null : attributes.options;
  let review: JsonObject;
  try {
    review = await caller.webhooks.call({
      config: webhook.clientConfig,
      body: admissionReview(version, request, object, oldObject, options),
      timeoutMs: (webhook.timeoutSeconds ?? 10) * 1000,
      signal,
    });
  } catch (error) {
    throw new CallingError(
      webhook.name,
      `failed to call webhook: ${(error as Error).message}`,
      error instanceof ApiError ? error.code : 503,
      error,
    );
  }
  let answer: AdmissionAnswer;
  try {
    answer = readReview(review, version, uid, mutating);
  } catch (error) {
    throw new CallingError(webhook.name, `received invalid webhook response: ${(error as Error).message}`, 503, error);
  }
  for (const [key, value] of Object.entries(answer.auditAnnotations))
    attributes.annotate(`${webhook.name}/${key}`, value);
  for (const warning of answer.warnings) attributes.warn(warning);
  if (!answer.allowed) throw new Denied(denial(webhook.name, answer.status));
  return answer;
}

/** A webhook's no, as it goes to the caller. */
export class Denied extends Error {
  readonly error: ApiError;
  constructor(error: ApiError) {
    super(error.message);
    this.error = error;
  }
}

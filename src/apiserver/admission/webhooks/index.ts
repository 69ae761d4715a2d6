/**
 * MutatingAdmissionWebhook and ValidatingAdmissionWebhook. Mutating webhooks are asked one after the other, each with what the one before it made; validating ones
 * all at once. Source: apiserver/pkg/admission/plugin/webhook/{mutating,validating}.
 */

import { decodeBody, parseJson } from '../../../api/codec/index.ts';
import { sameJson } from '../../../api/edit.ts';
import { ApiError } from '../../../api/errors.ts';
import { deepFreeze } from '../../../api/freeze.ts';
import type { JsonObject } from '../../../api/json.ts';
import { applyJsonPatch, type JsonPatchOperation } from '../../../api/patch/json-patch.ts';
import type { GroupVersionKind } from '../../../api/schema/model.ts';
import type { MutatingWebhook } from '../../../api/types/admissionregistration-v1.ts';
import type { Logger } from '../../../base/log.ts';
import type { MetricsRegistry } from '../../../base/metrics.ts';
import type { ObjectReader } from '../../registry/object-reader.ts';
import type { Registry } from '../../registry/registry.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { askWebhook, type Caller, CallingError, Denied } from './call.ts';
import { configuredHooks, type Hook } from './hooks.ts';
import { type Equivalent, type Invocation, isExempt, type Matching, matchHook } from './match.ts';
import type { CompileMatchConditions } from './match-conditions.ts';
import { createWebhookMetrics, type WebhookOutcome } from './metrics.ts';
import { type AdmissionAnswer, admissionRequest } from './review.ts';

export interface WebhookAdmissionOptions {
  readonly reader: ObjectReader;
  /** Read when the first request comes: admission is itself a part of the registry. */
  readonly registry: () => Pick<Registry, 'table' | 'kinds' | 'schema' | 'webhooks' | 'clock' | 'random'>;
  readonly metrics: MetricsRegistry;
  readonly log: Logger;
  readonly compileMatchConditions?: CompileMatchConditions | undefined;
}

export const mutatingName = 'MutatingAdmissionWebhook';
export const validatingName = 'ValidatingAdmissionWebhook';

/** @returns the mutating and the validating plugin */
export function createWebhookAdmission(
  options: WebhookAdmissionOptions,
): readonly [mutating: AdmissionPlugin, validating: AdmissionPlugin] {
  const { reader, registry: registryOf, log, compileMatchConditions } = options;
  const metrics = createWebhookMetrics(options.metrics);
  const mutatingHooks = configuredHooks(reader, 'mutatingwebhookconfigurations', compileMatchConditions);
  const validatingHooks = configuredHooks(reader, 'validatingwebhookconfigurations', compileMatchConditions);
  const matching: Matching = {
    reader,
    equivalents: (resource, subresource) => equivalentsOf(registryOf().table, resource, subresource),
  };
  const callerOf = (): Caller => {
    const { webhooks, clock, random } = registryOf();
    return { webhooks, clock, random, metrics };
  };
  const converted = (
    object: JsonObject | undefined,
    to: GroupVersionKind,
  ): JsonObject | undefined | Promise<JsonObject> => {
    if (object === undefined) return undefined;
    const from = gvkOf(object);
    if (from.group === to.group && from.version === to.version && from.kind === to.kind) return object;
    return registryOf().kinds.convert(object, from, to);
  };

  /** The hooks to ask, in order. @throws ApiError */
  const invoked = async (
    hook: Hook,
    attributes: AdmissionAttributes,
    signal: AbortSignal,
  ): Promise<Invocation | undefined> => {
    const invocation = matchHook(hook, attributes, matching);
    if (!invocation || !hook.conditions) return invocation;
    const result = await hook.conditions.match({
      object: (await converted(attributes.object, invocation.kind)) ?? null,
      oldObject: (await converted(attributes.oldObject, invocation.kind)) ?? null,
      request: admissionRequest('', attributes, invocation),
      attributes,
      signal,
    });
    if (result.kind === 'matches') return invocation;
    if (result.kind === 'excluded') return undefined;
    throw ApiError.forbidden(attributes.resource, attributes.name, result.message);
  };

  const ask = async (
    invocation: Invocation,
    attributes: AdmissionAttributes,
    type: WebhookOutcome['type'],
    signal: AbortSignal,
  ): Promise<AdmissionAnswer> => {
    const caller = callerOf();
    const started = caller.clock.monotonic();
    const { name, failurePolicy } = invocation.hook.webhook;
    const observe = (rejected: boolean, code: number, errorType?: WebhookOutcome['errorType']): void =>
      metrics.observe({
        name,
        type,
        operation: attributes.operation,
        durationMs: caller.clock.monotonic() - started,
        rejected,
        code,
        ...(rejected && errorType ? { errorType } : {}),
      });
    try {
      const answer = await askWebhook(
        caller,
        invocation,
        attributes,
        await converted(attributes.object, invocation.kind),
        await converted(attributes.oldObject, invocation.kind),
        type === 'admit',
        signal,
      );
      observe(false, 200);
      return answer;
    } catch (error) {
      if (error instanceof CallingError) observe(failurePolicy !== 'Ignore', error.code, 'calling_webhook_error');
      else if (error instanceof Denied) observe(true, error.error.code, 'no_error');
      else observe(true, 0, 'apiserver_internal_error');
      throw error;
    }
  };

  /** What a failed call means: nothing where the policy is Ignore. @throws ApiError */
  const settle = (error: unknown, { hook }: Invocation, type: WebhookOutcome['type'], signal: AbortSignal): void => {
    if (error instanceof Denied) throw error.error;
    if (!(error instanceof CallingError)) throw error;
    const { name, failurePolicy } = hook.webhook;
    if (failurePolicy !== 'Ignore') throw ApiError.internal(error);
    log.warn('Failed calling webhook, failing open', { webhook: name, error });
    metrics.failedOpen(name, type);
    if (signal.aborted) throw ApiError.timeout('request did not complete within requested timeout', 0);
  };

  const mutate = async (
    hooks: readonly Hook[],
    attributes: AdmissionAttributes,
    signal: AbortSignal,
  ): Promise<JsonObject | undefined> => {
    const state = stateOf(attributes);
    const { reinvocation } = attributes;
    const round = reinvocation.isReinvoke ? 1 : 0;
    if (reinvocation.isReinvoke && !sameJson(state.lastOutput, attributes.object)) state.requireAll();
    let current = attributes;
    for (let i = 0; i < hooks.length; i++) {
      const hook = hooks[i]!;
      const invocation = await invoked(hook, current, signal);
      if (!invocation) continue;
      // A webhook is not asked for the first time in the second round.
      if (reinvocation.isReinvoke && !state.again.has(hook.uid)) continue;
      const { webhook, configuration } = hook;
      let changed = false;
      let failure: unknown;
      try {
        const answer = await ask(invocation, current, 'admit', signal);
        const patched = await patchedObject(answer, invocation, current.object, registryOf(), converted);
        if (patched) {
          const { object, operations } = patched;
          changed = !sameJson(current.object, object);
          const patch = { configuration, webhook: webhook.name, patch: operations, patchType: 'JSONPatch' };
          attributes.annotate(`patch.webhook.admission.k8s.io/round_${round}_index_${i}`, JSON.stringify(patch));
          if (changed) current = { ...current, object };
        }
      } catch (error) {
        failure = error;
      }
      attributes.annotate(
        `mutation.webhook.admission.k8s.io/round_${round}_index_${i}`,
        JSON.stringify({ configuration, webhook: webhook.name, mutated: changed }),
      );
      if (changed) {
        state.requireAll();
        reinvocation.request();
      }
      if ((webhook as MutatingWebhook).reinvocationPolicy === 'IfNeeded') state.asked.add(hook.uid);
      if (failure === undefined) continue;
      settle(failure, invocation, 'admit', signal);
      attributes.annotate(`failed-open.mutation.webhook.admission.k8s.io/round_${round}_index_${i}`, webhook.name);
    }
    state.lastOutput = current.object;
    return current.object;
  };

  const validate = async (
    hooks: readonly Hook[],
    attributes: AdmissionAttributes,
    signal: AbortSignal,
  ): Promise<void> => {
    const invocations: Invocation[] = [];
    for (const hook of hooks) {
      const invocation = await invoked(hook, attributes, signal);
      if (invocation) invocations.push(invocation);
    }
    if (invocations.length === 0) return;
    if (signal.aborted) throw ApiError.timeout('request did not complete within requested timeout', 0);
    const refusals: unknown[] = [];
    await Promise.all(
      invocations.map(async (invocation, i) => {
        try {
          await ask(invocation, attributes, 'validating', signal);
        } catch (error) {
          try {
            settle(error, invocation, 'validating', signal);
            const { name } = invocation.hook.webhook;
            attributes.annotate(`failed-open.validating.webhook.admission.k8s.io/round_0_index_${i}`, name);
          } catch (refusal) {
            refusals.push(refusal);
          }
        }
      }),
    );
    // The first that said no is the one the caller hears.
    if (refusals.length > 0) throw refusals[0];
  };

  return [
    {
      name: mutatingName,
      handles: () => true,
      admit(attributes, signal) {
        const hooks = mutatingHooks();
        return hooks.length === 0 || isExempt(attributes) ? attributes.object : mutate(hooks, attributes, signal);
      },
    },
    {
      name: validatingName,
      handles: () => true,
      validate(attributes, signal) {
        const hooks = validatingHooks();
        return hooks.length === 0 || isExempt(attributes) ? undefined : validate(hooks, attributes, signal);
      },
    },
  ];
}

/** What the mutating plugin remembers between the two rounds of a request. */
class ReinvocationState {
  lastOutput: JsonObject | undefined;
  /** Asked, and willing to be asked again. */
  readonly asked = new Set<string>();
  /** To be asked again, because something has changed the object since. */
  readonly again = new Set<string>();
  requireAll(): void {
    for (const uid of this.asked) this.again.add(uid);
    this.asked.clear();
  }
}

function stateOf({ reinvocation }: AdmissionAttributes): ReinvocationState {
  let state = reinvocation.state.get(mutatingName) as ReinvocationState | undefined;
  if (!state) reinvocation.state.set(mutatingName, (state = new ReinvocationState()));
  return state;
}

function gvkOf({ apiVersion, kind }: JsonObject): GroupVersionKind {
  const text = String(apiVersion ?? '');
  const slash = text.indexOf('/');
  return { group: slash < 0 ? '' : text.slice(0, slash), version: text.slice(slash + 1), kind: String(kind ?? '') };
}

/** The other served versions of the stored resource behind it. */
export function equivalentsOf(
  table: Registry['table'],
  { group, version, resource }: AdmissionAttributes['resource'],
  subresource: string,
): readonly Equivalent[] {
  const own = table.find(group, version, resource);
  if (!own?.stored) return [];
  return table.served
    .filter((other) => other.stored === own.stored && other !== own)
    .filter((other) => subresource === '' || Object.hasOwn(other.schema.subresources, subresource))
    .map(({ schema, gvk }) => {
      const part = subresource === '' ? undefined : schema.subresources[subresource];
      return {
        resource: { group: schema.group, version: schema.version, resource: schema.resource },
        kind: part ? { group: part.group, version: part.version, kind: part.kind } : gvk,
      };
    });
}

/** The object after a webhook's patch, in the version of the request; undefined when there is no patch. @throws CallingError, ApiError 500 */
async function patchedObject(
  answer: AdmissionAnswer,
  { hook, kind }: Invocation,
  object: JsonObject | undefined,
  { schema, kinds }: Pick<Registry, 'schema' | 'kinds'>,
  converted: (object: JsonObject | undefined, to: GroupVersionKind) => JsonObject | undefined | Promise<JsonObject>,
): Promise<{ readonly object: JsonObject; readonly operations: readonly JsonPatchOperation[] } | undefined> {
  const { name } = hook.webhook;
  if (answer.patch === '') return undefined;
  let operations: readonly JsonPatchOperation[];
  try {
    const { value } = parseJson(Buffer.from(answer.patch, 'base64').toString());
    if (!Array.isArray(value)) throw new Error('json: cannot unmarshal a value that is no array into jsonpatch.Patch');
    operations = value as unknown as readonly JsonPatchOperation[];
  } catch (error) {
    throw new CallingError(
      name,
      `received undecodable patch in webhook response: ${(error as Error).message}`,
      503,
      error,
    );
  }
  if (operations.length === 0) return undefined;
  if (object === undefined)
    throw ApiError.internal(
      new Error(
        `admission webhook ${JSON.stringify(name)} attempted to modify the object, which is not supported for this operation`,
      ),
    );
  if (answer.patchType !== 'JSONPatch')
    throw new CallingError(name, `unsupported patch type ${JSON.stringify(answer.patchType)}`, 400);
  try {
    const patched = applyJsonPatch((await converted(object, kind))!, operations);
    const type = schema.byGvk(kind);
    let next = patched as JsonObject;
    if (type) {
      const decoded = decodeBody(
        { value: patched },
        { schema, expected: kind, type, fieldValidation: 'Ignore', mediaType: 'application/json' },
      );
      next = (decoded instanceof Promise ? await decoded : decoded).object;
    }
    next = deepFreeze(kinds.applyDefaults(next, kind));
    return { object: (await converted(next, gvkOf(object)))!, operations };
  } catch (error) {
    throw ApiError.internal(error);
  }
}

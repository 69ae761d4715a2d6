/** Runs the admission chain: all mutating plugins in order, later all validating ones. Synchronous plugins cost no wait. */
import type { JsonObject } from '../../api/json.ts';
import type { AdmissionAttributes, AdmissionOperation, Reinvocation } from '../admission/admission.ts';
import type { AdmissionChain } from '../admission/meter.ts';
import type { RequestContext } from './context.ts';
import type { ServedResource } from './resources.ts';
import type { SubresourceRequest } from './subresources.ts';

export interface AdmissionSubject {
  readonly context: RequestContext;
  readonly served: ServedResource;
  readonly operation: AdmissionOperation;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly options: JsonObject;
  readonly dryRun: boolean;
  /** The kind of the body when it is not the resource's own (scale, binding, eviction). */
  readonly kind?: { readonly group: string; readonly version: string; readonly kind: string };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function attributesOf(
  subject: AdmissionSubject,
  object: JsonObject | undefined,
  oldObject: JsonObject | undefined,
  reinvocation: Reinvocation = onceOnly,
): AdmissionAttributes {
  const { context, served } = subject;
  const { group, version, resource } = served.schema;
  const attributes: Mutable<AdmissionAttributes> = {
    operation: subject.operation,
    kind: subject.kind ?? served.gvk,
    resource: { group, version, resource },
    subresource: subject.subresource,
    namespace: subject.namespace,
    name: subject.name,
    options: subject.options,
    dryRun: subject.dryRun,
    user: context.user,
    warn: (message) => {
      context.warnings.push(message);
    },
    annotate: (key, value) => {
      context.auditAnnotations ??= new Map();
      // The first value counts, as upstream keeps it.
      if (!context.auditAnnotations.has(key)) context.auditAnnotations.set(key, value);
    },
    reinvocation,
  };
  if (object !== undefined) attributes.object = object;
  if (oldObject !== undefined) attributes.oldObject = oldObject;
  return attributes;
}

/** Validation has no second time. */
const onceOnly: Reinvocation = Object.freeze({ isReinvoke: false, request: () => undefined, state: new Map() });

class Rounds implements Reinvocation {
  isReinvoke = false;
  wanted = false;
  readonly state = new Map<string, object>();
  request(): void {
    this.wanted = true;
  }
}

/** @returns the object after all mutating plugins; they run twice when one of them asks for it. */
export async function admit(
  plugins: AdmissionChain,
  subject: AdmissionSubject,
  object: JsonObject | undefined,
  oldObject: JsonObject | undefined,
): Promise<JsonObject | undefined> {
  const rounds = new Rounds();
  const once = await admitOnce(plugins, subject, object, oldObject, rounds);
  if (!rounds.wanted) return once;
  rounds.isReinvoke = true;
  return admitOnce(plugins, subject, once, oldObject, rounds);
}

async function admitOnce(
  plugins: AdmissionChain,
  subject: AdmissionSubject,
  object: JsonObject | undefined,
  oldObject: JsonObject | undefined,
  reinvocation: Reinvocation,
): Promise<JsonObject | undefined> {
  let current = object;
  // Made again only when a plugin has changed the object.
  let attributes: AdmissionAttributes | undefined;
  const run = plugins.meter?.start('admit', subject.operation);
  let i = 0;
  try {
    for (; i < plugins.length; i++) {
      const plugin = plugins[i]!;
      if (!plugin.admit || !plugin.handles(subject.operation)) continue;
      attributes ??= attributesOf(subject, current, oldObject, reinvocation);
      const result = plugin.admit(attributes, subject.context.signal);
      let next: JsonObject | undefined;
      if (result instanceof Promise) {
        run?.waits();
        next = (await result) ?? current;
        run?.waited(i);
      } else {
        next = result ?? current;
        run?.ran(i);
      }
      if (next === current) continue;
      current = next;
      attributes = undefined;
    }
  } catch (error) {
    run?.refused(i);
    throw error;
  }
  run?.end();
  return current;
}

export async function validateAdmission(
  plugins: AdmissionChain,
  subject: AdmissionSubject,
  object: JsonObject | undefined,
  oldObject: JsonObject | undefined,
): Promise<void> {
  let attributes: AdmissionAttributes | undefined;
  const run = plugins.meter?.start('validate', subject.operation);
  let i = 0;
  try {
    for (; i < plugins.length; i++) {
      const plugin = plugins[i]!;
      if (!plugin.validate || !plugin.handles(subject.operation)) continue;
      attributes ??= attributesOf(subject, object, oldObject);
      const result = plugin.validate(attributes, subject.context.signal);
      if (result instanceof Promise) {
        run?.waits();
        await result;
        run?.waited(i);
      } else run?.ran(i);
    }
  } catch (error) {
    run?.refused(i);
    throw error;
  }
  run?.end();
}

/** Whether the caller may connect: both phases over the options of the connection, an object of the subresource's kind. @throws ApiError */
export async function admitConnection(
  plugins: AdmissionChain,
  {
    context,
    served,
    subresource,
    namespace,
    name,
  }: Pick<SubresourceRequest, 'context' | 'served' | 'subresource' | 'namespace' | 'name'>,
  fields: JsonObject,
): Promise<void> {
  const { group, version, kind } = served.schema.subresources[subresource]!;
  const subject: AdmissionSubject = {
    context,
    served,
    operation: 'CONNECT',
    subresource,
    namespace,
    name,
    options: {},
    dryRun: false,
    kind: { group, version, kind },
  };
  const options = { kind, apiVersion: group === '' ? version : `${group}/${version}`, ...fields };
  const admitted = await admit(plugins, subject, options, undefined);
  await validateAdmission(plugins, subject, admitted, undefined);
}

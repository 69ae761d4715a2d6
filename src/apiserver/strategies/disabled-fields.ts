/**
 * Fields of features that v1.36 leaves off: a write drops them, unless the object has them already. A field path names structs, lists (`[]`) and maps (`{}`) on the way.
 * Source: pkg/features (default false), the dropDisabledFields functions of the kinds.
 */
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { Strategy } from './strategy.ts';

/** A field, and whether its elements or its members are meant. */
interface Step {
  readonly name: string;
  readonly of: 'itself' | 'elements' | 'members';
}

interface Disabled {
  readonly path: readonly Step[];
  /** The struct around it goes too when nothing else is in it. */
  readonly takesEmptyParent?: boolean;
}

const one = (path: string, takesEmptyParent = false): Disabled => ({ path: stepsOf(path), takesEmptyParent });

function stepsOf(path: string): readonly Step[] {
  return path.split('.').map((step) => {
    if (step.endsWith('[]')) return { name: step.slice(0, -2), of: 'elements' };
    return step.endsWith('{}') ? { name: step.slice(0, -2), of: 'members' } : { name: step, of: 'itself' };
  });
}

/** Of a pod template's spec. */
const ofPods: readonly Disabled[] = [
  one('schedulingGroup'),
  one('volumes[].projected.sources[].clusterTrustBundle'),
  one('volumes[].projected.sources[].podCertificate'),
  one('containers[].lifecycle.stopSignal', true),
  one('initContainers[].lifecycle.stopSignal', true),
  one('ephemeralContainers[].lifecycle.stopSignal', true),
];
const inSpec = (prefix: string): readonly Disabled[] =>
  ofPods.map((disabled) => ({ ...disabled, path: [...stepsOf(prefix), ...disabled.path] }));

const disabled: Readonly<Record<string, readonly Disabled[]>> = {
  '/pods': [...inSpec('spec'), one('status.nodeAllocatableResourceClaimStatuses')],
  '/podtemplates': inSpec('template.spec'),
  '/replicationcontrollers': inSpec('spec.template.spec'),
  'apps/deployments': inSpec('spec.template.spec'),
  'apps/replicasets': inSpec('spec.template.spec'),
  'apps/daemonsets': inSpec('spec.template.spec'),
  'apps/statefulsets': [...inSpec('spec.template.spec'), one('spec.updateStrategy.rollingUpdate.maxUnavailable')],
  'batch/jobs': inSpec('spec.template.spec'),
  'batch/cronjobs': inSpec('spec.jobTemplate.spec.template.spec'),
  '/nodes': [one('spec.configSource'), one('status.config')],
  'discovery.k8s.io/endpointslices': [one('endpoints[].deprecatedTopology')],
  'coordination.k8s.io/leases': [one('spec.strategy'), one('spec.preferredHolder')],
  'resource.k8s.io/resourceslices': [
    ...['bools', 'ints', 'strings', 'versions'].map((kind) => one(`spec.devices[].attributes{}.${kind}`)),
    one('spec.devices[].nodeAllocatableResourceMappings'),
  ],
  'storage.k8s.io/csidrivers': [one('spec.preventPodSchedulingIfMissing')],
};

/** @returns undefined for kinds without such fields. */
export function disabledFieldsStrategy(id: string): Strategy | undefined {
  const fields = disabled[id];
  if (fields === undefined) return undefined;
  const without = (object: JsonObject, previous: JsonObject | undefined): JsonObject => {
    let out = object;
    for (const field of fields) {
      if (!has(object, field.path, 0)) continue;
      if (previous !== undefined && has(previous, field.path, 0)) continue;
      out = dropped(out, field, 0) as JsonObject;
    }
    return out;
  };
  return {
    prepareForCreate: (object) => without(object, undefined),
    prepareForUpdate: (next, previous) => without(next, previous),
    ...(fields.some(({ path }) => path[0]?.name === 'status')
      ? { subresources: { status: { prepareForUpdate: (next, previous) => without(next, previous) } } }
      : {}),
  };
}

function has(value: JsonValue | undefined, path: readonly Step[], at: number): boolean {
  if (value === undefined || value === null) return false;
  if (at === path.length) return true;
  const { name, of } = path[at]!;
  const child = (value as JsonObject)[name];
  if (of === 'itself' || child === undefined || child === null) return has(child, path, at + 1);
  if (of === 'members') return Object.values(child).some((item) => has(item, path, at + 1));
  const list = child as readonly JsonValue[];
  for (let i = 0; i < list.length; i++) if (has(list[i], path, at + 1)) return true;
  return false;
}

function dropped(value: JsonValue, field: Disabled, at: number): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  const { path } = field;
  const { name, of } = path[at]!;
  const object = value as JsonObject;
  const child = object[name];
  if (child === undefined || child === null) return value;
  let next: JsonValue | undefined;
  if (at === path.length - 1) next = undefined;
  else if (of === 'elements')
    next = Object.freeze((child as readonly JsonValue[]).map((item) => dropped(item, field, at + 1)));
  else if (of === 'members')
    next = Object.freeze(
      Object.fromEntries(
        Object.entries(child as JsonObject).map(([key, item]) => [key, dropped(item ?? null, field, at + 1)]),
      ),
    );
  else {
    next = dropped(child, field, at + 1);
    const emptied = at === path.length - 2 && next !== child && Object.keys(next as JsonObject).length === 0;
    if (field.takesEmptyParent && emptied) next = undefined;
  }
  const { [name]: _old, ...rest } = object;
  if (next === undefined) return Object.freeze(rest);
  return Object.freeze({ ...object, [name]: next });
}

/**
 * Pods keep to the Pod Security Standard their namespace's labels name; templates of workloads that will not are warned of and noted in the audit
 * log. Source: k8s.io/pod-security-admission/admission.
 */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import {
  compareLevels,
  detailsText,
  isFree,
  type LevelVersion,
  levelText,
  type Policy,
  policyOf,
  reasonsText,
  violations,
} from '../../api/pod-security/policy.ts';
import type { CronJob } from '../../api/types/batch-v1.ts';
import type { Container, Namespace, Pod, PodTemplateSpec } from '../../api/types/core-v1.ts';
import type { ObjectMeta } from '../../api/types/meta-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { refusal } from './attributes.ts';

/** Where the pod template of a workload stands. */
type TemplateOf = (object: JsonObject) => PodTemplateSpec | undefined;
const inSpec: TemplateOf = (object) =>
  (object as { readonly spec?: { readonly template?: unknown } }).spec?.template as PodTemplateSpec | undefined;
const workloads: ReadonlyMap<string, TemplateOf> = new Map<string, TemplateOf>([
  ['/replicationcontrollers', inSpec],
  ['/podtemplates', (object) => object.template as PodTemplateSpec | undefined],
  ['apps/replicasets', inSpec],
  ['apps/deployments', inSpec],
  ['apps/statefulsets', inSpec],
  ['apps/daemonsets', inSpec],
  ['batch/jobs', inSpec],
  ['batch/cronjobs', (object) => (object as unknown as CronJob).spec?.jobTemplate?.spec?.template],
]);

/** These show or end a pod, or are written by its node; `ephemeralcontainers` and `resize` are looked at. */
const ignoredSubresources: ReadonlySet<string> = new Set([
  'exec',
  'attach',
  'binding',
  'eviction',
  'log',
  'portforward',
  'proxy',
  'status',
]);

/** How many pods of a namespace are looked at, and how long, when it turns stricter. */
const podsMax = 3_000;
const checkMs = 1_000;

export function createPodSecurity(reader: ObjectReader, clock: Clock): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    validate(attributes, signal) {
      const { group, resource } = attributes.resource;
      const { object, subresource, namespace } = attributes;
      if (!object) return undefined;
      if (group === '' && resource === 'namespaces')
        return subresource === '' ? checkNamespace(attributes, object) : undefined;
      const isPod = group === '' && resource === 'pods';
      const templateOf = isPod ? undefined : workloads.get(`${group}/${resource}`);
      if (isPod ? ignoredSubresources.has(subresource) : !templateOf || subresource !== '') return undefined;
      const check = (found: JsonObject): void => {
        const { policy } = policyOf((found as unknown as Namespace).metadata.labels);
        if (templateOf) checkTemplate(attributes, policy, templateOf(object));
        else checkPod(attributes, policy, object as unknown as Pod);
      };
      const cached = reader.get('', 'namespaces', '', namespace);
      if (cached) return check(cached);
      return reader.fresh('', 'namespaces', '', namespace, signal).then((fresh) => {
        if (!fresh) throw ApiError.internal(new Error(`failed to lookup namespace ${JSON.stringify(namespace)}`));
        check(fresh);
      });
    },
  };

  function checkNamespace(attributes: AdmissionAttributes, object: JsonObject): Promise<void> | undefined {
    const namespace = object as unknown as Namespace;
    const next = policyOf(namespace.metadata.labels);
    const invalid = (): ApiError =>
      ApiError.invalid({ group: '', kind: 'Namespace' }, namespace.metadata.name ?? '', next.errors);
    if (attributes.operation === 'CREATE') {
      if (next.errors.length > 0) throw invalid();
      return undefined;
    }
    const old = policyOf((attributes.oldObject as unknown as Namespace | undefined)?.metadata.labels);
    // What was wrong before may stay wrong: other labels must remain changeable.
    if (next.errors.length > 0 && !sameErrors(next.errors, old.errors)) throw invalid();
    const [now, before] = [next.policy.enforce, old.policy.enforce];
    if (now.level === 'privileged') return undefined;
    if (now.minor === before.minor && compareLevels(now.level, before.level) <= 0) return undefined;
    return warnOfPods(attributes, namespace.metadata.name ?? '', now);
  }

  /** Each way of falling short once, with a pod that does. */
  async function warnOfPods(attributes: AdmissionAttributes, namespace: string, level: LevelVersion): Promise<void> {
    const pods = oneOfEachControllerFirst(reader.list('', 'pods', namespace) as unknown as readonly Pod[]);
    const found = new Map<string, { name: string; count: number }>();
    const start = clock.monotonic();
    let checked = 0;
    for (const { metadata, spec } of pods.slice(0, podsMax)) {
      checked++;
      if (!spec) continue;
      const reason = reasonsText(violations(level, spec, metadata));
      if (reason !== '') {
        const name = metadata.name ?? '';
        const seen = found.get(reason);
        if (!seen) found.set(reason, { name, count: 1 });
        else {
          seen.count++;
          if (name < seen.name) seen.name = name;
        }
      }
      if (checked % 200 === 0) await clock.yield();
      if (clock.monotonic() - start >= checkMs) break;
    }
    if (checked < pods.length)
      attributes.warn(
        `new PodSecurity enforce level only checked against the first ${checked} of ${pods.length} existing pods`,
      );
    if (found.size === 0) return;
    attributes.warn(
      `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(levelText(level))}`,
    );
    const lines = [...found].map(([reason, { name, count }]) => `${name}${others(count)}: ${reason}`);
    for (const line of lines.sort()) attributes.warn(line);
  }
}

const others = (count: number): string =>
  count === 1 ? '' : count === 2 ? ' (and 1 other pod)' : ` (and ${count - 1} other pods)`;

function sameErrors(a: readonly { message: string; field: string }[], b: typeof a): boolean {
  return (
    a.length === b.length && a.every(({ field, message }, i) => b[i]!.field === field && b[i]!.message === message)
  );
}

function oneOfEachControllerFirst(pods: readonly Pod[]): readonly Pod[] {
  const first: Pod[] = [];
  const further: Pod[] = [];
  const seen = new Set<string>();
  for (const pod of pods) {
    const uid = pod.metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid;
    if (uid !== undefined && seen.has(uid)) further.push(pod);
    else first.push(pod);
    if (uid !== undefined) seen.add(uid);
  }
  return [...first, ...further];
}

function checkPod(attributes: AdmissionAttributes, policy: Policy, pod: Pod): void {
  if (isFree(policy)) return;
  const { spec, metadata } = pod;
  if (!spec) return;
  if (attributes.operation === 'UPDATE' && !isSignificant(pod, attributes.oldObject as unknown as Pod)) return;
  attributes.annotate(`${annotationPrefix}enforce-policy`, levelText(policy.enforce));
  const found = violations(policy.enforce, spec, metadata);
  noteOf(attributes, policy.audit, spec, metadata);
  if (found.length > 0)
    throw refusal(
      attributes,
      `violates PodSecurity ${JSON.stringify(levelText(policy.enforce))}: ${detailsText(found)}`,
    );
  warnOf(attributes, policy.warn, spec, metadata);
}

function checkTemplate(attributes: AdmissionAttributes, policy: Policy, template: PodTemplateSpec | undefined): void {
  if (!template?.spec) return;
  noteOf(attributes, policy.audit, template.spec, template.metadata ?? {});
  warnOf(attributes, policy.warn, template.spec, template.metadata ?? {});
}

const annotationPrefix = 'pod-security.kubernetes.io/';

function noteOf(
  attributes: AdmissionAttributes,
  level: LevelVersion,
  spec: NonNullable<Pod['spec']>,
  metadata: ObjectMeta,
): void {
  if (level.level === 'privileged') return;
  const found = violations(level, spec, metadata);
  if (found.length > 0)
    attributes.annotate(
      `${annotationPrefix}audit-violations`,
      `would violate PodSecurity ${JSON.stringify(levelText(level))}: ${detailsText(found)}`,
    );
}

function warnOf(
  attributes: AdmissionAttributes,
  level: LevelVersion,
  spec: NonNullable<Pod['spec']>,
  metadata: ObjectMeta,
): void {
  const found = violations(level, spec, metadata);
  if (found.length > 0)
    attributes.warn(`would violate PodSecurity ${JSON.stringify(levelText(level))}: ${detailsText(found)}`);
}

/** Of a pod that is there, only images and new ephemeral containers can make it worse. */
function isSignificant({ spec: next }: Pod, { spec: old }: Pod): boolean {
  if (!next || !old) return true;
  const changed = (a: readonly Container[] = [], b: readonly Container[] = []): boolean =>
    a.length !== b.length || a.some(({ image }, i) => image !== b[i]!.image);
  if (changed(next.containers, old.containers) || changed(next.initContainers, old.initContainers)) return true;
  return (next.ephemeralContainers ?? []).some(
    ({ name, image }) => old.ephemeralContainers?.find((each) => each.name === name)?.image !== image,
  );
}

/**
 * Claims must be bound before their pod is placed, or be of a class that waits for the pod: then this plugin chooses a volume, or the node on
 * which one is to be made, and binds before the pod is bound. Source: plugins/volumebinding.
 */
import { compareQuantities, parseQuantity } from '../../api/quantity.ts';
import { labelMatcherFrom, matchLabels } from '../../api/selectors/label-selector.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, TopologySelectorTerm } from '../../api/types/core-v1.ts';
import type { CSIStorageCapacity } from '../../api/types/storage-v1.ts';
import { claimBelongsTo, claimClass, claimNameOf, noProvisioner, VolumeAnnotation } from '../../api/volume/claims.ts';
import { findMatchingVolume, reachableFrom, requestedSize } from '../../api/volume/match.ts';
import { Action, type ClusterEvent, type QueueingHint } from '../core/cluster-events.ts';
import type { Plugin, PreFilterResult } from '../core/framework.ts';
import type { PodInfo } from '../core/pod-info.ts';
import { type FilterStatus, fits, type Rejected, rejected } from '../core/status.ts';
import type { VolumeBinder, VolumeLister, VolumePlan } from '../core/volume-lister.ts';
import { PluginName } from './names.ts';

const name = PluginName.volumeBinding;
const no = (reason: string): Rejected => rejected(name, reason, { preemptionMayHelp: false });

const reasons = {
  unbound: no('pod has unbound immediate PersistentVolumeClaims'),
  node: no("node(s) didn't match PersistentVolume's node affinity"),
  bind: no("node(s) didn't find available persistent volumes to bind"),
  space: no('node(s) did not have enough free storage'),
  lost: no('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)'),
} as const;

const anyChange = Action.add | Action.updateOther;

/** @param binder absent: what waits for its pod is judged but nothing is bound (a dry run). */
export function volumeBinding(volumes: VolumeLister, binder?: VolumeBinder): Plugin {
  /** By node; of the pod whose cycle it is. A cycle is synchronous from PreFilter to Reserve. */
  let current = { uid: '', plans: new Map<string, VolumePlan>() };
  /** By pod; from Reserve to the end of the binding. */
  const chosen = new Map<string, VolumePlan>();
  return {
    name,
    events: [
      { resource: 'Node', action: Action.add | Action.updateNodeLabel | Action.updateNodeTaint },
      { resource: 'PersistentVolumeClaim', action: anyChange, hint: concernsClaims },
      { resource: 'PersistentVolume', action: anyChange },
      { resource: 'StorageClass', action: anyChange },
      { resource: 'CSINode', action: anyChange },
      { resource: 'CSIDriver', action: Action.updateOther },
      { resource: 'CSIStorageCapacity', action: anyChange },
    ],
    preFilter(pod) {
      current = { uid: pod.uid, plans: new Map() };
      return preFilter(pod, volumes, current.plans);
    },
    reserve(pod, nodeName) {
      const plan = current.uid === pod.uid ? current.plans.get(nodeName) : undefined;
      if (!plan || !binder) return undefined;
      chosen.set(pod.uid, plan);
      binder.assume(plan, nodeName);
      return undefined;
    },
    unreserve(pod) {
      const plan = chosen.get(pod.uid);
      chosen.delete(pod.uid);
      if (plan) binder?.forget(plan);
    },
    async preBind(pod, nodeName, signal) {
      const plan = chosen.get(pod.uid);
      if (!plan || !binder) return;
      try {
        await binder.bind(plan, nodeName, signal);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`running PreBind plugin ${JSON.stringify(name)}: ${why}`, { cause });
      }
      chosen.delete(pod.uid);
    },
  };
}

/** Another pod's claims are of no help. */
function concernsClaims(pod: PodInfo, event: ClusterEvent): QueueingHint {
  const claim = event.object as PersistentVolumeClaim | undefined;
  if (!claim) return 'queue';
  if (claim.metadata.namespace !== pod.namespace) return 'skip';
  for (const volume of pod.pod.spec?.volumes ?? [])
    if (claimNameOf(pod.pod, volume) === claim.metadata.name) return 'queue';
  return 'skip';
}

function preFilter(pod: PodInfo, volumes: VolumeLister, plans: Map<string, VolumePlan>): PreFilterResult {
  const bound: (PersistentVolume | undefined)[] = [];
  const waiting: PersistentVolumeClaim[] = [];
  let immediate = false;
  for (const volume of pod.pod.spec?.volumes ?? []) {
    const claimName = claimNameOf(pod.pod, volume);
    if (claimName === undefined) continue;
    const claim = volumes.claim(pod.namespace, claimName);
    const refusal = judgeClaim(pod, claim, claimName, volume.ephemeral !== undefined);
    if (refusal) return refusal;
    const volumeName = claim!.spec?.volumeName;
    if (isFullyBound(claim!)) bound.push(volumes.volume(volumeName!));
    // Named by the user or half bound: the binder goes on with it.
    else if (!volumeName && waitsForConsumer(claim!, volumes)) waiting.push(claim!);
    else immediate = true;
  }
  if (immediate) return reasons.unbound;
  if (bound.length === 0 && waiting.length === 0) return 'skip';
  waiting.sort((a, b) => compareQuantities(requestedSize(a), requestedSize(b)));
  return {
    filter(node) {
      for (const volume of bound) {
        if (!volume) return reasons.lost;
        if (!reachableFrom(volume, node.node!)) return reasons.node;
      }
      if (waiting.length === 0) return fits;
      const plan = planFor(node.node!, waiting, volumes);
      if ('kind' in plan) return plan;
      plans.set(node.name, plan);
      return fits;
    },
  };
}

export const isFullyBound = ({ spec, metadata }: PersistentVolumeClaim): boolean =>
  !!spec?.volumeName && metadata.annotations?.[VolumeAnnotation.bindCompleted] !== undefined;

const waitsForConsumer = (claim: PersistentVolumeClaim, volumes: VolumeLister): boolean =>
  volumes.storageClass(claimClass(claim))?.volumeBindingMode === 'WaitForFirstConsumer';

function judgeClaim(
  pod: PodInfo,
  claim: PersistentVolumeClaim | undefined,
  claimName: string,
  ephemeral: boolean,
): Rejected | undefined {
  if (!claim)
    return no(
      ephemeral
        ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${claimName}"`
        : `persistentvolumeclaim "${claimName}" not found`,
    );
  if (claim.status?.phase === 'Lost')
    return no(
      `persistentvolumeclaim "${claimName}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`,
    );
  if (claim.metadata.deletionTimestamp) return no(`persistentvolumeclaim "${claimName}" is being deleted`);
  if (ephemeral && !claimBelongsTo(claim, pod.pod))
    return no(
      `PVC ${claim.metadata.namespace}/${claimName} was not created for pod ${pod.namespace}/${pod.name} (pod is not owner)`,
    );
  return undefined;
}

/** The smallest claims first, so that they take the smallest volumes. */
function planFor(
  node: Node,
  claims: readonly PersistentVolumeClaim[],
  volumes: VolumeLister,
): VolumePlan | Extract<FilterStatus, { kind: 'rejected' }> {
  const bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = [];
  const provisions: PersistentVolumeClaim[] = [];
  const taken = new Set<string>();
  for (const claim of claims) {
    const selected = claim.metadata.annotations?.[VolumeAnnotation.selectedNode];
    // Its volume is being made for another node.
    if (selected !== undefined && selected !== node.metadata.name) return reasons.bind;
    const found =
      selected === undefined
        ? findMatchingVolume(claim, volumes.volumesOfClass(claimClass(claim)), { node, excluded: taken })
        : undefined;
    if (found) {
      taken.add(found.metadata.name!);
      bindings.push({ claim, volume: found });
      continue;
    }
    const refusal = judgeProvisioning(node, claim, volumes);
    if (refusal) return refusal;
    provisions.push(claim);
  }
  return { bindings, provisions };
}

function judgeProvisioning(node: Node, claim: PersistentVolumeClaim, volumes: VolumeLister): Rejected | undefined {
  const found = volumes.storageClass(claimClass(claim))!;
  if (found.provisioner === '' || found.provisioner === noProvisioner) return reasons.bind;
  if (!matchesTopology(found.allowedTopologies ?? [], node)) return reasons.bind;
  if (volumes.csiDriver(found.provisioner)?.spec.storageCapacity !== true) return undefined;
  const size = requestedSize(claim);
  const className = found.metadata.name;
  for (const capacity of volumes.storageCapacities())
    if (capacity.storageClassName === className && offers(capacity, size) && reaches(capacity, node)) return undefined;
  return reasons.space;
}

function offers(capacity: CSIStorageCapacity, size: ReturnType<typeof parseQuantity>): boolean {
  const limit = capacity.maximumVolumeSize ?? capacity.capacity;
  return limit !== undefined && compareQuantities(parseQuantity(limit), size) >= 0;
}
/** A capacity without topology is reachable from nowhere. */
const reaches = ({ nodeTopology }: CSIStorageCapacity, node: Node): boolean =>
  nodeTopology !== undefined && matchLabels(labelMatcherFrom(nodeTopology), node.metadata.labels);

/** One term holds; none given: everywhere. Source: v1helper.MatchTopologySelectorTerms. */
export function matchesTopology(terms: readonly TopologySelectorTerm[], node: Node): boolean {
  if (terms.length === 0) return true;
  const labels = node.metadata.labels ?? {};
  return terms.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => Object.hasOwn(labels, key) && values.includes(labels[key]!)),
  );
}

/** Which nodes a DaemonSet runs on, and the pod for one of them. Pure. Source: pkg/controller/daemon (NodeShouldRunDaemonPod), daemon/util. */
import { fitsRequiredNodeAffinity } from '../../api/pod/node-affinity.ts';
import { findUntoleratedTaint, repelsNewPods } from '../../api/pod/tolerations.ts';
import type { DaemonSet } from '../../api/types/apps-v1.ts';
import type { Affinity, Node, NodeSelector, Pod, PodSpec, Toleration } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { podFromTemplate } from '../pod-writer.ts';
import { revisionHashLabel } from '../revisions.ts';

export interface NodeVerdict {
  /** A pod belongs there. */
  readonly shouldRun: boolean;
  /** A pod that is there may stay: a NoSchedule taint came after it. */
  readonly mayContinue: boolean;
}

/** The node is judged as the scheduler will: name, selector and affinity, taints; `spec.unschedulable` is a taint that daemons tolerate. */
export function judgeNode(node: Node, daemonSet: DaemonSet): NodeVerdict {
  const spec = daemonSet.spec!.template.spec!;
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return never;
  if (!fitsRequiredNodeAffinity(spec, node)) return never;
  const taints = node.spec?.taints;
  if (!taints || taints.length === 0) return always;
  const tolerations = daemonTolerations(spec);
  if (!findUntoleratedTaint(taints, tolerations, repelsNewPods)) return always;
  return { shouldRun: false, mayContinue: !findUntoleratedTaint(taints, tolerations, isNoExecute) };
}
const always: NodeVerdict = Object.freeze({ shouldRun: true, mayContinue: true });
const never: NodeVerdict = Object.freeze({ shouldRun: false, mayContinue: false });
const isNoExecute = ({ effect }: { readonly effect: string }): boolean => effect === 'NoExecute';

const tolerate = (key: string, effect: string): Toleration => ({
  key: `node.kubernetes.io/${key}`,
  operator: 'Exists',
  effect,
});
/** A daemon stays on a node in trouble: it may be what mends it. */
const automatic = [
  tolerate('not-ready', 'NoExecute'),
  tolerate('unreachable', 'NoExecute'),
  tolerate('disk-pressure', 'NoSchedule'),
  tolerate('memory-pressure', 'NoSchedule'),
  tolerate('pid-pressure', 'NoSchedule'),
  tolerate('unschedulable', 'NoSchedule'),
];
/** The daemon that sets up the network must run before there is one. */
const onHostNetwork = tolerate('network-unavailable', 'NoSchedule');

/** The template's tolerations and the automatic ones; the latter take the place of one for the same key, effect, operator and value. */
export function daemonTolerations(spec: PodSpec): readonly Toleration[] {
  const tolerations = [...(spec.tolerations ?? [])];
  for (const added of spec.hostNetwork ? [...automatic, onHostNetwork] : automatic) {
    const index = tolerations.findIndex(
      ({ key, effect, operator, value }) =>
        key === added.key && effect === added.effect && operator === added.operator && !value,
    );
    if (index < 0) tolerations.push(added);
    else tolerations[index] = added;
  }
  return tolerations;
}

/** The pod for a node: bound by the scheduler, which the affinity leaves no choice. */
export function daemonPod(daemonSet: DaemonSet, nodeName: string, hash: string): Pod {
  const { template } = daemonSet.spec!;
  const spec = template.spec!;
  const generation = templateGeneration(daemonSet);
  const labels = {
    ...template.metadata?.labels,
    ...(generation === undefined ? {} : { [generationLabel]: generation }),
    [revisionHashLabel]: hash,
  };
  return podFromTemplate(daemonSet, resources.daemonSets, {
    metadata: { ...template.metadata, labels },
    spec: { ...spec, tolerations: daemonTolerations(spec), affinity: pinned(spec.affinity, nodeName) },
  });
}

/** Replaces the required node terms: the node fulfils them already. */
function pinned(affinity: Affinity | undefined, nodeName: string): Affinity {
  const required: NodeSelector = {
    nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] }],
  };
  return {
    ...affinity,
    nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required },
  };
}

/** The node a daemon pod is on or meant for; undefined for an adopted pod that says neither. */
export function targetNode({ spec }: Pod): string | undefined {
  if (spec?.nodeName) return spec.nodeName;
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const { matchFields } of terms)
    for (const { key, operator, values } of matchFields ?? [])
      if (key === 'metadata.name' && operator === 'In' && values?.length === 1) return values[0];
  return undefined;
}

const generationAnnotation = 'deprecated.daemonset.template.generation';
const generationLabel = 'pod-template-generation';

function templateGeneration({ metadata }: DaemonSet): string | undefined {
  const text = metadata.annotations?.[generationAnnotation];
  return text !== undefined && /^[+-]?\d+$/.test(text) ? String(Number(text)) : undefined;
}

/** Of the present template: by hash, or (older clusters) by template generation. */
export function isUpdated(pod: Pod, daemonSet: DaemonSet, hash: string): boolean {
  const { labels } = pod.metadata;
  const generation = templateGeneration(daemonSet);
  return labels?.[revisionHashLabel] === hash || (generation !== undefined && labels?.[generationLabel] === generation);
}

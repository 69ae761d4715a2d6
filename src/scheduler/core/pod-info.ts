/** A pod as the scheduler sees it: parsed once when it arrives, read on every node. */
import { type HostPort, hostPorts } from '../../api/pod/ports.ts';
import type { Pod, PodAffinityTerm, Toleration } from '../../api/types/core-v1.ts';
import { compileLabelSelector, type LabelMatcher, type Labels, noLabels } from './label-matcher.ts';
import { type Resources, requestsOf, scoredRequestsOf } from './resources.ts';

/** A pod (anti-)affinity term with its selectors compiled. */
export interface AffinityTerm {
  readonly topologyKey: string;
  readonly selector: LabelMatcher;
  /** Used when `namespaceSelector` is undefined or does not match the other pod's namespace. */
  readonly namespaces: ReadonlySet<string>;
  readonly namespaceSelector: LabelMatcher | undefined;
  /** 0 for required terms. */
  readonly weight: number;
}

export class PodInfo {
  readonly pod: Pod;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly priority: number;
  readonly requests: Resources;
  readonly nonZeroCpuMilli: number;
  readonly nonZeroMemoryBytes: number;
  readonly hostPorts: readonly HostPort[];
  readonly tolerations: readonly Toleration[];
  readonly requiredAffinity: readonly AffinityTerm[];
  readonly requiredAntiAffinity: readonly AffinityTerm[];
  readonly preferredAffinity: readonly AffinityTerm[];
  readonly preferredAntiAffinity: readonly AffinityTerm[];
  readonly terminating: boolean;

  /** @param parsed a PodInfo of the same pod whose parsed parts are shared (the pod differs in its node only). */
  constructor(pod: Pod, parsed?: PodInfo) {
    this.pod = pod;
    this.uid = pod.metadata.uid ?? '';
    this.namespace = pod.metadata.namespace ?? '';
    this.name = pod.metadata.name ?? '';
    this.labels = pod.metadata.labels ?? noLabels;
    this.priority = pod.spec?.priority ?? 0;
    this.terminating = pod.metadata.deletionTimestamp !== undefined;
    this.tolerations = pod.spec?.tolerations ?? none;
    if (parsed) {
      this.requests = parsed.requests;
      this.nonZeroCpuMilli = parsed.nonZeroCpuMilli;
      this.nonZeroMemoryBytes = parsed.nonZeroMemoryBytes;
      this.hostPorts = parsed.hostPorts;
      this.requiredAffinity = parsed.requiredAffinity;
      this.requiredAntiAffinity = parsed.requiredAntiAffinity;
      this.preferredAffinity = parsed.preferredAffinity;
      this.preferredAntiAffinity = parsed.preferredAntiAffinity;
      return;
    }
    this.requests = requestsOf(pod);
    const nonZero = scoredRequestsOf(pod);
    this.nonZeroCpuMilli = nonZero.cpuMilli;
    this.nonZeroMemoryBytes = nonZero.memoryBytes;
    this.hostPorts = pod.spec ? hostPorts(pod.spec) : none;
    const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
    this.requiredAffinity = compile(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution, this.namespace);
    this.requiredAntiAffinity = compile(
      podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution,
      this.namespace,
    );
    this.preferredAffinity = compileWeighted(
      podAffinity?.preferredDuringSchedulingIgnoredDuringExecution,
      this.namespace,
    );
    this.preferredAntiAffinity = compileWeighted(
      podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution,
      this.namespace,
    );
  }

  /** The pod as it will be once bound. */
  on(nodeName: string): PodInfo {
    return new PodInfo({ ...this.pod, spec: { ...this.pod.spec!, nodeName } }, this);
  }

  get key(): string {
    return `${this.namespace}/${this.name}`;
  }
  get hasAffinity(): boolean {
    const { podAffinity, podAntiAffinity } = this.pod.spec?.affinity ?? {};
    return podAffinity !== undefined || podAntiAffinity !== undefined;
  }
}

/** Whether `term` (of a pod that owns it) means the pod `other`. `namespaceLabels` gives a namespace's labels. */
export function termMatches(
  term: AffinityTerm,
  other: PodInfo,
  namespaceLabels: (namespace: string) => Labels | undefined,
): boolean {
  if (!term.namespaces.has(other.namespace)) {
    if (!term.namespaceSelector) return false;
    if (!term.namespaceSelector.empty) {
      const labels = namespaceLabels(other.namespace);
      if (labels === undefined || !term.namespaceSelector.matches(labels)) return false;
    }
  }
  return term.selector.matches(other.labels);
}

const none: readonly never[] = Object.freeze([]);

function compile(terms: readonly PodAffinityTerm[] | undefined, namespace: string): readonly AffinityTerm[] {
  return terms?.length ? terms.map((term) => compileTerm(term, namespace, 0)) : none;
}

function compileWeighted(
  terms: readonly { readonly weight: number; readonly podAffinityTerm: PodAffinityTerm }[] | undefined,
  namespace: string,
): readonly AffinityTerm[] {
  return terms?.length
    ? terms.map(({ weight, podAffinityTerm }) => compileTerm(podAffinityTerm, namespace, weight))
    : none;
}

/** The API server has merged matchLabelKeys and mismatchLabelKeys into the label selector when the pod was created. */
function compileTerm(term: PodAffinityTerm, podNamespace: string, weight: number): AffinityTerm {
  // Neither namespaces nor a selector of namespaces: the pod's own.
  const own = !term.namespaces?.length && term.namespaceSelector === undefined;
  return {
    topologyKey: term.topologyKey,
    selector: compileLabelSelector(term.labelSelector),
    namespaces: new Set(own ? [podNamespace] : term.namespaces),
    namespaceSelector: term.namespaceSelector === undefined ? undefined : compileLabelSelector(term.namespaceSelector),
    weight,
  };
}

/**
 * What a pod asks for and may use, over all its containers. Source: k8s.io/component-helpers/resource (PodRequests, PodLimits).
 *
 * Amounts are numbers: thousandths of a core for `cpu`, whole units (bytes, devices) for all else.
 */
import { parseMilli, parseValue } from '../quantity.ts';
import type { Container, ContainerStatus, Pod } from '../types/core-v1.ts';

/** resource name -> amount */
export type ResourceAmounts = Readonly<Record<string, number>>;
type Draft = Record<string, number>;
type QuantityList = Readonly<Record<string, string>>;

export interface PodResourceOptions {
  /** Leave out `spec.overhead`. */
  readonly withoutOverhead?: boolean;
  /** Leave out pod-level `spec.resources`. */
  readonly withoutPodLevel?: boolean;
  /** Count what is allocated or in use while a resize is under way, where that is more. */
  readonly useStatus?: boolean;
  /** What a container counts as that names no request (or limit) for a resource: the scheduler's scores need it. */
  readonly unspecified?: ResourceAmounts;
}

/** One quantity of a resource list as an amount. @throws QuantityError */
export function amountOf(resource: string, quantity: string): number {
  return resource === 'cpu' ? parseMilli(quantity) : parseValue(quantity);
}

export function amountsOf(list: QuantityList | undefined): ResourceAmounts {
  const amounts: Draft = {};
  for (const name in list) amounts[name] = amountOf(name, list[name]!);
  return amounts;
}

/**
 * The larger of all containers together and of each init container at its turn, with the sidecars started before it; then pod-level requests
 * where given, and overhead.
 */
export function podRequests(pod: Pod, options: PodResourceOptions = {}): ResourceAmounts {
  const { spec } = pod;
  if (!spec) return {};
  const total = aggregate(pod, 'requests', options);
  if (!options.withoutPodLevel) override(total, spec.resources?.requests);
  if (!options.withoutOverhead) add(total, amountsOf(spec.overhead));
  return total;
}

/** As for requests; overhead counts only where there is a limit. A container without a limit leaves the sum of the others. */
export function podLimits(pod: Pod, options: PodResourceOptions = {}): ResourceAmounts {
  const { spec } = pod;
  if (!spec) return {};
  const total = aggregate(pod, 'limits', options);
  if (!options.withoutPodLevel) override(total, spec.resources?.limits);
  if (!options.withoutOverhead) {
    const overhead = amountsOf(spec.overhead);
    for (const name in overhead) if (total[name] !== undefined) total[name] += overhead[name]!;
  }
  return total;
}

type Which = 'requests' | 'limits';

function aggregate(pod: Pod, which: Which, options: PodResourceOptions): Draft {
  const total: Draft = {};
  for (const container of pod.spec?.containers ?? [])
    add(total, containerAmounts(pod, container, pod.status?.containerStatuses, which, options));
  const sidecars: Draft = {};
  const peak: Draft = {};
  for (const container of pod.spec?.initContainers ?? []) {
    const own = containerAmounts(pod, container, pod.status?.initContainerStatuses, which, options);
    if (isSidecar(container)) {
      add(total, own);
      add(sidecars, own);
      raise(peak, sidecars);
    } else {
      const atItsTurn: Draft = { ...own };
      add(atItsTurn, sidecars);
      raise(peak, atItsTurn);
    }
  }
  raise(total, peak);
  return total;
}

/** An init container that runs on beside the others. */
export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

function containerAmounts(
  pod: Pod,
  container: Container,
  statuses: readonly ContainerStatus[] | undefined,
  which: Which,
  { useStatus = false, unspecified }: PodResourceOptions,
): ResourceAmounts {
  const named = amountsOf(container.resources?.[which]);
  const wanted = unspecified ? { ...unspecified, ...named } : named;
  if (!useStatus) return wanted;
  const status = statuses?.find(({ name }) => name === container.name);
  if (!status) return wanted;
  // A resize that cannot be granted does not count.
  const amounts: Draft = isResizeInfeasible(pod) ? {} : { ...wanted };
  raise(amounts, amountsOf(status.resources?.[which]));
  if (which === 'requests') raise(amounts, amountsOf(status.allocatedResources));
  return amounts;
}

const isResizeInfeasible = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible') === true;

/** Pod-level values replace the containers', for the resources that may be given there. */
function override(total: Draft, podLevel: QuantityList | undefined): void {
  for (const name in podLevel)
    if (name === 'cpu' || name === 'memory' || name.startsWith('hugepages-'))
      total[name] = amountOf(name, podLevel[name]!);
}

function add(total: Draft, amounts: ResourceAmounts): void {
  for (const name in amounts) total[name] = (total[name] ?? 0) + amounts[name]!;
}

function raise(total: Draft, amounts: ResourceAmounts): void {
  for (const name in amounts) total[name] = Math.max(total[name] ?? Number.NEGATIVE_INFINITY, amounts[name]!);
}

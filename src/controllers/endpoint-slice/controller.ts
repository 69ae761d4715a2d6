/** Keeps the EndpointSlices of every Service with a selector. Source: pkg/controller/endpointslice. */

import { isConflict, isNotFound } from '../../api/errors.ts';
import { type LabelMatcher, labelMatcherFromMap, matchLabels } from '../../api/selectors/label-selector.ts';
import { formatTime } from '../../api/time.ts';
import type { Pod, Service } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { type ReconcileResult, runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';
import { namespaceIndex } from '../owner-index.ts';
import { isNamespaceTerminating } from '../pod-writer.ts';
import { endpointChanged, hasSelector, serviceSelectors } from '../service-selectors.ts';
import { controllerName, planSlices, type SlicePlan } from './plan.ts';
import { managedByLabel, serviceNameLabel } from './slice-labels.ts';
import { TriggerTimes, triggerTimeAnnotation } from './trigger-time.ts';
import { WrittenSlices } from './written-slices.ts';
import { topologyOf, type ZoneShares, zoneShares } from './zone-hints.ts';

export interface EndpointSliceControllerOptions {
  /** --concurrent-service-endpoint-syncs */
  readonly workers?: number;
  /** --max-endpoints-per-slice */
  readonly maxEndpointsPerSlice?: number;
}

export function endpointSliceController(options: EndpointSliceControllerOptions = {}): Controller {
  return {
    name: 'endpointslice-controller',
    run: (context, signal) => new EndpointSliceRun(context, options).run(signal),
  };
}

const maxRetries = 15;

class EndpointSliceRun {
  private readonly context: ControllerContext;
  private readonly options: EndpointSliceControllerOptions;
  private readonly services;
  private readonly pods;
  private readonly nodes;
  private readonly slices;
  private readonly podsIn;
  private readonly slicesOf;
  private readonly selectors;
  private readonly queue;
  private readonly triggerTimes = new TriggerTimes();
  private readonly written = new WrittenSlices();
  /** Services with pods whose node is not known yet. */
  private readonly waitingForNodes = new Set<string>();
  /** Topology aware Services, with what their users were told last of their hints. */
  private readonly topologyAware = new Map<string, string>();
  /** Undefined when nodes have changed since. */
  private shares: { readonly value: ZoneShares | undefined } | undefined;

  constructor(context: ControllerContext, options: EndpointSliceControllerOptions) {
    this.context = context;
    this.options = options;
    this.services = context.informers.informer(resources.services);
    this.pods = context.informers.informer(resources.pods);
    this.nodes = context.informers.informer(resources.nodes);
    this.slices = context.informers.informer(resources.endpointSlices);
    this.podsIn = namespaceIndex(this.pods);
    this.slices.addIndex(serviceIndex, serviceOf);
    this.slicesOf = (key: string) => this.slices.byIndex(serviceIndex, key);
    this.selectors = serviceSelectors(this.services);
    this.queue = createWorkQueue<string>({
      clock: context.clock,
      metrics: { registry: context.metrics, name: 'endpoint_slice' },
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    this.watchServices(signal);
    this.watchPods(signal);
    this.watchSlices(signal);
    this.watchNodes(signal);
    if (!(await untilSynced([this.services, this.pods, this.nodes, this.slices], signal))) return;
    const options = { clock, log, kind: 'service', maxRetries };
    await runWorkers(this.queue, this.options.workers ?? 5, (key) => this.sync(key, signal), options, signal);
  }

  private watchServices(signal: AbortSignal): void {
    observe(
      this.services,
      {
        onAdd: (service) => this.queue.add(keyOf(service)),
        onUpdate: (_, service) => this.queue.add(keyOf(service)),
        onDelete: (service) => this.queue.add(keyOf(service)),
      },
      signal,
    );
  }

  private watchPods(signal: AbortSignal): void {
    const wake = ({ metadata }: Pod): void => {
      for (const service of this.selectors.selecting(metadata.namespace ?? '', metadata.labels))
        this.queue.add(keyOf(service));
    };
    observe(
      this.pods,
      {
        onAdd: wake,
        onUpdate: (previous, pod) => {
          if (!endpointChanged(previous, pod)) return;
          wake(pod);
          if (previous.metadata.labels !== pod.metadata.labels) wake(previous);
        },
        onDelete: wake,
      },
      signal,
    );
  }

  /** Only what somebody else did to them matters. */
  private watchSlices(signal: AbortSignal): void {
    const wake = (slice: EndpointSlice): void => {
      for (const key of serviceOf(slice)) this.queue.add(key);
    };
    observe(
      this.slices,
      {
        onAdd: (slice) => {
          if (isOurs(slice) && this.written.isForeign(slice)) wake(slice);
        },
        onUpdate: (previous, slice) => {
          if (isOurs(previous) && !isOurs(slice)) wake(previous);
          else if (isOurs(slice) && this.written.isForeign(slice)) wake(slice);
        },
        onDelete: (slice) => {
          if (isOurs(slice) && !this.written.wasDeleted(slice)) wake(slice);
        },
      },
      signal,
    );
  }

  /** A node that appears completes endpoints that were left out for want of it; each shifts the shares of the zones. */
  private watchNodes(signal: AbortSignal): void {
    const share = (before: string, after: string): void => {
      if (before === after) return;
      this.shares = undefined;
      for (const key of this.topologyAware.keys()) this.queue.add(key);
    };
    observe(
      this.nodes,
      {
        onAdd: (node) => {
          share('', topologyOf(node));
          for (const key of this.waitingForNodes) this.queue.add(key);
        },
        onUpdate: (previous, node) => share(topologyOf(previous), topologyOf(node)),
        onDelete: (node) => share(topologyOf(node), ''),
      },
      signal,
    );
  }

  private zoneShares(): ZoneShares | undefined {
    this.shares ??= { value: zoneShares(this.nodes.list()) };
    return this.shares.value;
  }

  /** Users learn when hints come, and why there are none. */
  private tellOfHints(key: string, service: Service, hints: SlicePlan['hints']): void {
    const told = this.topologyAware.get(key);
    const now = JSON.stringify([...hints]);
    if (hints.size === 0) this.topologyAware.delete(key);
    else this.topologyAware.set(key, now);
    if (told === now) return;
    for (const [addressType, problem] of hints)
      this.context.events.event(
        service,
        problem === undefined
          ? {
              type: 'Normal',
              reason: 'TopologyAwareHintsEnabled',
              message: `Topology Aware Hints has been enabled, addressType: ${addressType}`,
            }
          : {
              type: 'Warning',
              reason: 'TopologyAwareHintsDisabled',
              message: `${problem}, addressType: ${addressType}`,
            },
      );
  }

  private async sync(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const service = this.services.get(key);
    if (!service) {
      // Its slices carry its owner reference: the garbage collector removes them.
      this.triggerTimes.forget(key);
      this.written.forget(key);
      this.waitingForNodes.delete(key);
      this.topologyAware.delete(key);
      return undefined;
    }
    if (!hasSelector(service)) return undefined;
    const selector = labelMatcherFromMap(service.spec?.selector);
    const pods = this.selected(service, selector);
    const slices = this.slicesOf(key).filter((slice) => isOurs(slice) && !slice.metadata.deletionTimestamp);
    if (this.written.isStale(key, this.slicesOf(key))) return { requeue: true };
    const triggerMs = this.triggerTimes.next(key, service, pods);
    const plan = planSlices({
      service,
      pods,
      slices,
      node: (name) => this.nodes.get(name),
      maxEndpointsPerSlice: this.options.maxEndpointsPerSlice ?? 100,
      shares: () => this.zoneShares(),
    });
    this.tellOfHints(key, service, plan.hints);
    if (plan.podsWithoutNode.length > 0) this.waitingForNodes.add(key);
    else this.waitingForNodes.delete(key);
    await this.apply(key, service, plan, triggerMs, signal);
    if (plan.podsWithoutNode.length > 0)
      throw new Error(`Skipping pods of service "${key}" whose node is not found: ${plan.podsWithoutNode.join(', ')}`);
    return undefined;
  }

  private selected(service: Service, selector: LabelMatcher): readonly Pod[] {
    const found: Pod[] = [];
    for (const pod of this.podsIn(service.metadata.namespace!))
      if (matchLabels(selector, pod.metadata.labels)) found.push(pod);
    return found;
  }

  private async apply(
    key: string,
    service: Service,
    plan: SlicePlan,
    triggerMs: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, events } = this.context;
    const slices = client.resource(resources.endpointSlices);
    const attempt = async (what: string, slice: EndpointSlice, write: () => Promise<void>): Promise<void> => {
      try {
        await write();
      } catch (error) {
        if (isNamespaceTerminating(error) || signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        // A conflict means that our cache is behind: no news for the user.
        if (!isConflict(error))
          events.event(service, {
            type: 'Warning',
            reason: 'FailedToUpdateEndpointSlices',
            message: `Error updating Endpoint Slices for Service ${key}: failed to ${what} ${slice.metadata.name ?? slice.metadata.generateName} EndpointSlice for Service ${key}: ${message}`,
          });
        throw error;
      }
    };
    if (!service.metadata.deletionTimestamp)
      for (const slice of plan.create)
        await attempt('create', slice, async () =>
          this.written.wrote(key, await slices.create(stamped(slice, triggerMs), { signal })),
        );
    for (const slice of plan.update)
      await attempt('update', slice, async () =>
        this.written.wrote(key, await slices.update(stamped(slice, triggerMs), { signal })),
      );
    for (const slice of plan.delete)
      await attempt('delete', slice, async () => {
        this.written.deleting(key, slice);
        try {
          await slices.delete(slice.metadata.name!, { namespace: slice.metadata.namespace!, signal });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      });
  }
}

const serviceIndex = 'endpointslice/service';
const serviceOf = ({ metadata }: EndpointSlice): readonly string[] => {
  const name = metadata.labels?.[serviceNameLabel];
  return name ? [`${metadata.namespace}/${name}`] : [];
};
const isOurs = ({ metadata }: EndpointSlice): boolean => metadata.labels?.[managedByLabel] === controllerName;

function stamped(slice: EndpointSlice, triggerMs: number | undefined): EndpointSlice {
  const { [triggerTimeAnnotation]: _old, ...annotations } = slice.metadata.annotations ?? {};
  const next =
    triggerMs === undefined ? annotations : { ...annotations, [triggerTimeAnnotation]: formatTime(triggerMs) };
  const { annotations: _annotations, ...metadata } = slice.metadata;
  return { ...slice, metadata: { ...metadata, ...(Object.keys(next).length > 0 ? { annotations: next } : {}) } };
}

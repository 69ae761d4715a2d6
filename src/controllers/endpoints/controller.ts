/**
 * Keeps the legacy Endpoints of every Service with a selector: deprecated, but `kubectl describe service` and older clients read them.
 * Source: pkg/controller/endpoint.
 */
import { isApiError, isConflict, isNotFound } from '../../api/errors.ts';
import { labelMatcherFromMap, matchLabels } from '../../api/selectors/label-selector.ts';
import { formatTime } from '../../api/time.ts';
import type { Endpoints, Pod, Service } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { type ReconcileResult, runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { TriggerTimes, triggerTimeAnnotation } from '../endpoint-slice/trigger-time.ts';
import { observe, untilSynced } from '../observe.ts';
import { namespaceIndex } from '../owner-index.ts';
import { isNamespaceTerminating } from '../pod-writer.ts';
import { endpointChanged, hasSelector, serviceSelectors } from '../service-selectors.ts';
import { endpointsControllerName, managedByLabel, planEndpoints } from './plan.ts';

export function endpointsController({ workers = 5 }: { readonly workers?: number } = {}): Controller {
  return {
    name: 'endpoints-controller',
    run: (context, signal) => new EndpointsRun(context).run(workers, signal),
  };
}

const maxRetries = 15;

class EndpointsRun {
  private readonly context: ControllerContext;
  private readonly services;
  private readonly pods;
  private readonly endpoints;
  private readonly podsIn;
  private readonly selectors;
  private readonly queue;
  private readonly triggerTimes = new TriggerTimes();
  /** The version last written, until the informer shows it: working from an older one would only conflict. */
  private readonly written = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.services = context.informers.informer(resources.services);
    this.pods = context.informers.informer(resources.pods);
    this.endpoints = context.informers.informer(resources.endpoints);
    this.podsIn = namespaceIndex(this.pods);
    this.selectors = serviceSelectors(this.services);
    this.queue = createWorkQueue<string>({
      clock: context.clock,
      metrics: { registry: context.metrics, name: 'endpoint' },
    });
  }

  async run(workers: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    this.watchServices(signal);
    this.watchPods(signal);
    this.watchEndpoints(signal);
    if (!(await untilSynced([this.services, this.pods, this.endpoints], signal))) return;
    const options = { clock, log, kind: 'service', maxRetries };
    await runWorkers(this.queue, workers, (key) => this.sync(key, signal), options, signal);
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
  /** Also those left over from a Service that was deleted while nobody looked. */
  private watchEndpoints(signal: AbortSignal): void {
    observe(
      this.endpoints,
      {
        onAdd: (endpoints) => {
          if (isOurs(endpoints)) this.queue.add(keyOf(endpoints));
        },
        onUpdate: (_, endpoints) => {
          if (
            isOurs(endpoints) &&
            Number(endpoints.metadata.resourceVersion) > (this.written.get(keyOf(endpoints)) ?? 0)
          )
            this.queue.add(keyOf(endpoints));
        },
        onDelete: (endpoints) => {
          this.written.delete(keyOf(endpoints));
          this.queue.add(keyOf(endpoints));
        },
      },
      signal,
    );
  }

  private async sync(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { client } = this.context;
    const current = this.endpoints.get(key);
    const service = this.services.get(key);
    if (!service) {
      this.triggerTimes.forget(key);
      if (!current || !isOurs(current)) return undefined;
      try {
        await client
          .resource(resources.endpoints)
          .delete(current.metadata.name!, { namespace: current.metadata.namespace!, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return undefined;
    }
    if (!hasSelector(service)) return undefined;
    const written = this.written.get(key);
    // Our own last write comes by watch and wakes us again when it differs from what should be.
    if (written !== undefined && current && Number(current.metadata.resourceVersion) < written)
      return { requeue: true };
    const selector = labelMatcherFromMap(service.spec?.selector);
    const pods = this.podsIn(service.metadata.namespace!).filter((pod) => matchLabels(selector, pod.metadata.labels));
    const triggerMs = this.triggerTimes.next(key, service, pods);
    const next = planEndpoints(service, pods, current);
    if (!next) return undefined;
    await this.write(key, service, stamped(next, triggerMs), current !== undefined, signal);
    return undefined;
  }

  private async write(
    key: string,
    service: Service,
    endpoints: Endpoints,
    exists: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, events } = this.context;
    const all = client.resource(resources.endpoints);
    try {
      const written = await (exists ? all.update(endpoints, { signal }) : all.create(endpoints, { signal }));
      this.written.set(key, Number(written.metadata.resourceVersion));
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      if (
        !signal.aborted &&
        !isConflict(error) &&
        !(exists && isNotFound(error)) &&
        !isApiError(error, 'AlreadyExists')
      ) {
        const message = error instanceof Error ? error.message : String(error);
        events.event(service, {
          type: 'Warning',
          reason: exists ? 'FailedToUpdateEndpoint' : 'FailedToCreateEndpoint',
          message: `Failed to ${exists ? 'update' : 'create'} endpoint ${key}: ${message}`,
        });
      }
      throw error;
    }
  }
}

const isOurs = ({ metadata }: Endpoints): boolean => metadata.labels?.[managedByLabel] === endpointsControllerName;

function stamped(endpoints: Endpoints, triggerMs: number | undefined): Endpoints {
  const { [triggerTimeAnnotation]: _old, ...annotations } = endpoints.metadata.annotations ?? {};
  const next =
    triggerMs === undefined ? annotations : { ...annotations, [triggerTimeAnnotation]: formatTime(triggerMs) };
  const { annotations: _annotations, ...metadata } = endpoints.metadata;
  return { ...endpoints, metadata: { ...metadata, ...(Object.keys(next).length > 0 ? { annotations: next } : {}) } };
}

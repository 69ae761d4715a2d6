/** Copies hand-made Endpoints of Services without a selector to EndpointSlices. Source: pkg/controller/endpointslicemirroring. */
import { isNotFound } from '../../api/errors.ts';
import { isBeingDeleted } from '../../api/meta.ts';
import type { Endpoints, Service } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { type ReconcileResult, runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { managedByLabel, serviceNameLabel } from '../endpoint-slice/slice-labels.ts';
import { WrittenSlices } from '../endpoint-slice/written-slices.ts';
import { observe, untilSynced } from '../observe.ts';
import { isNamespaceTerminating } from '../pod-writer.ts';
import { mirroringName, planMirror } from './plan.ts';

export interface EndpointSliceMirroringOptions {
  /** --mirroring-concurrent-service-endpoint-syncs */
  readonly workers?: number;
  /** --mirroring-max-endpoints-per-subset */
  readonly maxEndpointsPerSubset?: number;
}

const maxRetries = 15;

export function endpointSliceMirroringController(options: EndpointSliceMirroringOptions = {}): Controller {
  return {
    name: 'endpointslice-mirroring-controller',
    run: (context, signal) => new MirroringRun(context, options).run(signal),
  };
}

class MirroringRun {
  private readonly context: ControllerContext;
  private readonly options: EndpointSliceMirroringOptions;
  private readonly events;
  private readonly endpoints;
  private readonly services;
  private readonly slices;
  private readonly slicesOf;
  private readonly written = new WrittenSlices();
  private readonly queue;

  constructor(context: ControllerContext, options: EndpointSliceMirroringOptions) {
    const { clock, informers, metrics } = context;
    this.context = context;
    this.options = options;
    this.events = context.events.withComponent('endpoint-slice-mirroring-controller');
    this.endpoints = informers.informer(resources.endpoints);
    this.services = informers.informer(resources.services);
    this.slices = informers.informer(resources.endpointSlices);
    this.slices.addIndex(mirroredIndex, mirroredOf);
    this.slicesOf = (key: string) => this.slices.byIndex(mirroredIndex, key);
    this.queue = createWorkQueue<string>({
      clock,
      metrics: { registry: metrics, name: 'endpoint_slice_mirroring' },
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    const { queue, written } = this;
    const wakeEndpoints = (endpoints: Endpoints): void => {
      if (mayMirror(endpoints)) queue.add(keyOf(endpoints));
    };
    observe(
      this.endpoints,
      {
        onAdd: wakeEndpoints,
        onUpdate: (previous, endpoints) => {
          if (mayMirror(previous) || mayMirror(endpoints)) queue.add(keyOf(endpoints));
        },
        onDelete: wakeEndpoints,
      },
      signal,
    );
    const wakeService = (service: Service): void => {
      if (!service.spec?.selector) queue.add(keyOf(service));
    };
    observe(
      this.services,
      {
        onAdd: wakeService,
        onUpdate: (previous, service) => {
          if (!previous.spec?.selector !== !service.spec?.selector) queue.add(keyOf(service));
        },
        onDelete: wakeService,
      },
      signal,
    );
    const wakeSlice = (slice: EndpointSlice): void => {
      for (const key of mirroredOf(slice)) queue.add(key);
    };
    observe(
      this.slices,
      {
        onAdd: (slice) => {
          if (written.isForeign(slice)) wakeSlice(slice);
        },
        onUpdate: (previous, slice) => {
          if (!written.isForeign(slice)) return;
          wakeSlice(previous);
          wakeSlice(slice);
        },
        onDelete: (slice) => {
          if (!written.wasDeleted(slice)) wakeSlice(slice);
        },
      },
      signal,
    );
    if (!(await untilSynced([this.endpoints, this.services, this.slices], signal))) return;
    const options = { clock, log, kind: 'endpoints', maxRetries };
    await runWorkers(queue, this.options.workers ?? 5, (key) => this.sync(key, signal), options, signal);
  }

  private async sync(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const endpoints = this.endpoints.get(key);
    const service = this.services.get(key);
    const slices = this.slicesOf(key);
    if (!endpoints || !mayMirror(endpoints) || !service || service.spec?.selector) {
      this.written.forget(key);
      for (const slice of slices) await this.remove(key, slice, signal);
      return undefined;
    }
    if (this.written.isStale(key, slices)) return { requeue: true };
    const max = this.options.maxEndpointsPerSubset ?? 1000;
    const living = slices.filter((slice) => !isBeingDeleted(slice));
    const { create, update, remove, invalid, skipped } = planMirror(endpoints, living, max);
    const warn = (reason: string, message: string): void =>
      this.events.event(endpoints, { type: 'Warning', reason, message });
    if (invalid > 0)
      warn('InvalidIPAddress', `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`);
    if (skipped > invalid)
      warn(
        'TooManyAddressesToMirror',
        `A max of ${max} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`,
      );
    const client = this.context.client.resource(resources.endpointSlices);
    try {
      if (!isBeingDeleted(endpoints))
        for (const slice of create) this.written.wrote(key, await client.create(slice, { signal }));
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      throw error;
    }
    for (const slice of update) this.written.wrote(key, await client.update(slice, { signal }));
    for (const slice of remove) await this.remove(key, slice, signal);
    return undefined;
  }

  private async remove(key: string, slice: EndpointSlice, signal: AbortSignal): Promise<void> {
    this.written.deleting(key, slice);
    try {
      await this.context.client
        .resource(resources.endpointSlices)
        .delete(slice.metadata.name!, { namespace: slice.metadata.namespace!, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

const mirroredIndex = 'endpointslice-mirroring/endpoints';
const mirroredOf = ({ metadata }: EndpointSlice): readonly string[] => {
  const name = metadata.labels?.[serviceNameLabel];
  return name && metadata.labels?.[managedByLabel] === mirroringName ? [`${metadata.namespace}/${name}`] : [];
};

/** Not those the endpoints controller marks as its own, and not locks of leader elections. */
const mayMirror = ({ metadata }: Endpoints): boolean =>
  metadata.labels?.['endpointslice.kubernetes.io/skip-mirror'] !== 'true' &&
  metadata.annotations?.['control-plane.alpha.kubernetes.io/leader'] === undefined;

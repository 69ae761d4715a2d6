/** Sets the number of replicas of what has a scale by what its pods (or anything else) measure. Source: pkg/controller/podautoscaler. */
import { sameJson } from '../../api/edit.ts';
import { isConflict } from '../../api/errors.ts';
import { findCondition, parseApiVersion } from '../../api/meta.ts';
import { formatQuantity, makeQuantity, parseMilli } from '../../api/quantity.ts';
import { matchLabels } from '../../api/selectors/label-selector.ts';
import { parseLabelSelector } from '../../api/selectors/parse-label-selector.ts';
import { formatTime } from '../../api/time.ts';
import type { Scale } from '../../api/types/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricSpec,
  MetricStatus,
  MetricTarget,
} from '../../api/types/autoscaling-v2.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { type DiscoveredResource, discoverResources } from '../../client/discovery.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';
import { namespaceIndex } from '../owner-index.ts';
import { createRestMapping } from '../rest-mapping.ts';
import { type History, limit, newHistory, remember } from './behavior.ts';
import { createMetricsClient, type MetricsClient } from './metrics.ts';
import {
  type CalculatorOptions,
  type Proposal,
  replicasForAverage,
  replicasForShare,
  replicasForTotal,
  replicasForUtilization,
} from './replicas.ts';

export interface HorizontalPodAutoscalerOptions {
  /** --horizontal-pod-autoscaler-sync-period */
  readonly syncPeriodMs?: number;
  /** --horizontal-pod-autoscaler-tolerance */
  readonly tolerance?: number;
  /** --horizontal-pod-autoscaler-downscale-stabilization */
  readonly downscaleStabilizationMs?: number;
}

export function horizontalPodAutoscalerController(options: HorizontalPodAutoscalerOptions = {}): Controller {
  const { syncPeriodMs = 15_000 } = options;
  return {
    name: 'horizontal-pod-autoscaler-controller',
    async run(context, signal) {
      const { informers, clock, log, metrics } = context;
      const scalers = informers.informer(resources.horizontalPodAutoscalersV2);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'horizontalpodautoscaler' } });
      const run = new Run(context, options, signal);
      observe(
        scalers,
        {
          onAdd: (scaler) => queue.add(keyOf(scaler)),
          onUpdate: (before, scaler) => {
            // Our own status is no reason to look again before its time.
            if (before.metadata.generation !== scaler.metadata.generation || !sameJson(before.spec, scaler.spec))
              queue.add(keyOf(scaler));
          },
          onDelete: (scaler) => run.forget(keyOf(scaler)),
        },
        signal,
      );
      if (!(await untilSynced([scalers, run.pods], signal))) return;
      const reconcile = async (key: string) => {
        const scaler = scalers.get(key);
        if (!scaler) return undefined;
        try {
          await run.reconcile(scaler, key);
        } catch (error) {
          if (signal.aborted) return undefined;
          // The next look comes in its time, whatever went wrong: metrics come and go.
          log.debug('Autoscaling failed', { horizontalpodautoscaler: key, error });
        }
        return { requeueAfterMs: syncPeriodMs };
      };
      await runWorkers(queue, 5, reconcile, { clock, log, kind: 'horizontalpodautoscaler' }, signal);
    },
  };
}

type Told = Omit<HorizontalPodAutoscalerCondition, 'lastTransitionTime'>;

class Failure extends Error {
  readonly condition: Told;
  constructor(message: string, reason: string) {
    super(message);
    this.condition = { type: 'ScalingActive', status: 'False', reason, message };
  }
}

class Run {
  readonly pods;
  private readonly context: ControllerContext;
  private readonly options: HorizontalPodAutoscalerOptions;
  private readonly signal: AbortSignal;
  private readonly metrics: MetricsClient;
  private readonly histories = new Map<string, History>();
  private readonly podsIn;
  private mapping: { readonly atMs: number; readonly resources: readonly DiscoveredResource[] } | undefined;

  constructor(context: ControllerContext, options: HorizontalPodAutoscalerOptions, signal: AbortSignal) {
    this.context = context;
    this.options = options;
    this.signal = signal;
    this.pods = context.informers.informer(resources.pods);
    this.podsIn = namespaceIndex(this.pods);
    this.metrics = createMetricsClient(context.client.transport, signal);
  }

  forget(key: string): void {
    this.histories.delete(key);
  }

  async reconcile(scaler: HorizontalPodAutoscaler, key: string): Promise<void> {
    const { events, clock, client } = this.context;
    const { signal } = this;
    const warn = (reason: string, message: string): void => events.event(scaler, { type: 'Warning', reason, message });
    const conditions = new Conditions(scaler, formatTime(clock.now()));
    const { kind, name, apiVersion = '' } = scaler.spec.scaleTargetRef;
    const namespace = scaler.metadata.namespace!;
    let scale: Scale;
    let target: DiscoveredResource;
    try {
      target = await this.resourceOf(apiVersion, kind);
      scale = (await client.resource(target).get(name, { namespace, subresource: 'scale', signal })) as Scale;
    } catch (error) {
      if (signal.aborted) throw error;
      const why = messageOf(error);
      warn('FailedGetScale', why);
      conditions.set({
        type: 'AbleToScale',
        status: 'False',
        reason: 'FailedGetScale',
        message: `the HPA controller was unable to get the target's current scale: ${why}`,
      });
      await this.write(scaler, { ...scaler.status, conditions: conditions.list });
      throw error;
    }
    conditions.set({
      type: 'AbleToScale',
      status: 'True',
      reason: 'SucceededGetScale',
      message: "the HPA controller was able to get the target's current scale",
    });
    const current = scale.spec?.replicas ?? 0;
    const nowMs = clock.now();
    const history = this.histories.get(key) ?? newHistory(current, nowMs);
    this.histories.set(key, history);
    const min = scaler.spec.minReplicas ?? 1;
    const max = scaler.spec.maxReplicas;
    let desired = current;
    let why = '';
    let statuses: readonly MetricStatus[] = [];
    if (current === 0 && min !== 0) {
      conditions.set({
        type: 'ScalingActive',
        status: 'False',
        reason: 'ScalingDisabled',
        message: 'scaling is disabled since the replica count of the target is zero',
      });
    } else if (current > max) {
      [desired, why] = [max, 'Current number of replicas above Spec.MaxReplicas'];
    } else if (current < min) {
      [desired, why] = [min, 'Current number of replicas below Spec.MinReplicas'];
    } else {
      const proposal = await this.propose(scaler, scale, conditions);
      statuses = proposal.statuses;
      if (proposal.replicas === undefined) {
        await this.write(scaler, {
          ...scaler.status,
          currentReplicas: current,
          currentMetrics: statuses,
          conditions: conditions.list,
        });
        warn('FailedComputeMetricsReplicas', proposal.failure);
        throw new Error(proposal.failure);
      }
      if (proposal.replicas > current) why = `${proposal.metric} above target`;
      if (proposal.replicas < current) why = 'All metrics below target';
      const { replicas, able, limited } = limit(scaler.spec.behavior, history, {
        current,
        proposed: proposal.replicas,
        min,
        max,
        nowMs,
        downscaleStabilizationMs: this.options.downscaleStabilizationMs ?? 300_000,
      });
      conditions.set({ type: 'AbleToScale', status: 'True', ...able });
      conditions.set({ type: 'ScalingLimited', ...limited });
      desired = replicas;
    }
    let rescaled = false;
    if (desired !== current) {
      try {
        await this.setScale(target, scale, desired);
      } catch (error) {
        if (signal.aborted) throw error;
        const failure = messageOf(error);
        warn('FailedRescale', `New size: ${desired}; reason: ${why}; error: ${failure}`);
        conditions.set({
          type: 'AbleToScale',
          status: 'False',
          reason: 'FailedUpdateScale',
          message: `the HPA controller was unable to update the target scale: ${failure}`,
        });
        await this.write(scaler, {
          ...scaler.status,
          currentReplicas: current,
          currentMetrics: statuses,
          conditions: conditions.list,
        });
        throw error;
      }
      rescaled = true;
      conditions.set({
        type: 'AbleToScale',
        status: 'True',
        reason: 'SucceededRescale',
        message: `the HPA controller was able to update the target scale to ${desired}`,
      });
      events.event(scaler, {
        type: 'Normal',
        reason: 'SuccessfulRescale',
        message: `New size: ${desired}; reason: ${why}`,
      });
      remember(history, current, desired, nowMs);
    }
    const lastScaleTime = rescaled ? formatTime(nowMs) : scaler.status?.lastScaleTime;
    await this.write(scaler, {
      ...(scaler.status?.observedGeneration === undefined
        ? {}
        : { observedGeneration: scaler.status.observedGeneration }),
      ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
      currentReplicas: current,
      desiredReplicas: desired,
      currentMetrics: statuses,
      conditions: conditions.list,
    });
  }

  /** The greatest of what the metrics propose; failing ones keep it from getting smaller. */
  private async propose(
    scaler: HorizontalPodAutoscaler,
    scale: Scale,
    conditions: Conditions,
  ): Promise<
    | { readonly replicas: number; readonly metric: string; readonly statuses: readonly MetricStatus[] }
    | { readonly replicas: undefined; readonly failure: string; readonly statuses: readonly MetricStatus[] }
  > {
    const { events } = this.context;
    const current = scale.spec?.replicas ?? 0;
    const fail = (condition: Told, failure: string, statuses: readonly MetricStatus[]) => {
      conditions.set(condition);
      return { replicas: undefined, failure, statuses } as const;
    };
    const selector = scale.status?.selector ?? '';
    if (selector === '') {
      events.event(scaler, { type: 'Warning', reason: 'SelectorRequired', message: 'selector is required' });
      const message = "the HPA target's scale is missing a selector";
      return fail(
        { type: 'ScalingActive', status: 'False', reason: 'InvalidSelector', message },
        'selector is required',
        [],
      );
    }
    const matcher = parseLabelSelector(selector);
    const pods = this.podsIn(scaler.metadata.namespace!).filter((pod) => matchLabels(matcher, pod.metadata.labels));
    const specs = scaler.spec.metrics ?? [];
    const statuses: MetricStatus[] = [];
    let best: { replicas: number; metric: string } | undefined;
    let invalid = 0;
    let first: Failure | undefined;
    for (const spec of specs) {
      try {
        const found = await this.metric(scaler, scale, selector, pods, spec);
        statuses.push(found.status);
        if (!best || found.proposal.replicas > best.replicas)
          best = { replicas: found.proposal.replicas, metric: found.name };
      } catch (error) {
        if (this.signal.aborted) throw error;
        const { failedReason, prefix } = wording(spec);
        const why = messageOf(error);
        events.event(scaler, { type: 'Warning', reason: failedReason, message: why });
        first ??= new Failure(`the HPA was unable to compute the replica count: ${why}`, failedReason);
        if (invalid === 0) first.message = `${prefix}: ${why}`;
        invalid++;
      }
    }
    if (!best || (invalid > 0 && best.replicas < current)) {
      const failure = `invalid metrics (${invalid} invalid out of ${specs.length}), first error is: ${first?.message ?? 'there are none'}`;
      const condition = first?.condition ?? new Failure('the HPA has no metrics', 'InvalidMetricSourceType').condition;
      return fail(condition, failure, statuses);
    }
    conditions.set({
      type: 'ScalingActive',
      status: 'True',
      reason: 'ValidMetricFound',
      message: `the HPA was able to successfully calculate a replica count from ${best.metric}`,
    });
    return { ...best, statuses };
  }

  private async metric(
    scaler: HorizontalPodAutoscaler,
    scale: Scale,
    selector: string,
    pods: readonly Pod[],
    spec: MetricSpec,
  ): Promise<{ readonly proposal: Proposal; readonly name: string; readonly status: MetricStatus }> {
    const namespace = scaler.metadata.namespace!;
    const { tolerance = 0.1 } = this.options;
    const { scaleUp, scaleDown } = scaler.spec.behavior ?? {};
    const tolerances = {
      up: scaleUp?.tolerance === undefined ? tolerance : parseMilli(scaleUp.tolerance) / 1000,
      down: scaleDown?.tolerance === undefined ? tolerance : parseMilli(scaleDown.tolerance) / 1000,
    };
    const options: CalculatorOptions = {
      pods,
      currentReplicas: scale.spec?.replicas ?? 0,
      tolerances,
      nowMs: this.context.clock.now(),
    };
    const shown = scale.status?.replicas ?? 0;
    if (spec.type === 'Resource' || spec.type === 'ContainerResource') {
      const source = (spec.resource ?? spec.containerResource)!;
      const container = spec.containerResource?.container ?? '';
      const metrics = await this.metrics
        .resource(namespace, selector, source.name, container)
        .catch((error: unknown) => {
          throw new Error(`unable to get metrics for resource ${source.name}: ${messageOf(error)}`);
        });
      const { averageValue, averageUtilization } = source.target;
      const ofContainer = container === '' ? '' : ' container';
      let proposal: Proposal;
      try {
        proposal =
          averageValue === undefined
            ? replicasForUtilization(metrics, averageUtilization!, options, source.name, container)
            : replicasForAverage(metrics, parseMilli(averageValue), options, source.name);
      } catch (error) {
        const what = averageValue === undefined ? 'utilization' : 'usage';
        throw new Error(`failed to get ${source.name} ${what}: ${messageOf(error)}`);
      }
      const current = {
        averageValue: milli(proposal.averageMilli, source.name === 'memory' ? 'BinarySI' : 'DecimalSI'),
        ...(proposal.utilization === undefined ? {} : { averageUtilization: proposal.utilization }),
      };
      const name =
        averageValue === undefined
          ? `${source.name}${ofContainer} resource utilization (percentage of request)`
          : `${source.name} resource`;
      const status: MetricStatus = spec.containerResource
        ? { type: spec.type, containerResource: { name: source.name, container, current } }
        : { type: spec.type, resource: { name: source.name, current } };
      return { proposal, name, status };
    }
    if (spec.type === 'Pods') {
      const { metric, target } = spec.pods!;
      const metrics = await this.metrics.pods(namespace, selector, metric.name, metric.selector);
      const proposal = replicasForAverage(metrics, parseMilli(target.averageValue!), options);
      const status = { type: spec.type, pods: { metric, current: { averageValue: milli(proposal.averageMilli) } } };
      return { proposal, name: `pods metric ${metric.name}`, status };
    }
    const asWhole = (usage: number, target: MetricTarget): { proposal: Proposal; current: MetricStatusValue } => {
      if (target.type === 'Value' && target.value !== undefined) {
        const proposal = replicasForTotal(usage, parseMilli(target.value), options);
        return { proposal, current: { value: milli(usage) } };
      }
      const proposal = replicasForShare(usage, parseMilli(target.averageValue!), shown, tolerances);
      return { proposal, current: { averageValue: milli(proposal.averageMilli) } };
    };
    if (spec.type === 'Object') {
      const { describedObject, metric, target } = spec.object!;
      const { group, resource } = await this.resourceOf(describedObject.apiVersion ?? '', describedObject.kind);
      const path = group === '' ? resource : `${resource}.${group}`;
      const usage = await this.metrics.object(namespace, path, describedObject, metric.name, metric.selector);
      const { proposal, current } = asWhole(usage, target);
      const status = { type: spec.type, object: { describedObject, metric, current } };
      return { proposal, name: `${describedObject.kind} metric ${metric.name}`, status };
    }
    if (spec.type === 'External') {
      const { metric, target } = spec.external!;
      const { proposal, current } = asWhole(
        await this.metrics.external(namespace, metric.name, metric.selector),
        target,
      );
      return {
        proposal,
        name: `external metric ${metric.name}`,
        status: { type: spec.type, external: { metric, current } },
      };
    }
    throw new Error(`unknown metric source type ${JSON.stringify(spec.type)}`);
  }

  private async setScale(target: DiscoveredResource, scale: Scale, replicas: number): Promise<void> {
    const { client } = this.context;
    const { name = '', namespace = '' } = scale.metadata;
    let current = scale;
    for (let attempt = 0; ; attempt++)
      try {
        const next = { ...current, spec: { ...current.spec, replicas } };
        await client.resource(target).update(next, { namespace, subresource: 'scale', signal: this.signal });
        return;
      } catch (error) {
        if (!isConflict(error) || attempt >= 4) throw error;
        current = (await client
          .resource(target)
          .get(name, { namespace, subresource: 'scale', signal: this.signal })) as Scale;
      }
  }

  /** What a target is, by discovery; asked again for an unknown kind, at most every ten seconds. */
  private async resourceOf(apiVersion: string, kind: string): Promise<DiscoveredResource> {
    const { clock, client } = this.context;
    for (;;) {
      const fresh = this.mapping === undefined;
      this.mapping ??= {
        atMs: clock.monotonic(),
        resources: (await discoverResources(client.transport, this.signal)).resources,
      };
      const found = createRestMapping(this.mapping.resources).resourceOf(apiVersion, kind);
      if (found) return found;
      if (fresh || clock.monotonic() - this.mapping.atMs < 10_000) break;
      this.mapping = undefined;
    }
    const { group } = parseApiVersion(apiVersion);
    throw new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`);
  }

  private async write(scaler: HorizontalPodAutoscaler, status: Partial<HorizontalPodAutoscalerStatus>): Promise<void> {
    const next = { ...status, desiredReplicas: status.desiredReplicas ?? 0 } as HorizontalPodAutoscalerStatus;
    if (sameJson(next, scaler.status)) return;
    try {
      await this.context.client
        .resource(resources.horizontalPodAutoscalersV2)
        .updateStatus({ ...scaler, status: next }, { signal: this.signal });
    } catch (error) {
      if (this.signal.aborted || isConflict(error)) return;
      const message = messageOf(error);
      this.context.events.event(scaler, { type: 'Warning', reason: 'FailedUpdateStatus', message });
      throw error;
    }
  }
}

interface MetricStatusValue {
  readonly value?: string;
  readonly averageValue?: string;
}

/** Conditions by type; a time changes with the status only. */
class Conditions {
  list: readonly HorizontalPodAutoscalerCondition[];
  private readonly now: string;

  constructor(scaler: HorizontalPodAutoscaler, now: string) {
    this.list = scaler.status?.conditions ?? [];
    this.now = now;
  }
  set(told: Told): void {
    const known = findCondition(this.list, told.type);
    const lastTransitionTime = known?.status === told.status ? known.lastTransitionTime! : this.now;
    const next = { ...told, lastTransitionTime };
    this.list = known ? this.list.map((each) => (each.type === told.type ? next : each)) : [...this.list, next];
  }
}

const milli = (value: number, format: 'BinarySI' | 'DecimalSI' = 'DecimalSI'): string =>
  formatQuantity(makeQuantity(Math.trunc(value), format, { milli: true }));
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function wording({ type, resource, containerResource, external }: MetricSpec): {
  readonly failedReason: string;
  readonly prefix: string;
} {
  switch (type) {
    case 'Resource':
      return {
        failedReason: 'FailedGetResourceMetric',
        prefix: `failed to get ${resource?.name} resource metric value`,
      };
    case 'ContainerResource':
      return {
        failedReason: 'FailedGetContainerResourceMetric',
        prefix: `failed to get ${containerResource?.container} container metric value`,
      };
    case 'Pods':
      return { failedReason: 'FailedGetPodsMetric', prefix: 'failed to get pods metric value' };
    case 'Object':
      return { failedReason: 'FailedGetObjectMetric', prefix: 'failed to get object metric value' };
    default:
      return {
        failedReason: 'FailedGetExternalMetric',
        prefix: `failed to get ${external?.metric.name} external metric value`,
      };
  }
}

/**
 * Notices nodes that fell silent: conditions become Unknown, taints keep pods away and, at a careful pace, drive them off (the
 * taint-eviction controller deletes them). Source: pkg/controller/nodelifecycle.
 */
import { isConflict, isNotFound } from '../../api/errors.ts';
import { findCondition, setCondition } from '../../api/meta.ts';
import { formatTime } from '../../api/time.ts';
import type { Node, NodeCondition, Pod, Taint } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { inParallel } from '../in-parallel.ts';
import { observe, untilSynced } from '../observe.ts';
import { podsByNode } from '../pods-by-node.ts';
import { createEvictionPace } from './eviction-pace.ts';
import { type HealthTimings, judgeNode, type NodeHealth } from './node-health.ts';
import {
  hasTaint,
  healthTaint,
  labelsToReconcile,
  notReadyTaint,
  readyStatus,
  unreachableTaint,
  withNoExecuteTaint,
  withNoScheduleTaints,
} from './node-taints.ts';
import { defaultEvictionRates, type EvictionRates, zoneOf } from './zones.ts';

export interface NodeLifecycleOptions extends Partial<HealthTimings>, Partial<EvictionRates> {
  /** Between looks at all nodes. Default 5 s. */
  readonly monitorPeriodMs?: number;
}

const evictionTickMs = 100;
/** Nodes looked at, and written, at a time. */
const workers = 20;
const excludeDisruption = 'node.kubernetes.io/exclude-disruption';

export function createNodeLifecycleController(options: NodeLifecycleOptions = {}): Controller {
  const timings: HealthTimings = {
    monitorGraceMs: options.monitorGraceMs ?? 50_000,
    startupGraceMs: options.startupGraceMs ?? 60_000,
  };
  const { monitorPeriodMs = 5000 } = options;
  return {
    name: 'node-lifecycle-controller',
    async run(context, signal) {
      const { informers, clock, log, metrics } = context;
      const nodes = informers.informer(resources.nodes);
      const leases = informers.informer(resources.leases, { namespace: 'kube-node-lease' });
      const pods = informers.informer(resources.pods);
      const onNode = podsByNode(pods);
      const writer = createWriter(context, signal);
      const queue = createWorkQueue<string>({
        clock,
        metrics: { registry: metrics, name: 'node_lifecycle_controller' },
      });
      const enqueue = (node: Node): void => queue.add(node.metadata.name ?? '');
      observe(nodes, { onAdd: enqueue, onUpdate: (_, node) => enqueue(node) }, signal);
      if (!(await untilSynced([nodes, leases, pods], signal))) return;

      const health = new Map<string, NodeHealth>();
      const pace = createEvictionPace(clock, { ...defaultEvictionRates, ...options });
      /** Nodes whose pods could not all be marked: tried again at each look. */
      const unmarked = new Set<string>();

      const look = async (): Promise<void> => {
        const all = nodes.list();
        const ready = new Map<string, string[]>();
        const now = { wall: clock.now(), monotonic: clock.monotonic() };
        for (const name of health.keys())
          if (!nodes.get(name)) {
            health.delete(name);
            unmarked.delete(name);
            pace.remove(name);
          }
        await inParallel(all, workers, async (node) => {
          const name = node.metadata.name ?? '';
          const verdict = judgeNode(node, leases.get(`kube-node-lease/${name}`), health.get(name), timings, now);
          if (verdict.conditions) {
            try {
              await writer.writeConditions(node, verdict.conditions);
            } catch (error) {
              if (signal.aborted) return;
              if (!isConflict(error) && !isNotFound(error))
                log.warn('Cannot write node conditions', { node: name, error });
              // The node has changed meanwhile: it is judged anew next time, from the same last sign of life.
              return;
            }
          }
          health.set(name, verdict.health);
          const { observed, current } = verdict;
          const zone = zoneOf(node);
          if (node.metadata.labels?.[excludeDisruption] === undefined) {
            const statuses = ready.get(zone);
            if (statuses) statuses.push(current);
            else ready.set(zone, [current]);
          }
          if (current !== 'True' && observed === 'True') {
            writer.recordNotReady(node);
            unmarked.add(name);
          }
          if (current !== 'True' && unmarked.has(name) && (await writer.markPodsNotReady(name, onNode(name))))
            unmarked.delete(name);

          const wanted = healthTaint(current);
          const other = current === 'Unknown' ? notReadyTaint : unreachableTaint;
          if (wanted === undefined) {
            unmarked.delete(name);
            pace.remove(name);
            if (hasTaint(node, notReadyTaint, 'NoExecute') || hasTaint(node, unreachableTaint, 'NoExecute'))
              await writer.setHealthTaint(name, undefined);
          } else if (hasTaint(node, other, 'NoExecute')) await writer.setHealthTaint(name, wanted);
          else if (!hasTaint(node, wanted, 'NoExecute')) pace.add(zone, name);
        });
        if (signal.aborted) return;
        const turn = pace.update(ready);
        if (turn === 'stop') {
          log.warn('All nodes are not ready: no pods are evicted until one is', { nodes: all.length });
          await inParallel(all, workers, (node) => writer.setHealthTaint(node.metadata.name ?? '', undefined));
        } else if (turn === 'resume') {
          log.info('Nodes are ready again, evictions go on');
          const restart = clock.monotonic();
          for (const [name, state] of health) health.set(name, { ...state, probeAt: restart });
        }
      };

      const monitor = async (): Promise<void> => {
        while (!signal.aborted) {
          const next = clock.monotonic() + monitorPeriodMs;
          await look();
          for (;;) {
            for (const name of pace.take()) {
              const node = nodes.get(name);
              if (node) await writer.setHealthTaint(name, healthTaint(readyStatus(node)));
            }
            const left = next - clock.monotonic();
            if (left <= 0 || signal.aborted) break;
            await clock.sleep(pace.waiting ? Math.min(left, evictionTickMs) : left, signal);
          }
        }
      };
      const settle = (name: string): Promise<void> => {
        const node = nodes.get(name);
        return node ? writer.settleTaintsAndLabels(node) : Promise.resolve();
      };
      await Promise.all([monitor(), runWorkers(queue, 8, settle, { clock, log, kind: 'node' }, signal)]);
    },
  };
}

/** What the controller writes. Taints are written with the version they were computed from: others write taints too. */
function createWriter({ client, clock, events, informers, log }: ControllerContext, signal: AbortSignal) {
  const nodes = client.resource(resources.nodes);
  const cached = informers.informer(resources.nodes);
  const pods = client.resource(resources.pods);
  const recorder = events.withComponent('node-controller');
  const stamp = (): string => formatTime(clock.now());

  const patchTaints = (node: Node, taints: readonly Taint[]): Promise<Node> =>
    nodes.patch(
      node.metadata.name ?? '',
      {
        type: 'merge',
        patch: {
          metadata: { resourceVersion: node.metadata.resourceVersion ?? '' },
          spec: { taints: taints.length === 0 ? null : taints.map((taint) => ({ ...taint })) },
        },
      },
      { signal },
    );

  return {
    async writeConditions(node: Node, conditions: readonly NodeCondition[]): Promise<void> {
      await nodes.updateStatus({ ...node, status: { ...node.status, conditions } }, { signal });
    },
    recordNotReady(node: Node): void {
      const name = node.metadata.name ?? '';
      log.info('Node is not ready any more', { node: name });
      recorder.event(node, {
        type: 'Normal',
        reason: 'NodeNotReady',
        message: `Node ${name} status is now: NodeNotReady`,
      });
    },
    /** @returns false when some could not be marked. */
    async markPodsNotReady(node: string, onNode: readonly Pod[]): Promise<boolean> {
      let all = true;
      for (const pod of onNode) {
        const ready = findCondition(pod.status?.conditions, 'Ready');
        if (ready?.status !== 'True' || !pod.status) continue;
        const conditions = setCondition(
          pod.status.conditions,
          { ...ready, status: 'False', lastTransitionTime: stamp() },
          stamp(),
        );
        try {
          await pods.updateStatus({ ...pod, status: { ...pod.status, conditions } }, { signal });
          recorder.event(pod, { type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' });
        } catch (error) {
          if (signal.aborted) return false;
          if (isNotFound(error)) continue;
          all = false;
          if (!isConflict(error)) log.warn('Cannot mark pod as not ready', { pod: keyOf(pod), node, error });
        }
      }
      return all;
    },
    /** `undefined` takes both health taints away. A conflict is left to the next look. */
    async setHealthTaint(name: string, key: string | undefined): Promise<void> {
      const node = cached.get(name);
      if (!node) return;
      const taints = withNoExecuteTaint(node, key, stamp());
      if (taints === node.spec?.taints || (taints.length === 0 && !node.spec?.taints)) return;
      try {
        await patchTaints(node, taints);
        log.info(key === undefined ? 'Removed health taints from node' : 'Tainted node', {
          node: name,
          ...(key ? { taint: key } : {}),
        });
      } catch (error) {
        if (signal.aborted || isNotFound(error)) return;
        if (!isConflict(error)) log.warn('Cannot taint node', { node: name, error });
      }
    },
    /** The quick part, at each change of a node. @throws also conflicts: the queue tries again. */
    async settleTaintsAndLabels(node: Node): Promise<void> {
      const taints = withNoScheduleTaints(node, stamp());
      const labels = labelsToReconcile(node);
      try {
        if (taints !== node.spec?.taints && (taints.length > 0 || node.spec?.taints)) await patchTaints(node, taints);
        if (labels)
          await nodes.patch(
            node.metadata.name ?? '',
            { type: 'strategic', patch: { metadata: { labels } } },
            { signal },
          );
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
  };
}

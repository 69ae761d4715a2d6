/**
 * Deletes pods that do not tolerate a NoExecute taint of their node, at once or when their toleration runs out.
 * Source: pkg/controller/tainteviction/taint_eviction.go.
 */
import { isNotFound } from '../../api/errors.ts';
import { formatTime } from '../../api/time.ts';
import type { Node, Pod, Taint } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { type ReconcileResult, runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';
import { podsByNode } from '../pods-by-node.ts';
import { tolerationMs } from './tolerations.ts';

interface Scheduled {
  readonly uid: string | undefined;
  /** When the pod's node was first seen tainted; the toleration counts from there. */
  readonly since: number;
}

export function createTaintEvictionController(): Controller {
  return {
    name: 'taint-eviction-controller',
    async run({ client, informers, events, clock, log, metrics }, signal) {
      const api = client.resource(resources.pods);
      const nodes = informers.informer(resources.nodes);
      const pods = informers.informer(resources.pods);
      const onNode = podsByNode(pods);
      const recorder = events.withComponent('taint-eviction-controller');
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'noexec_taint_pod' } });
      const scheduled = new Map<string, Scheduled>();

      const enqueuePodsOf = (node: Node): void => {
        for (const pod of onNode(node.metadata.name ?? '')) queue.add(keyOf(pod));
      };
      observe(
        nodes,
        {
          onAdd: (node) => {
            if (noExecute(node).length > 0) enqueuePodsOf(node);
          },
          onUpdate: (before, node) => {
            // Taint lists are shared by unchanged objects' copies only in process; over the wire they are compared.
            if (
              before.spec?.taints !== node.spec?.taints &&
              JSON.stringify(noExecute(before)) !== JSON.stringify(noExecute(node))
            )
              enqueuePodsOf(node);
          },
        },
        signal,
      );
      const enqueue = (pod: Pod): void => {
        const node = pod.spec?.nodeName;
        if (!node) return;
        const key = keyOf(pod);
        // Nearly every pod is on a node without such a taint: it costs nothing.
        if (scheduled.has(key) || noExecute(nodes.get(node)).length > 0) queue.add(key);
      };
      observe(
        pods,
        {
          onAdd: enqueue,
          onUpdate: (before, pod) => {
            if (before.spec?.nodeName !== pod.spec?.nodeName || before.spec?.tolerations !== pod.spec?.tolerations)
              enqueue(pod);
          },
          onDelete: (pod) => void scheduled.delete(keyOf(pod)),
        },
        signal,
      );
      if (!(await untilSynced([nodes, pods], signal))) return;

      const cancel = (key: string, pod: Pod): void => {
        if (!scheduled.delete(key)) return;
        log.debug('Pod may stay', { pod: key });
        recorder.event(pod, {
          type: 'Normal',
          reason: 'TaintManagerEviction',
          message: `Cancelling deletion of Pod ${key}`,
        });
      };
      const evict = async (key: string, pod: Pod): Promise<void> => {
        recorder.event(pod, {
          type: 'Normal',
          reason: 'TaintManagerEviction',
          message: `Marking for deletion Pod ${key}`,
        });
        const { name = '', namespace = '', uid } = pod.metadata;
        const condition = {
          type: 'DisruptionTarget',
          status: 'True',
          reason: 'DeletionByTaintManager',
          message: 'Taint manager: deleting due to NoExecute taint',
          lastTransitionTime: formatTime(clock.now()),
        };
        const patch = { metadata: { uid: uid ?? '' }, status: { conditions: [condition] } };
        try {
          await api.patch(name, { type: 'strategic', patch }, { namespace, subresource: 'status', signal });
          await api.delete(name, { namespace, body: uid ? { preconditions: { uid } } : {}, signal });
          log.info('Evicted pod from tainted node', { pod: key, node: pod.spec?.nodeName });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
        scheduled.delete(key);
      };

      const reconcile = async (key: string): Promise<ReconcileResult> => {
        const pod = pods.get(key);
        if (!pod || pod.metadata.deletionTimestamp !== undefined) {
          scheduled.delete(key);
          return undefined;
        }
        const taints = noExecute(nodes.get(pod.spec?.nodeName ?? ''));
        const allowed = taints.length === 0 ? Number.POSITIVE_INFINITY : tolerationMs(taints, pod.spec?.tolerations);
        if (allowed === Number.POSITIVE_INFINITY) {
          cancel(key, pod);
          return undefined;
        }
        const known = scheduled.get(key);
        const since = known && known.uid === pod.metadata.uid ? known.since : clock.monotonic();
        const left = since + allowed - clock.monotonic();
        if (left <= 0) {
          await evict(key, pod);
          return undefined;
        }
        scheduled.set(key, { uid: pod.metadata.uid, since });
        return { requeueAfterMs: left };
      };
      await runWorkers(queue, 8, reconcile, { clock, log, kind: 'pod' }, signal);
    },
  };
}

const none: readonly Taint[] = Object.freeze([]);
function noExecute(node: Node | undefined): readonly Taint[] {
  const taints = node?.spec?.taints;
  if (taints === undefined || taints.length === 0) return none;
  return taints.filter(({ effect }) => effect === 'NoExecute');
}

/**
 * A node's agent: runs the pods bound to the node, tells the API server about them and about the node.
 *
 *   const kubelet = createKubelet({ nodeName: 'worker-1', client, pods, objects, events, runtime, environment, ... });
 *   await kubelet.run(signal);        // returns soon after the signal aborts; containers go on running
 *
 * The same code runs real nodes (containerd, `environment-host.ts`) and hollow ones (`hollow` runtime, `environment-hollow.ts`).
 */
import type { Secret } from '../api/types/core-v1.ts';
import { createTaskGroup } from '../base/task-group.ts';
import { createBackOff } from './containers/back-off.ts';
import { linuxResources } from './containers/container-config.ts';
import { createContainerRunner } from './containers/container-runner.ts';
import { createImageManager } from './containers/image-manager.ts';
import { createLifecycleHooks } from './containers/lifecycle-hooks.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { admitPod, fitResize } from './node/admission.ts';
import { createNodeAgent, type NodeAgent } from './node/node-agent.ts';
import { createOrphanKeeper } from './pods/orphans.ts';
import { createPodWorkers, type PodWorkers } from './pods/pod-workers.ts';
import { createRelist } from './pods/relist.ts';
import { createStatusManager, type StatusManager } from './pods/status-manager.ts';
import { noProbeManager } from './probes/probe-manager.ts';
import { rotateLogs } from './server/log-rotation.ts';

export interface Kubelet {
  /**
   * Registers the node and runs its pods until the signal aborts. Rejects only for programming errors. Containers keep running and are
   * adopted by the next run.
   */
  run(signal: AbortSignal): Promise<void>;
  /** For the kubelet's server and for tests; undefined before `run`. */
  readonly parts: KubeletParts | undefined;
}

export interface KubeletParts {
  readonly workers: PodWorkers;
  readonly statuses: StatusManager;
  readonly agent: NodeAgent;
}

export function createKubelet(options: KubeletOptions): Kubelet {
  const kubelet = {
    parts: undefined as KubeletParts | undefined,
    run: (signal: AbortSignal) =>
      runKubelet(options, signal, (parts) => {
        kubelet.parts = parts;
      }),
  };
  return kubelet;
}

async function runKubelet(
  options: KubeletOptions,
  outer: AbortSignal,
  started: (parts: KubeletParts) => void,
): Promise<void> {
  const { client, clock, config, environment, events, machine, nodeIPs, nodeName, objects, random, runtime } = options;
  const log = options.log.with({ node: nodeName });
  const tasks = createTaskGroup(outer);
  const { signal } = tasks;
  const timeoutMs = config.runtimeRequestTimeoutMs;

  const runtimeName = await askRuntimeName(options, signal);
  if (signal.aborted) return;
  const backOff = createBackOff(clock, { initialMs: 10_000, maxMs: config.crashLoopBackOffMaxMs });
  const imageBackOff = createBackOff(clock, { initialMs: 10_000, maxMs: 300_000 });
  const statuses = createStatusManager({ client, clock, log, signal });
  const probes =
    options.probes?.({ runtime, clock, events, log, wake: (uid) => workers.wake(uid), signal }) ?? noProbeManager;
  const agent = createNodeAgent({
    client,
    runtime,
    events,
    clock,
    log,
    config,
    facts: {
      nodeName,
      machine,
      config,
      nodeIPs,
      version: options.version,
      serverPort: config.enableServer ? config.port : 0,
    },
    jitter: () => random.float(),
    onChange: () => workers.wakeAll(),
  });
  const runner = createContainerRunner({
    runtime,
    environment,
    images: createImageManager({ runtime, clock, backOff: imageBackOff, timeoutMs }),
    hooks: createLifecycleHooks(runtime, clock),
    backOff,
    events,
    clock,
    log,
    timeoutMs,
    nodeMemoryBytes: machine.memoryBytes,
    cpuCFSQuota: config.cpuCFSQuota,
    runtimeHandler: async (pod) => {
      const name = pod.spec?.runtimeClassName;
      if (!name) return '';
      const found = await objects.runtimeClass(name);
      if (!found)
        throw new Error(
          `failed to get sandbox runtime: failed to look up runtime handler: runtimeclass.node.k8s.io ${JSON.stringify(name)} not found`,
        );
      return found.handler;
    },
    envContext: (pod, podIPs) => ({
      objects,
      nodeName,
      nodeIPs,
      podIPs: pod.spec?.hostNetwork ? nodeIPs : podIPs,
      allocatable: agent.node()?.status?.allocatable ?? {},
    }),
  });
  const workers = createPodWorkers({
    runtime,
    runtimeName,
    runner,
    environment,
    statuses,
    probes,
    events,
    clock,
    log,
    nodeIPs,
    timeoutMs,
    // A runtime that tells every change has no contents of volumes to bring up to date either.
    resyncMs: options.runtimeChanges ? 0 : config.syncFrequencyMs,
    jitter: () => random.float(),
    admit: (pod) => admitPod(pod, agent.node(), workers.active()),
    fitResize: (pod) =>
      fitResize(
        pod,
        agent.node(),
        workers.active().filter((other) => other.metadata.uid !== pod.metadata.uid),
      ),
    updateResources: async (pod, container, containerId, stepSignal) => {
      const linux = linuxResources(pod, container, {
        nodeMemoryBytes: machine.memoryBytes,
        cpuCFSQuota: config.cpuCFSQuota,
      });
      await runtime.updateContainerResources({ containerId, linux }, { signal: stepSignal, timeoutMs });
    },
    networkProblem: () => agent.networkProblem(),
    pullSecrets: async (pod, stepSignal) => {
      const found: Secret[] = [];
      for (const { name } of pod.spec?.imagePullSecrets ?? []) {
        const secret = await objects.secret(pod.metadata.namespace ?? '', name ?? '', { signal: stepSignal });
        if (secret) found.push(secret);
        else
          events.event(pod, {
            type: 'Warning',
            reason: 'FailedToRetrieveImagePullSecret',
            message: `Unable to retrieve some image pull secrets (${name}); attempting to pull the image may not succeed.`,
          });
      }
      return found;
    },
    signal,
  });
  started({ workers, statuses, agent });

  let unsubscribe: (() => void) | undefined;
  let stopListening: (() => void) | undefined;
  tasks.run('node agent', (s) => agent.run(s));
  tasks.run('pods', async (s) => {
    await options.pods.waitForSync(s);
    // Pods are judged by what the node offers, so the node comes first.
    while (!s.aborted && config.registerNode && agent.node() === undefined) await clock.sleep(20, s);
    if (s.aborted) return;
    // The oldest first: after a restart those that ran keep their places.
    const first = [...options.pods.list()].sort((a, b) =>
      (a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1,
    );
    for (const pod of first) workers.update(pod);
    unsubscribe = options.pods.subscribe({ onPod: (pod) => workers.update(pod), onGone: (pod) => workers.gone(pod) });
    if (options.runtimeChanges) {
      stopListening = options.runtimeChanges((uid) => workers.wake(uid, { runtimeChanged: true }));
    }
    const orphans = createOrphanKeeper({
      runtime,
      environment,
      clock,
      log,
      timeoutMs,
      known: (uid) => workers.has(uid),
    });
    const relist = createRelist({ runtime, timeoutMs });
    while (!s.aborted) {
      try {
        const { changed, present } = await relist.next(s);
        for (const uid of changed) workers.wake(uid, { runtimeChanged: true });
        await orphans.look(present, s);
        // Told of every change from now on; only what an earlier kubelet left behind had to be looked for.
        if (options.runtimeChanges && [...present].every((uid) => workers.has(uid))) return;
      } catch (error) {
        if (!s.aborted) log.warn('Cannot list the containers of the runtime', { error });
      }
      await clock.sleep(1000, s);
    }
  });
  if (!options.runtimeChanges)
    tasks.run('log rotation', (s) =>
      rotateLogs(
        {
          runtime,
          clock,
          log,
          maxSizeBytes: config.containerLogMaxSizeBytes,
          maxFiles: config.containerLogMaxFiles,
          timeoutMs,
        },
        s,
      ),
    );
  tasks.run('back-off records', async (s) => {
    while (!s.aborted) {
      await clock.sleep(600_000, s);
      backOff.collectGarbage();
      imageBackOff.collectGarbage();
    }
  });

  try {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    unsubscribe?.();
    stopListening?.();
    probes.close?.();
    await workers.settled();
    statuses.stop();
    await statuses.flush();
    await tasks.stop();
  }
  await tasks.done;
}

/** Waits for the runtime: without it nothing can be said about pods that may run already. */
async function askRuntimeName({ runtime, clock, log, config }: KubeletOptions, signal: AbortSignal): Promise<string> {
  let told = false;
  while (!signal.aborted) {
    try {
      return (await runtime.version({}, { signal, timeoutMs: config.runtimeRequestTimeoutMs })).runtimeName;
    } catch (error) {
      if (!told) log.warn('Container runtime does not answer yet', { error });
      told = true;
      await clock.sleep(200, signal);
    }
  }
  return '';
}

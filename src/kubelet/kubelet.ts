/**
 * A node's agent: runs the pods bound to the node, tells the API server about them and about the node.
 *
 *   const kubelet = createKubelet({ nodeName: 'worker-1', client, pods, objects, events, runtime, environment, ... });
 *   await kubelet.run(signal);        // returns soon after the signal aborts; containers go on running
 *
 * The same code runs real nodes (containerd, `environment-host.ts`) and hollow ones (`hollow` runtime, `environment-hollow.ts`).
 */
import type { Pod, Secret } from '../api/types/core-v1.ts';
import { createTaskGroup } from '../base/task-group.ts';
import { createBackOff } from './containers/back-off.ts';
import { linuxResources } from './containers/container-config.ts';
import { createContainerRunner } from './containers/container-runner.ts';
import { createImageCollector } from './containers/image-collector.ts';
import { createImageManager } from './containers/image-manager.ts';
import { createLifecycleHooks } from './containers/lifecycle-hooks.ts';
import { createEvictionManager, isCriticalPod } from './eviction/eviction-manager.ts';
import { parseThresholds } from './eviction/thresholds.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { admitPod, fitResize, lackingAmounts, mayBeOutdated } from './node/admission.ts';
import { createNodeAgent, type NodeAgent } from './node/node-agent.ts';
import { createNodeShutdown } from './node/node-shutdown.ts';
import { podsToPreempt } from './node/preemption.ts';
import { createOrphanKeeper } from './pods/orphans.ts';
import { podRef, podUid } from './pods/pod-info.ts';
import { createPodWorkers, type PodWorkers } from './pods/pod-workers.ts';
import { createRelist } from './pods/relist.ts';
import { createRelistMeter, type RelistMeter } from './pods/relist-meter.ts';
import { createRuntimeEvents } from './pods/runtime-events.ts';
import { createStatusManager, type StatusManager } from './pods/status-manager.ts';
import type { Admission, Judgement } from './pods/verdict.ts';
import { noProbeManager } from './probes/probe-manager.ts';
import { rotateLogs } from './server/log-rotation.ts';
import { keepMirrorPods } from './static/mirror-pods.ts';

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
  readonly relist: RelistMeter;
  /** The machine is about to go down: ends the pods in order. Resolves when that is done. */
  shutdown(): Promise<void>;
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
  const relistMeter = createRelistMeter(options.metrics, clock);

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
    tellStart: !options.runtimeChanges,
    onChange: () => workers.wakeAll(),
    pressure: () => {
      const held = evictions?.conditions();
      return {
        memory: held?.has('MemoryPressure') === true,
        disk: held?.has('DiskPressure') === true,
        pids: held?.has('PIDPressure') === true,
      };
    },
    shutdown: () => shutdown.problem(),
  });
  const imageCollector =
    options.pressure &&
    createImageCollector({
      runtime,
      clock,
      log,
      events,
      timeoutMs,
      highPercent: config.imageGCHighThresholdPercent,
      lowPercent: config.imageGCLowThresholdPercent,
      minAgeMs: config.imageMinimumGCAgeMs,
      maxAgeMs: config.imageMaximumGCAgeMs,
      keep: options.sandboxImages ?? [],
      imageFs: options.pressure.imageFs,
      node: () => agent.node(),
    });
  const evictions =
    options.pressure &&
    createEvictionManager({
      thresholds: parseThresholds(config),
      pressureTransitionMs: config.evictionPressureTransitionPeriodMs,
      maxPodGraceSeconds: config.evictionMaxPodGracePeriod,
      clock,
      log,
      events,
      observe: options.pressure.observe,
      summary: options.pressure.summary,
      pods: () => workers.active(),
      node: () => agent.node(),
      async reclaimDisk(s) {
        await removeDeadContainers(runtime, workers, { signal: s, timeoutMs });
        await imageCollector?.collectAll(s);
      },
      evict: (pod, verdict, graceSeconds) => workers.evict(podUid(pod), verdict, { graceSeconds }),
      ended: (pod, s) => workers.ended(podUid(pod), s),
      onChange: () => agent.report(),
    });
  const shutdown = createNodeShutdown({
    config,
    clock,
    log,
    pods: () => workers.active(),
    evict: (uid, verdict, how) => workers.evict(uid, verdict, how),
    ended: (uid, s) => workers.ended(uid, s),
    report: () => agent.report(),
  });
  const runner = createContainerRunner({
    runtime,
    environment,
    images: createImageManager({
      runtime,
      clock,
      backOff: imageBackOff,
      timeoutMs,
      parallelPulls: config.serializeImagePulls ? 1 : config.maxParallelImagePulls || Number.POSITIVE_INFINITY,
    }),
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
      volumeFile: environment.volumeFile,
    }),
  });
  /** Critical pods get room that less important ones give back. Source: preemption.go. */
  const admit = (pod: Pod): Admission | undefined => {
    const refused = shutdown.admit() ?? evictions?.admit(pod);
    if (refused) return refused;
    const verdict = admitHere(pod);
    if (!verdict || !('reason' in verdict) || !mayBeOutdated(verdict)) return verdict;
    // A label set a moment before the pod was bound may not have come here yet.
    return {
      ask: async (s) => {
        try {
          await agent.refresh(s);
        } catch (error) {
          if (s.aborted) throw error;
          log.warn('Cannot read the node to judge a pod', { pod: podRef(pod), error });
        }
        return admitHere(pod);
      },
    };
  };
  const admitHere = (pod: Pod): Judgement | undefined => {
    const others = workers.active().filter((other) => other.metadata.uid !== pod.metadata.uid);
    const verdict = admitPod(pod, agent.node(), others, config.allowedUnsafeSysctls);
    if (!verdict?.reason.startsWith('OutOf') || !isCriticalPod(pod)) return verdict;
    const lacking = lackingAmounts(pod, agent.node(), others);
    const victims = lacking && podsToPreempt(pod, others, lacking);
    if (!victims) return verdict;
    for (const victim of victims) {
      const message = 'Preempted in order to admit critical pod';
      events.event(victim, { type: 'Warning', reason: 'Preempting', message });
      const disruption = {
        reason: 'TerminationByKubelet',
        message: 'Pod was preempted by Kubelet to accommodate a critical pod.',
      };
      workers.evict(podUid(victim), { phase: 'Failed', reason: 'Preempting', message, disruption });
    }
    return { after: victims.map(podUid) };
  };
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
    admit,
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
  started({ relist: relistMeter, workers, statuses, agent, shutdown: () => shutdown.begin(signal) });

  let unsubscribe: (() => void) | undefined;
  let stopListening: (() => void) | undefined;
  let synced = false;
  const { staticPods } = options;
  const stopStatic = staticPods?.feed.subscribe({
    onPod: (pod) => workers.update(pod),
    onGone: (pod) => workers.gone(pod),
  });
  if (staticPods) {
    tasks.run('static pods', (s) => staticPods.feed.run(s));
    tasks.run('mirror pods', async (s) => {
      await staticPods.api.waitForSync(s);
      await keepMirrorPods(
        {
          client,
          ...staticPods,
          clock,
          log,
          node: () => agent.node(),
          onMirror: (uid, mirror, gone) => statuses.observeMirror(uid, gone ? undefined : mirror),
        },
        s,
      );
    });
  }
  tasks.run('node agent', (s) => agent.run(s));
  const stopNode = options.node?.((node) => agent.observe(node));
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
    synced = true;
  });
  tasks.run('runtime', async (s) => {
    const orphans = createOrphanKeeper({
      runtime,
      environment,
      clock,
      log,
      timeoutMs,
      known: (uid) => workers.has(uid),
    });
    const relist = createRelist({ runtime, timeoutMs });
    const lists = { wake: new AbortController() };
    const told = createRuntimeEvents({
      runtime,
      clock,
      log,
      timeoutMs,
      onPod: (uid) => workers.wake(uid, { runtimeChanged: true }),
      onBroken: () => lists.wake.abort(),
    });
    if (!options.runtimeChanges) tasks.run('runtime events', (events) => told.run(events));
    while (!s.aborted) {
      try {
        const startMs = clock.monotonic();
        const { changed, present } = await relist.next(s);
        relistMeter.listed(clock.monotonic() - startMs, told.listEveryMs());
        for (const uid of changed) workers.wake(uid, { runtimeChanged: true });
        // Until the pods are known, nobody can say who is an orphan.
        if (synced) await orphans.look(present, s);
        // Told of every change from now on; only what an earlier kubelet left behind had to be looked for.
        if (synced && options.runtimeChanges && [...present].every((uid) => workers.has(uid)))
          return relistMeter.done();
      } catch (error) {
        if (!s.aborted) log.warn('Cannot list the containers of the runtime', { error });
      }
      lists.wake = new AbortController();
      const stop = (): void => lists.wake.abort();
      s.addEventListener('abort', stop, { once: true });
      await clock.sleep(told.listEveryMs(), lists.wake.signal);
      s.removeEventListener('abort', stop);
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
  const { nodeCgroups } = options;
  if (nodeCgroups) tasks.run('node cgroups', (s) => nodeCgroups.run(s));
  if (evictions) tasks.run('eviction', (s) => evictions.run(s));
  if (imageCollector) tasks.run('image collection', (s) => imageCollector.run(s));
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
    stopNode?.();
    stopStatic?.();
    stopListening?.();
    probes.close?.();
    await workers.settled();
    statuses.stop();
    await statuses.flush();
    await tasks.stop();
  }
  await tasks.done;
}

/** Containers that ended, of which nobody will ask: the disk is under pressure. */
async function removeDeadContainers(
  runtime: KubeletOptions['runtime'],
  workers: PodWorkers,
  call: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<void> {
  for (const pod of workers.active()) {
    const status = workers.runtimeStatus(podUid(pod));
    const newest = new Set<string>();
    for (const { id, name, state } of status?.containers ?? []) {
      // The newest of each name says how the container ended; the others are history.
      if (newest.has(name) && state === 'exited') await runtime.removeContainer({ containerId: id }, call);
      newest.add(name);
    }
  }
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

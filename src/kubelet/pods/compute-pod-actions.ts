/**
 * What to do next for a pod that should run: the difference between its spec and what the runtime has. Pure; carried out by `sync-pod.ts`.
 * Source of the rules: kuberuntime's computePodActions.
 *
 * 1. A changed sandbox ends everything in it and starts over, unless the pod may not be restarted.
 * 2. Init containers run one after the other; a sidecar (restartPolicy Always) counts as done once it has started, and keeps running.
 * 3. Regular containers start once all init containers are done, and are judged one by one.
 * 4. When nothing is left to keep or to start, the pod is ended.
 */
import type { Container, Pod } from '../../api/types/core-v1.ts';
import { containerHash } from '../containers/container-hash.ts';
import { findContainer, type PodRuntimeStatus, type RuntimeContainer } from '../containers/runtime-status.ts';
import { isHostNetwork, isSidecar } from './pod-info.ts';
import { restartsAfter } from './restart-rules.ts';

export interface ContainerToKill {
  readonly container: RuntimeContainer;
  /** Text for the Killing event. */
  readonly message: string;
  readonly reason: 'definition-changed' | 'liveness-probe' | 'startup-probe' | 'unknown-state' | 'resize';
}

export interface PodActions {
  /** End all containers and the sandbox. */
  readonly killPod: boolean;
  readonly createSandbox: boolean;
  /** Of the sandbox to create. */
  readonly attempt: number;
  /** The sandbox to use when none is created. */
  readonly sandboxId: string | undefined;
  readonly initContainersToStart: readonly Container[];
  readonly containersToStart: readonly Container[];
  /** Each is started once and never again. */
  readonly ephemeralContainersToStart: readonly Container[];
  readonly containersToKill: readonly ContainerToKill[];
}

export interface ProbeVerdicts {
  /** The last liveness or startup probe of this container id failed beyond its threshold. */
  failed(containerId: string): 'liveness' | 'startup' | undefined;
  /** The container passed its startup probe, or has none. */
  started(containerId: string, container: Container): boolean;
}

const noNames: ReadonlySet<string> = new Set();
export const noProbes: ProbeVerdicts = { failed: () => undefined, started: () => true };

/** @param resizing containers that must restart to get their new resources. */
export function computePodActions(
  pod: Pod,
  status: PodRuntimeStatus,
  probes: ProbeVerdicts = noProbes,
  resizing: ReadonlySet<string> = noNames,
): PodActions {
  const sandbox = sandboxVerdict(pod, status);
  const base: PodActions = {
    killPod: sandbox.changed,
    createSandbox: sandbox.changed,
    attempt: sandbox.attempt,
    sandboxId: sandbox.id,
    initContainersToStart: [],
    containersToStart: [],
    ephemeralContainersToStart: [],
    containersToKill: [],
  };
  const inits = pod.spec?.initContainers ?? [];
  const containers = pod.spec?.containers ?? [];

  if (sandbox.changed) {
    if (!mayRestart(pod) && sandbox.attempt !== 0 && status.containers.length > 0)
      return { ...base, createSandbox: false };
    const toStart = containers.filter((container) => !succeededForGood(pod, container, status));
    if (toStart.length === 0) {
      // All done: a new sandbox only makes sense while initialisation is still to be finished.
      if (initActions(pod, status, probes).done) return { ...base, createSandbox: false };
    }
    return inits.length > 0 ? { ...base, initContainersToStart: [inits[0]!] } : { ...base, containersToStart: toStart };
  }

  const ephemeralContainersToStart = ((pod.spec?.ephemeralContainers ?? []) as readonly Container[]).filter(
    (container) => findContainer(status, container.name) === undefined && !pod.metadata.deletionTimestamp,
  );
  const init = initActions(pod, status, probes);
  if (init.killPod || !init.done)
    return {
      ...base,
      ephemeralContainersToStart,
      killPod: init.killPod,
      initContainersToStart: init.toStart,
      containersToKill: init.toKill,
    };

  const toStart: Container[] = [];
  const toKill: ContainerToKill[] = [...init.toKill];
  let kept = 0;
  for (const container of containers) {
    const found = findContainer(status, container.name);
    if (found?.state !== 'running') {
      if (shouldRestart(pod, container, found)) {
        toStart.push(container);
        if (found?.state === 'unknown')
          toKill.push({
            container: found,
            message: `Container is in "unknown" state, try killing it before restart`,
            reason: 'unknown-state',
          });
      }
      continue;
    }
    let message: string;
    let reason: ContainerToKill['reason'];
    let restart = mayRestartContainer(pod, container);
    const failed = probes.failed(found.id);
    if (found.hash !== '' && found.hash !== containerHash(container)) {
      message = `Container ${container.name} definition changed`;
      reason = 'definition-changed';
      restart = true;
    } else if (resizing.has(container.name)) {
      message = `Container ${container.name} resize requires restart`;
      reason = 'resize';
      restart = true;
    } else if (failed !== undefined) {
      message = `Container ${container.name} failed ${failed} probe`;
      reason = `${failed}-probe`;
    } else {
      kept++;
      continue;
    }
    if (restart) {
      message = `${message}, will be restarted`;
      toStart.push(container);
    }
    toKill.push({ container: found, message, reason });
  }
  if (kept === 0 && toStart.length === 0) return { ...base, killPod: true };
  return {
    ...base,
    initContainersToStart: init.toStart,
    containersToStart: toStart,
    ephemeralContainersToStart,
    containersToKill: toKill,
  };
}

interface SandboxVerdict {
  readonly changed: boolean;
  readonly attempt: number;
  readonly id: string | undefined;
}

function sandboxVerdict(pod: Pod, { sandboxes }: PodRuntimeStatus): SandboxVerdict {
  const latest = sandboxes[0];
  if (!latest) return { changed: true, attempt: 0, id: undefined };
  const next = { changed: true, attempt: latest.attempt + 1, id: latest.id };
  const ready = sandboxes.reduce((count, sandbox) => count + (sandbox.ready ? 1 : 0), 0);
  if (ready > 1 || !latest.ready) return next;
  if (latest.hostNetwork !== isHostNetwork(pod)) return { ...next, id: undefined };
  if (!isHostNetwork(pod) && latest.ips.length === 0) return next;
  return { changed: false, attempt: latest.attempt, id: latest.id };
}

interface InitActions {
  readonly done: boolean;
  readonly killPod: boolean;
  readonly toStart: readonly Container[];
  readonly toKill: readonly ContainerToKill[];
}

/** Walks the init containers from the last to the first: the first one with a history says how far the pod has come. */
function initActions(pod: Pod, status: PodRuntimeStatus, probes: ProbeVerdicts): InitActions {
  const inits = pod.spec?.initContainers ?? [];
  const nothing: InitActions = { done: true, killPod: false, toStart: [], toKill: [] };
  if (inits.length === 0) return nothing;
  const initialized = (pod.spec?.containers ?? []).some(
    (container) => findContainer(status, container.name) !== undefined,
  );
  if (initialized) return { ...nothing, ...keepSidecars(pod, status, probes) };

  for (let i = inits.length - 1; i >= 0; i--) {
    const container = inits[i]!;
    const found = findContainer(status, container.name);
    if (!found) continue;
    const last = i === inits.length - 1;
    const sidecar = isSidecar(container);
    const failed = probes.failed(found.id);
    switch (found.state) {
      case 'running': {
        if (failed !== undefined && (sidecar || failed === 'startup')) {
          const kill: ContainerToKill = {
            container: found,
            message: `Init container ${container.name} failed ${failed} probe${sidecar ? ', will be restarted' : ''}`,
            reason: `${failed}-probe`,
          };
          return { done: false, killPod: false, toStart: sidecar ? [container] : [], toKill: [kill] };
        }
        if (!sidecar) return { done: false, killPod: false, toStart: [], toKill: [] };
        const earlier = keepSidecars(pod, status, probes, i);
        if (!probes.started(found.id, container)) return { done: false, killPod: false, ...earlier };
        if (last) return { done: true, killPod: false, ...earlier };
        return { done: false, killPod: false, toStart: [...earlier.toStart, inits[i + 1]!], toKill: earlier.toKill };
      }
      case 'exited': {
        if (sidecar) {
          const earlier = keepSidecars(pod, status, probes, i);
          return { done: false, killPod: false, toStart: [...earlier.toStart, container], toKill: earlier.toKill };
        }
        if (found.exitCode === 0) {
          const earlier = keepSidecars(pod, status, probes, i);
          if (last) return { done: true, killPod: false, ...earlier };
          return { done: false, killPod: false, toStart: [...earlier.toStart, inits[i + 1]!], toKill: earlier.toKill };
        }
        if (!restartsAfter(pod, container, found.exitCode))
          return { done: false, killPod: true, toStart: [], toKill: [] };
        return { done: false, killPod: false, toStart: [container], toKill: [] };
      }
      case 'created':
        return { done: false, killPod: false, toStart: [container], toKill: [] };
      case 'unknown':
        return {
          done: false,
          killPod: false,
          toStart: [container],
          toKill: [
            {
              container: found,
              message: `Init container is in "unknown" state, try killing it before restart`,
              reason: 'unknown-state',
            },
          ],
        };
    }
  }
  return { done: false, killPod: false, toStart: [inits[0]!], toKill: [] };
}

/** Sidecars among the first `end` init containers that ended or failed a probe are started again. */
function keepSidecars(
  pod: Pod,
  status: PodRuntimeStatus,
  probes: ProbeVerdicts,
  end: number = pod.spec?.initContainers?.length ?? 0,
): Pick<InitActions, 'toStart' | 'toKill'> {
  const toStart: Container[] = [];
  const toKill: ContainerToKill[] = [];
  if (pod.metadata.deletionTimestamp) return { toStart, toKill };
  for (const container of (pod.spec?.initContainers ?? []).slice(0, end)) {
    if (!isSidecar(container)) continue;
    const found = findContainer(status, container.name);
    if (found?.state !== 'running') {
      toStart.push(container);
      continue;
    }
    const failed = probes.failed(found.id);
    if (failed === undefined && (found.hash === '' || found.hash === containerHash(container))) continue;
    toStart.push(container);
    toKill.push({
      container: found,
      message:
        failed === undefined
          ? `Init container ${container.name} definition changed, will be restarted`
          : `Init container ${container.name} failed ${failed} probe, will be restarted`,
      reason: failed === undefined ? 'definition-changed' : `${failed}-probe`,
    });
  }
  return { toStart, toKill };
}

const mayRestart = (pod: Pod): boolean =>
  pod.spec?.restartPolicy !== 'Never' ||
  (pod.spec?.containers ?? []).some((container) => mayRestartContainer(pod, container));

/** A container's own restartPolicy wins over the pod's. */
const mayRestartContainer = (pod: Pod, container: Container): boolean =>
  (container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always') !== 'Never' ||
  (container.restartPolicyRules ?? []).length > 0;

/** With OnFailure, a container that ended with 0 has done its work. */
function succeededForGood(pod: Pod, container: Container, status: PodRuntimeStatus): boolean {
  const found = findContainer(status, container.name);
  return (
    (container.restartPolicy ?? pod.spec?.restartPolicy) === 'OnFailure' &&
    found?.state === 'exited' &&
    found.exitCode === 0
  );
}

/** @param found the newest container of that name, undefined when there was none. */
export function shouldRestart(pod: Pod, container: Container, found: RuntimeContainer | undefined): boolean {
  if (pod.metadata.deletionTimestamp) return false;
  if (!found) return true;
  if (found.state === 'running') return false;
  if (found.state === 'unknown' || found.state === 'created') return true;
  return restartsAfter(pod, container, found.exitCode);
}

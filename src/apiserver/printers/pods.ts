/** The pod's row: its status column sums up phase, reasons and container states in one word. */

import { humanDuration, parseTime } from '../../api/time.ts';
import type { ContainerStatus, Pod } from '../../api/types/core-v1.ts';
import { age, nameOf, none, type Row } from './cells.ts';

const nodeLost = 'NodeLost';

export function podRow(pod: Pod, nowMs: number): Row {
  const { spec, status } = pod;
  const sidecars = new Set((spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always').map((c) => c.name));
  const init = status?.initContainerStatuses ?? [];
  const main = status?.containerStatuses ?? [];
  let reason = status?.reason || status?.phase || '';
  if ((spec?.schedulingGates?.length ?? 0) > 0 && status?.phase === 'Pending') {
    const scheduled = status.conditions?.find((c) => c.type === 'PodScheduled');
    if (scheduled?.reason === 'SchedulingGated') reason = scheduled.reason;
  }

  let total = (spec?.containers ?? []).length + sidecars.size;
  let ready = 0;
  let restarts = 0;
  let lastRestart = 0;
  let sidecarRestarts = 0;
  let lastSidecarRestart = 0;
  let initializing = false;
  for (const [i, container] of init.entries()) {
    restarts += container.restartCount;
    lastRestart = Math.max(lastRestart, finishedAt(container));
    if (sidecars.has(container.name)) {
      sidecarRestarts += container.restartCount;
      lastSidecarRestart = Math.max(lastSidecarRestart, finishedAt(container));
      if (container.started && container.ready) ready++;
      if (container.started) continue;
    }
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    initializing = true;
    if (terminated)
      reason = terminated.reason
        ? `Init:${terminated.reason}`
        : terminated.signal
          ? `Init:Signal:${terminated.signal}`
          : `Init:ExitCode:${terminated.exitCode}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') reason = `Init:${waiting.reason}`;
    else reason = `Init:${i}/${spec?.initContainers?.length ?? 0}`;
    break;
  }

  if (!initializing || status?.conditions?.some((c) => c.type === 'Initialized' && c.status === 'True')) {
    restarts = sidecarRestarts;
    lastRestart = lastSidecarRestart;
    let running = false;
    for (let i = main.length - 1; i >= 0; i--) {
      const container = main[i]!;
      restarts += container.restartCount;
      lastRestart = Math.max(lastRestart, finishedAt(container));
      const { waiting, terminated, running: isRunning } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated)
        reason =
          terminated.reason || (terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`);
      else if (container.ready && isRunning) {
        running = true;
        ready++;
      }
    }
    if (reason === 'Completed' && running)
      reason = status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ? 'Running' : 'NotReady';
  }
  if (pod.metadata.deletionTimestamp && status?.reason === nodeLost) reason = 'Unknown';
  else if (pod.metadata.deletionTimestamp && status?.phase !== 'Failed' && status?.phase !== 'Succeeded')
    reason = 'Terminating';
  total = Math.max(total, 0);

  const restartText =
    restarts > 0 && lastRestart > 0 ? `${restarts} (${humanDuration(nowMs - lastRestart)} ago)` : String(restarts);
  const gates = spec?.readinessGates ?? [];
  const trueGates = gates.filter((g) =>
    status?.conditions?.some((c) => c.type === g.conditionType && c.status === 'True'),
  ).length;
  return {
    cells: [
      nameOf(pod),
      `${ready}/${total}`,
      reason,
      restartText,
      age(pod, nowMs),
      status?.podIPs?.[0]?.ip || status?.podIP || none,
      spec?.nodeName || none,
      status?.nominatedNodeName || none,
      gates.length > 0 ? `${trueGates}/${gates.length}` : none,
    ],
    ...(ended(status?.phase) ? { conditions: ended(status?.phase)! } : {}),
  };
}

function ended(phase: string | undefined): Row['conditions'] {
  if (phase === 'Succeeded')
    return [{ type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' }];
  if (phase === 'Failed') return [{ type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' }];
  return undefined;
}

const finishedAt = (container: ContainerStatus): number =>
  parseTime(container.lastState?.terminated?.finishedAt ?? '') ?? 0;

/**
 * Whether a node's kubelet is alive, judged by its Lease and status. Pure. Source: pkg/controller/nodelifecycle/node_lifecycle_controller.go
 * (tryUpdateNodeHealth).
 */
import { findCondition, setCondition } from '../../api/meta.ts';
import { formatTime, parseTime } from '../../api/time.ts';
import type { Lease } from '../../api/types/coordination-v1.ts';
import type { Node, NodeCondition } from '../../api/types/core-v1.ts';

export interface HealthTimings {
  /** Without a sign of life for this long a node is Unknown. v1.36: 50 s. */
  readonly monitorGraceMs: number;
  /** The same for a node that has never said anything. */
  readonly startupGraceMs: number;
}

/** What is remembered of a node between looks. Times are the controller's own monotonic clock: a node's clock is never trusted. */
export interface NodeHealth {
  readonly uid: string | undefined;
  /** When the last sign of life was seen. */
  readonly probeAt: number;
  readonly heartbeat: string | undefined;
  readonly renewTime: string | undefined;
}

export interface Verdict {
  readonly health: NodeHealth;
  /** The Ready condition as the node (or an earlier verdict) has it: True, False or Unknown. */
  readonly observed: string;
  /** The Ready status from now on. */
  readonly current: string;
  /** The conditions to write; absent when nothing changes. */
  readonly conditions?: readonly NodeCondition[];
}

/** A kubelet that is silent says nothing of these either. */
const reported = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export function judgeNode(
  node: Node,
  lease: Lease | undefined,
  before: NodeHealth | undefined,
  timings: HealthTimings,
  now: { readonly wall: number; readonly monotonic: number },
): Verdict {
  const ready = findCondition(node.status?.conditions, 'Ready');
  const heartbeat = ready?.lastHeartbeatTime;
  const renewTime = lease?.spec?.renewTime;
  const created = parseTime(node.metadata.creationTimestamp ?? '') ?? now.wall;
  const known = before?.uid === node.metadata.uid ? before : undefined;
  let probeAt: number;
  if (!known) probeAt = ready ? now.monotonic : now.monotonic - Math.max(0, now.wall - created);
  else probeAt = known.heartbeat !== heartbeat ? now.monotonic : known.probeAt;
  // Compared for being different, not later: a node whose clock was set back is alive too.
  if (known && renewTime !== undefined && renewTime !== known.renewTime) probeAt = now.monotonic;
  const health: NodeHealth = { uid: node.metadata.uid, probeAt, heartbeat, renewTime };
  const observed = ready?.status ?? 'Unknown';
  const grace = ready ? timings.monitorGraceMs : timings.startupGraceMs;
  if (now.monotonic <= probeAt + grace) return { health, observed, current: observed };

  const stamp = formatTime(now.wall);
  let conditions = node.status?.conditions ?? [];
  for (const type of reported) {
    const condition = findCondition(conditions, type);
    if (!condition)
      conditions = setCondition<NodeCondition>(
        conditions,
        {
          type,
          status: 'Unknown',
          reason: 'NodeStatusNeverUpdated',
          message: 'Kubelet never posted node status.',
          ...(node.metadata.creationTimestamp ? { lastHeartbeatTime: node.metadata.creationTimestamp } : {}),
        },
        stamp,
      );
    else if (condition.status !== 'Unknown')
      conditions = setCondition<NodeCondition>(
        conditions,
        {
          ...condition,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: stamp,
        },
        stamp,
      );
  }
  return {
    // What is written here must not look like a sign of life at the next look.
    health: { ...health, heartbeat: findCondition(conditions, 'Ready')?.lastHeartbeatTime },
    observed,
    current: 'Unknown',
    ...(conditions === node.status?.conditions ? {} : { conditions }),
  };
}

/** What is remembered of one pod while it is on the node. Only its own worker changes it. */
import type { Pod, ResourceRequirements } from '../../api/types/core-v1.ts';
import type { Timer } from '../../base/clock.ts';
import type { PodRuntimeStatus } from '../containers/runtime-status.ts';
import { podUid } from './pod-info.ts';
import { type Allocation, type PendingResize, rememberedAllocation } from './resize.ts';
import type { Judgement, Verdict } from './verdict.ts';

export interface Worker {
  readonly uid: string;
  pod: Pod;
  state: 'syncing' | 'terminating' | 'terminated';
  gone: boolean;
  /** None of its containers runs any more, nor will: it needs no room on the node. Its volumes may still be there. */
  ended: boolean;
  verdict: Verdict | undefined;
  graceSeconds: number | undefined;
  /** Uids of pods that must have ended before this one starts. */
  after: readonly string[];
  /** Whether the node takes the pod, to be asked before anything is done. */
  ask: ((signal: AbortSignal) => Promise<Judgement | undefined>) | undefined;
  runtime: PodRuntimeStatus | undefined;
  /** Counts what we were told of: a status fetched before the last one is not kept. */
  changes: number;
  running: Promise<void> | undefined;
  again: boolean;
  prepared: boolean;
  refreshedAtMs: number;
  failures: number;
  timer: Timer | undefined;
  /** Aborts the step under way: its pod must end instead, or sooner. */
  interrupt: AbortController | undefined;
  /** Resources the node has given to the containers, and those their cgroups have. */
  allocation: Allocation;
  applied: Map<string, ResourceRequirements>;
  pendingResize: PendingResize | undefined;
  /** A resize is under way: the pod's own limits are lifted until all its containers have their new ones. */
  resizing: boolean;
  readonly waiting: Map<string, { readonly reason: string; readonly message: string }>;
  readonly messages: Map<string, string>;
  networkEventAtMs: number;
}

/** A pod seen for the first time. */
export function newWorker(pod: Pod): Worker {
  return {
    uid: podUid(pod),
    pod,
    state: 'syncing',
    gone: false,
    ended: false,
    verdict: undefined,
    graceSeconds: undefined,
    after: [],
    ask: undefined,
    runtime: undefined,
    changes: 0,
    running: undefined,
    again: false,
    prepared: false,
    refreshedAtMs: 0,
    failures: 0,
    timer: undefined,
    interrupt: undefined,
    allocation: rememberedAllocation(pod),
    applied: new Map(rememberedAllocation(pod)),
    pendingResize: undefined,
    resizing: false,
    waiting: new Map(),
    messages: new Map(),
    networkEventAtMs: Number.NEGATIVE_INFINITY,
  };
}

/**
 * Writes pod statuses to the API: only differences, one request per pod at a time, several changes of one turn in one patch.
 *
 * Invariants: what was set last is written in the end; a pod that someone replaced under its name is never touched (the uid is part of every
 * write); a finished pod that is marked for deletion is removed with grace 0 after its last status was written.
 */
import { isConflict, isNotFound } from '../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { Pod, PodCondition, PodStatus } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { isMirrorPod, isStaticPod } from '../static/static-pods.ts';
import { podRef, podUid } from './pod-info.ts';
import { sameJson } from './same-json.ts';

export interface StatusManager {
  /** What the status should be. */
  set(pod: Pod, status: PodStatus): void;
  /** The status set last, if any. */
  get(uid: string): PodStatus | undefined;
  /** The API's copy changed: what others overwrote is written again. */
  observe(pod: Pod): void;
  /** The mirror of a static pod, under which its status is written; undefined: there is none now, and the status waits for the next one. */
  observeMirror(staticUid: string, mirror: Pod | undefined): void;
  /** Nothing of the pod is left on the node: once its status is written, remove it from the API if it is being deleted. */
  finish(pod: Pod): void;
  /** The pod is gone from the API. */
  forget(uid: string): void;
  /** Resolves when everything set so far is written or given up; for stops and tests. */
  flush(): Promise<void>;
  stop(): void;
}

export interface StatusManagerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

interface Entry {
  /** Of the pod, which for a static pod is not its mirror's. */
  readonly uid: string;
  pod: Pod;
  /** What the API has, as far as we know. */
  known: PodStatus | undefined;
  knownVersion: string;
  wanted: PodStatus | undefined;
  /** The wanted status that the last write carried, and what the API made of it. */
  written: PodStatus | undefined;
  answered: PodStatus | undefined;
  finished: boolean;
  deleted: boolean;
  sending: Promise<void> | undefined;
  failures: number;
}

/** Conditions the kubelet owns; others' are left alone. */
const ownConditions = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  'PodResizePending',
  'PodResizeInProgress',
  'AllContainersRestarting',
  // Only when the kubelet itself ends the pod; others' stand in the status as they were read.
  'DisruptionTarget',
]);
/** Those that are there only while they are true. */
const passingConditions = new Set(['PodResizePending', 'PodResizeInProgress']);
const retryMs = [200, 1000, 5000, 10_000];

export function createStatusManager({ client, clock, log, signal }: StatusManagerOptions): StatusManager {
  const pods = client.resource(resources.pods);
  const entries = new Map<string, Entry>();
  /** Mirrors that were there before their pods' first status. */
  const waitingMirrors = new Map<string, Pod>();
  let stopped = false;

  const entryOf = (pod: Pod): Entry => {
    const uid = podUid(pod);
    let entry = entries.get(uid);
    if (!entry) {
      entry = {
        uid,
        pod,
        known: pod.status,
        knownVersion: pod.metadata.resourceVersion ?? '',
        wanted: undefined,
        written: undefined,
        answered: undefined,
        finished: false,
        deleted: false,
        sending: undefined,
        failures: 0,
      };
      const mirror = waitingMirrors.get(uid);
      waitingMirrors.delete(uid);
      if (mirror)
        entry = {
          ...entry,
          pod: mirror,
          known: mirror.status,
          knownVersion: mirror.metadata.resourceVersion ?? '',
        };
      entries.set(uid, entry);
    }
    return entry;
  };
  const dirty = (entry: Entry): boolean =>
    !entry.deleted &&
    // A static pod is not in the API but by its mirror.
    !isStaticPod(entry.pod) &&
    ((entry.wanted !== undefined && entry.written !== entry.wanted) ||
      (entry.finished && entry.pod.metadata.deletionTimestamp !== undefined && !isMirrorPod(entry.pod)));

  const kick = (entry: Entry): void => {
    if (entry.sending || stopped || !dirty(entry)) return;
    entry.sending = send(entry).finally(() => {
      entry.sending = undefined;
      if (entry.deleted) entries.delete(entry.uid);
    });
  };

  const send = async (entry: Entry): Promise<void> => {
    // Later changes of this turn (created, then started) travel in the same patch.
    await clock.yield();
    while (!stopped && !signal.aborted && dirty(entry)) {
      try {
        if (entry.wanted !== undefined && entry.written !== entry.wanted) await write(entry);
        else await remove(entry);
        entry.failures = 0;
      } catch (error) {
        if (signal.aborted || stopped) return;
        if (isNotFound(error) || (isConflict(error) && /uid/i.test(String(error)))) {
          // The next mirror will be told.
          if (isMirrorPod(entry.pod)) entry.written = entry.wanted;
          else entry.deleted = true;
          return;
        }
        log.warn('Failed to update status for pod', { pod: podRef(entry.pod), error });
        await clock.sleep(retryMs[Math.min(entry.failures++, retryMs.length - 1)]!, signal);
      }
    }
  };

  const write = async (entry: Entry): Promise<void> => {
    const { wanted, pod } = entry;
    const patch = statusPatch(entry.known, wanted!);
    entry.written = wanted;
    if (patch === undefined) return;
    try {
      const updated = await pods.patch(
        pod.metadata.name!,
        { type: 'strategic', patch: { metadata: { uid: podUid(pod) }, status: patch } },
        { namespace: pod.metadata.namespace, subresource: 'status', signal },
      );
      entry.known = updated.status;
      entry.answered = updated.status;
      entry.knownVersion = updated.metadata.resourceVersion ?? entry.knownVersion;
    } catch (error) {
      entry.written = undefined;
      throw error;
    }
  };

  const remove = async (entry: Entry): Promise<void> => {
    await pods.delete(entry.pod.metadata.name!, {
      namespace: entry.pod.metadata.namespace,
      signal,
      body: { gracePeriodSeconds: 0, preconditions: { uid: podUid(entry.pod) } },
    });
    entry.deleted = true;
    log.debug('Pod fully terminated and removed from the API', { pod: podRef(entry.pod) });
  };

  return {
    observeMirror(staticUid, mirror) {
      const entry = entries.get(staticUid);
      if (!mirror) return;
      if (!entry) {
        waitingMirrors.set(staticUid, mirror);
        return;
      }
      const another = podUid(entry.pod) !== podUid(mirror);
      if (!another && compareVersions(mirror.metadata.resourceVersion ?? '', entry.knownVersion) < 0) return;
      entry.pod = mirror;
      entry.known = mirror.status;
      entry.knownVersion = mirror.metadata.resourceVersion ?? '';
      if (entry.wanted === undefined || entry.sending) return;
      if (another || statusPatch(mirror.status, entry.wanted) !== undefined) entry.written = undefined;
      kick(entry);
    },
    set(pod, status) {
      const entry = entryOf(pod);
      if (isNewer(pod, entry)) entry.pod = pod;
      if (entry.wanted !== undefined && sameJson(entry.wanted, status)) return;
      entry.wanted = status;
      kick(entry);
    },
    get: (uid) => entries.get(uid)?.wanted,
    observe(pod) {
      const entry = entries.get(podUid(pod));
      if (!entry) return;
      // Our own older write coming back says nothing new.
      if (compareVersions(pod.metadata.resourceVersion ?? '', entry.knownVersion) < 0) return;
      entry.pod = pod;
      entry.known = pod.status;
      entry.knownVersion = pod.metadata.resourceVersion ?? '';
      if (entry.wanted === undefined || entry.sending) return;
      const unchanged = entry.answered !== undefined && statusPatch(entry.answered, pod.status ?? {}) === undefined;
      if (!unchanged && statusPatch(pod.status, entry.wanted) !== undefined) entry.written = undefined;
      kick(entry);
    },
    finish(pod) {
      const entry = entryOf(pod);
      if (isNewer(pod, entry)) entry.pod = pod;
      entry.finished = true;
      kick(entry);
    },
    forget: (uid) => {
      const entry = entries.get(uid);
      if (entry) entry.deleted = true;
      entries.delete(uid);
    },
    async flush() {
      for (const entry of [...entries.values()]) await entry.sending;
    },
    stop() {
      stopped = true;
    },
  };
}

const isNewer = (pod: Pod, entry: Entry): boolean =>
  compareVersions(pod.metadata.resourceVersion ?? '', entry.pod.metadata.resourceVersion ?? '') >= 0;

/** Resource versions of one resource are ordered decimal numbers (KEP-5504). */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

const plainFields = [
  'phase',
  'message',
  'reason',
  'hostIP',
  'podIP',
  'startTime',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
  'qosClass',
  'observedGeneration',
] as const;

/** A strategic merge patch from one status to the other, undefined when they agree in what the kubelet owns. */
export function statusPatch(from: PodStatus | undefined, to: PodStatus): JsonObject | undefined {
  const patch: Record<string, JsonValue> = {};
  for (const field of plainFields)
    if (!sameJson(from?.[field], to[field])) patch[field] = (to[field] as JsonValue | undefined) ?? null;
  // Lists merged by key: address lists are replaced as a whole.
  for (const field of ['podIPs', 'hostIPs'] as const)
    if (!sameJson(from?.[field] ?? [], to[field] ?? [])) {
      const wanted = (to[field] ?? []) as unknown as JsonValue[];
      patch[field] = (from?.[field] ?? []).length > 0 ? [...wanted, { $patch: 'replace' }] : wanted;
    }
  // Maps are merged by key too: what went away would stay.
  for (const field of ['resources', 'allocatedResources'] as const)
    if (!sameJson(from?.[field], to[field])) {
      const wanted = to[field] as JsonObject | undefined;
      patch[field] = wanted === undefined ? null : from?.[field] ? { ...wanted, $patch: 'replace' } : wanted;
    }
  const conditions: PodCondition[] = [];
  for (const condition of to.conditions ?? []) {
    if (!ownConditions.has(condition.type)) continue;
    const before = from?.conditions?.find((other) => other.type === condition.type);
    if (!before || !sameCondition(before, condition)) conditions.push(condition);
  }
  const passed = (from?.conditions ?? []).filter(
    ({ type }) => passingConditions.has(type) && !to.conditions?.some((other) => other.type === type),
  );
  if (conditions.length + passed.length > 0) {
    const changed = conditions.map((condition) => {
      const before = from?.conditions?.find((other) => other.type === condition.type);
      return {
        ...condition,
        // A merge leaves out what is not named: what went away is named.
        ...(before?.reason && !condition.reason ? { reason: null } : {}),
        ...(before?.message && !condition.message ? { message: null } : {}),
      };
    });
    patch.conditions = [...changed, ...passed.map(({ type }) => ({ $patch: 'delete', type }))] as unknown as JsonValue;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

const sameCondition = (a: PodCondition, b: PodCondition): boolean =>
  a.status === b.status &&
  (a.reason ?? '') === (b.reason ?? '') &&
  (a.message ?? '') === (b.message ?? '') &&
  a.lastTransitionTime === b.lastTransitionTime &&
  a.observedGeneration === b.observedGeneration;

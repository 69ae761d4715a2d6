/**
 * Keeping an etcd cluster in order: what deleted data took is given back when it is more than half of the file, and a NOSPACE alarm is answered
 * by compacting, defragmenting and, once there is room, disarming. One member at a time: a member that defragments answers nothing.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { type Store, StoreError } from '../store.ts';
import type { EtcdCluster, EtcdMemberStatus } from './etcd-cluster.ts';

export interface MindOptions {
  readonly cluster: EtcdCluster;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs?: number;
}

const intervalDefaultMs = 60_000;
/** Less than this is not worth the pause. */
const worthBytes = 64 * 1024 * 1024;

/** Until `signal` aborts. Failures are logged: a cluster that cannot be minded is one that cannot be reached, and others tell of that. */
export async function mindEtcd(options: MindOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, intervalMs = intervalDefaultMs } = options;
  while (!signal.aborted) {
    try {
      await mindOnce(options, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof StoreError)) throw error;
      log.warn('Cannot look after etcd', { error });
    }
    await clock.sleep(intervalMs, signal);
  }
}

const lookDefaultMs = 5000;
const turnMs = 15_000;
/** Less than this part of a file is not worth the pause while etcd refuses writes anyway. */
const gainPart = 0.1;

/**
 * Answers NOSPACE alarms until `signal` aborts. Every API server does, without a Lease: under that alarm nobody can renew one. They take turns by the
 * order of members, so that the second finds it done. What stays full (the objects themselves take the space) is only defragmented again when objects
 * have been deleted: writes go on soon after.
 * @param options.endpoint of this host's own member.
 */
export async function relieveEtcd(
  options: MindOptions & { readonly endpoint: string },
  signal: AbortSignal,
): Promise<void> {
  const { cluster, clock, log, endpoint, intervalMs = lookDefaultMs } = options;
  const isFull = async (): Promise<boolean> => (await cluster.alarms(signal)).some(({ alarm }) => alarm === 'NOSPACE');
  let tried = false;
  while (!signal.aborted) {
    try {
      if (!(await isFull())) tried = false;
      else if (!tried || (await canGain(options, signal))) {
        const members = await cluster.members(signal);
        const turn = members.findIndex(({ clientUrls }) => clientUrls.includes(endpoint));
        await clock.sleep(Math.max(0, turn) * turnMs, signal);
        if (!signal.aborted && (await isFull())) await mindOnce(options, signal);
        tried = true;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof StoreError)) throw error;
      log.warn('Cannot ask etcd for its alarms', { error });
    }
    await clock.sleep(intervalMs, signal);
  }
}

/** Compacts, which etcd does in its own time: what was deleted before an earlier look can be given back now. */
async function canGain(options: MindOptions, signal: AbortSignal): Promise<boolean> {
  await compactAll(options, signal);
  const all = await statuses(options.cluster, options.log, signal);
  return all.some(({ dbSizeBytes, dbSizeInUseBytes }) => dbSizeBytes - dbSizeInUseBytes >= dbSizeBytes * gainPart);
}

/** Who watches a moment behind keeps the events it has not had yet. */
const watchedMs = 1000;

async function compactAll({ store, clock }: MindOptions, signal?: AbortSignal): Promise<number> {
  const revision = await store.currentRevision(signal);
  await clock.sleep(watchedMs, signal);
  await store.compact(revision, signal).catch((error: unknown) => {
    if (!(error instanceof StoreError) || error.code !== 'compacted') throw error;
  });
  return revision;
}

/** One look. @returns what was done, for the log and the tests. */
export async function mindOnce(options: MindOptions, signal?: AbortSignal): Promise<readonly string[]> {
  const { cluster, log } = options;
  const done: string[] = [];
  const full = (await cluster.alarms(signal)).filter(({ alarm }) => alarm === 'NOSPACE');
  if (full.length > 0) {
    log.error('etcd has no space left under its quota: compacting and defragmenting it', {
      members: full.map(({ memberId }) => memberId),
    });
    done.push(`compacted to ${await compactAll(options, signal)}`);
  }
  for (const status of await statuses(cluster, log, signal)) {
    const loose = status.dbSizeBytes - status.dbSizeInUseBytes;
    if (full.length === 0 && (loose < worthBytes || loose < status.dbSizeInUseBytes)) continue;
    await cluster.defragment(status.endpoint, signal);
    done.push(`defragmented ${status.endpoint}`);
    log.info('Defragmented etcd', { endpoint: status.endpoint, freedBytes: loose });
  }
  for (const alarm of full) {
    await cluster.disarm(alarm, signal);
    done.push(`disarmed ${alarm.memberId}`);
  }
  return done;
}

/** Of every member that answers. */
async function statuses(cluster: EtcdCluster, log: Logger, signal?: AbortSignal): Promise<EtcdMemberStatus[]> {
  const found: EtcdMemberStatus[] = [];
  for (const { clientUrls } of await cluster.members(signal)) {
    const [endpoint] = clientUrls;
    if (endpoint === undefined) continue;
    try {
      found.push(await cluster.status(endpoint, signal));
    } catch (error) {
      if (signal?.aborted || !(error instanceof StoreError)) throw error;
      log.warn('A member of etcd does not answer', { endpoint, error });
    }
  }
  return found;
}

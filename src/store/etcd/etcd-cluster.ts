/**
 * etcd as a cluster: its members, their health, and what keeps them healthy (decision 4's store has no word for these). For the commands that
 * join, leave, back up and look, and for the one API server that minds the cluster.
 */
import { StoreError } from '../store.ts';
import { Connections, type ConnectionsOptions } from './connections.ts';
import { fromGrpc } from './errors.ts';
import { type Int64, toNumber } from './messages.ts';
import type { MethodName } from './wire.ts';

export interface EtcdMember {
  /** Hexadecimal, as etcdctl prints it. */
  readonly id: string;
  /** Empty until the member has started for the first time. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** It has no vote yet. */
  readonly learner: boolean;
}

export interface EtcdMemberStatus {
  readonly endpoint: string;
  readonly memberId: string;
  readonly version: string;
  /** Hexadecimal; `0` when there is none. */
  readonly leader: string;
  readonly dbSizeBytes: number;
  readonly dbSizeInUseBytes: number;
  readonly revision: number;
  readonly raftIndex: number;
  readonly raftAppliedIndex: number;
  readonly raftTerm: number;
  readonly learner: boolean;
  readonly errors: readonly string[];
}

export type EtcdAlarm = { readonly memberId: string; readonly alarm: 'NOSPACE' | 'CORRUPT' | 'NONE' };

export interface EtcdCluster {
  /** @param options.local what the member that is asked remembers, also without a majority. Default: what the majority says. */
  members(signal?: AbortSignal, options?: { readonly local?: boolean }): Promise<readonly EtcdMember[]>;
  /** Before the member is started. @returns its id, and all members with it. */
  addMember(
    peerUrl: string,
    options: { readonly learner: boolean },
    signal?: AbortSignal,
  ): Promise<{ readonly id: string; readonly members: readonly EtcdMember[] }>;
  /** A learner that has caught up gets its vote. @throws StoreError `unavailable` while it has not. */
  promoteMember(id: string, signal?: AbortSignal): Promise<void>;
  removeMember(id: string, signal?: AbortSignal): Promise<void>;
  /** One member's own view. @throws StoreError `unavailable` when it does not answer. */
  status(endpoint: string, signal?: AbortSignal): Promise<EtcdMemberStatus>;
  alarms(signal?: AbortSignal): Promise<readonly EtcdAlarm[]>;
  disarm(alarm: EtcdAlarm, signal?: AbortSignal): Promise<void>;
  /** Gives the space of deleted data back to the file system; that member answers nothing meanwhile. */
  defragment(endpoint: string, signal?: AbortSignal): Promise<void>;
  /** To the member with this id, asked of the present leader at `endpoint`. */
  moveLeader(endpoint: string, id: string, signal?: AbortSignal): Promise<void>;
  /** The whole database as etcdctl saves it: its bytes, followed by their SHA-256. */
  snapshot(endpoint: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  setEndpoints(endpoints: readonly string[]): void;
  close(): void;
}

/** Nothing is asked yet: an unreachable cluster shows itself at the first call. */
export async function openEtcdCluster(options: ConnectionsOptions): Promise<EtcdCluster> {
  return createEtcdCluster(await Connections.open(options));
}

interface WireMember {
  readonly ID: Int64;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

const alarmNames = ['NONE', 'NOSPACE', 'CORRUPT'] as const;
/** Defragmenting and copying take as long as the disk does. */
const longMs = 600_000;

function createEtcdCluster(connections: Connections): EtcdCluster {
  const at = async (
    endpoint: string,
    method: MethodName,
    request: object,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<object> => {
    connections.check(signal);
    try {
      return await connections.channelOf(endpoint).unary(method, request, timeoutMs, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw fromGrpc(error);
    }
  };
  return {
    async members(signal, { local = false } = {}) {
      // A member cut off from the others must not answer from its memory (3.4 ignores the field and does).
      const answer = await connections.call('Cluster/MemberList', { linearizable: !local }, signal);
      return (answer as { readonly members: readonly WireMember[] }).members.map(fromMember);
    },
    async addMember(peerUrl, { learner }, signal) {
      const answer = (await connections.call(
        'Cluster/MemberAdd',
        { peerURLs: [peerUrl], isLearner: learner },
        signal,
      )) as { readonly member: WireMember; readonly members: readonly WireMember[] };
      return { id: hex(answer.member.ID), members: answer.members.map(fromMember) };
    },
    async promoteMember(id, signal) {
      await connections.call('Cluster/MemberPromote', { ID: decimal(id) }, signal);
    },
    async removeMember(id, signal) {
      await connections.call('Cluster/MemberRemove', { ID: decimal(id) }, signal);
    },
    async status(endpoint, signal) {
      const answer = (await at(endpoint, 'Maintenance/Status', {}, connections.timeoutMs, signal)) as WireStatus;
      return {
        endpoint,
        memberId: hex(answer.header.member_id),
        version: answer.version,
        leader: hex(answer.leader),
        dbSizeBytes: toNumber(answer.dbSize),
        dbSizeInUseBytes: toNumber(answer.dbSizeInUse),
        revision: toNumber(answer.header.revision),
        raftIndex: toNumber(answer.raftIndex),
        raftAppliedIndex: toNumber(answer.raftAppliedIndex),
        raftTerm: toNumber(answer.raftTerm),
        learner: answer.isLearner,
        errors: answer.errors,
      };
    },
    async alarms(signal) {
      const answer = await connections.call('Maintenance/Alarm', { action: 'GET' }, signal);
      const { alarms } = answer as { readonly alarms: readonly { readonly memberID: Int64; readonly alarm: number }[] };
      return alarms.map(({ memberID, alarm }) => ({ memberId: hex(memberID), alarm: alarmNames[alarm] ?? 'NONE' }));
    },
    async disarm({ memberId, alarm }, signal) {
      const request = { action: 'DEACTIVATE', memberID: decimal(memberId), alarm };
      await connections.call('Maintenance/Alarm', request, signal);
    },
    async defragment(endpoint, signal) {
      await at(endpoint, 'Maintenance/Defragment', {}, longMs, signal);
    },
    async moveLeader(endpoint, id, signal) {
      await at(endpoint, 'Maintenance/MoveLeader', { targetID: decimal(id) }, connections.timeoutMs, signal);
    },
    async *snapshot(endpoint, signal) {
      connections.check(signal);
      const stream = connections.channelOf(endpoint).serverStream('Maintenance/Snapshot', {});
      const cancel = (): void => stream.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
      try {
        for await (const answer of stream.answers) yield (answer as { readonly blob: Uint8Array }).blob;
      } catch (error) {
        signal?.throwIfAborted();
        throw fromGrpc(error);
      } finally {
        signal?.removeEventListener('abort', cancel);
        stream.cancel();
      }
    },
    setEndpoints: (endpoints) => connections.setEndpoints(endpoints),
    close: () => connections.close(),
  };
}

interface WireStatus {
  readonly header: { readonly member_id: Int64; readonly revision: Int64 };
  readonly version: string;
  readonly dbSize: Int64;
  readonly dbSizeInUse: Int64;
  readonly leader: Int64;
  readonly raftIndex: Int64;
  readonly raftAppliedIndex: Int64;
  readonly raftTerm: Int64;
  readonly isLearner: boolean;
  readonly errors: readonly string[];
}

const hex = (id: Int64): string => BigInt.asUintN(64, BigInt(id.toString())).toString(16);
const decimal = (id: string): string => BigInt(`0x${id}`).toString();

const fromMember = (member: WireMember): EtcdMember => ({
  id: hex(member.ID),
  name: member.name,
  peerUrls: member.peerURLs,
  clientUrls: member.clientURLs,
  learner: member.isLearner,
});

/** How many members may fail while the rest still decides: votes, less a majority. */
export function failuresTolerated(members: readonly Pick<EtcdMember, 'learner'>[]): number {
  const votes = members.filter(({ learner }) => !learner).length;
  return Math.max(0, votes - (Math.floor(votes / 2) + 1));
}

/** A member that has not caught up; asked again a moment later it may have. */
export function isLearnerBehind(error: unknown): boolean {
  return (
    error instanceof StoreError &&
    /learner not ready|can only promote a learner member which is in sync/i.test(error.message)
  );
}

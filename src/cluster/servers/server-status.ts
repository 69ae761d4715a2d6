/** What `bireme status` says beyond the nodes on a server: etcd's members, who leads, and how many failures the cluster tolerates. */
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { failuresTolerated, openEtcdCluster } from '../../store/etcd/etcd-cluster.ts';
import { type DataDir, readFileIfPresent } from '../data-dir.ts';
import { readList } from './host-config.ts';

export interface EtcdStatus {
  readonly members: readonly {
    readonly name: string;
    readonly endpoint: string;
    readonly role: 'leader' | 'follower' | 'learner' | 'unreachable';
    readonly version: string;
    readonly dbSizeBytes: number;
  }[];
  readonly voters: number;
  /** With a vote and answering. */
  readonly answering: number;
  readonly hasQuorum: boolean;
  /** How many more may fail now: those that do not answer count as failed already. */
  readonly toleratesFailures: number;
  readonly alarms: readonly string[];
}

const timeoutMs = 2000;

/** @returns undefined when no member answers at all. */
export async function etcdStatus(dir: DataDir, clock: Clock): Promise<EtcdStatus | undefined> {
  const read = (name: string): string => readFileIfPresent(`${dir.pki}/etcd/${name}`) ?? '';
  const tls = { ca: read('ca.crt'), cert: read('healthcheck-client.crt'), key: read('healthcheck-client.key') };
  const endpoints = readList(dir, 'etcd-endpoints');
  if (endpoints.length === 0 || tls.key === '') return undefined;
  const cluster = await openEtcdCluster({ endpoints, tls, clock, timeoutMs });
  try {
    const members = await cluster.members().catch(() => cluster.members(undefined, { local: true }));
    const seen = await Promise.all(
      members.map(async (member) => {
        const endpoint = member.clientUrls[0] ?? member.peerUrls[0] ?? '';
        try {
          const status = await cluster.status(endpoint);
          const role = status.learner ? 'learner' : status.leader === status.memberId ? 'leader' : 'follower';
          return {
            name: member.name,
            endpoint,
            role,
            version: status.version,
            dbSizeBytes: status.dbSizeBytes,
          } as const;
        } catch (error) {
          if (!(error instanceof Error)) throw error;
          return { name: member.name, endpoint, role: 'unreachable', version: '', dbSizeBytes: 0 } as const;
        }
      }),
    );
    const voters = members.filter(({ learner }) => !learner);
    const answering = seen.filter(({ role }) => role === 'leader' || role === 'follower').length;
    const tolerated = failuresTolerated(members) - (voters.length - answering);
    return {
      members: seen,
      voters: voters.length,
      answering,
      hasQuorum: tolerated >= 0,
      toleratesFailures: Math.max(0, tolerated),
      alarms: tolerated < 0 ? [] : (await cluster.alarms()).map(({ memberId, alarm }) => `${alarm} on ${memberId}`),
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return undefined;
  } finally {
    cluster.close();
  }
}

/** Holder of each leader lease, without its uuid. */
export async function leadersOf(client: Client, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const leaders: Record<string, string> = {};
  for (const name of ['kube-controller-manager', 'kube-scheduler']) {
    const lease = await client.resource(resources.leases).get(name, { namespace: 'kube-system', signal });
    leaders[name] = lease.spec?.holderIdentity?.split('_')[0] ?? '';
  }
  return leaders;
}

/** `bireme reset`: takes this server out of its cluster and removes all that made it one. */
import { existsSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Spawner } from '../../host/spawner.ts';
import { type EtcdMember, failuresTolerated, openEtcdCluster } from '../../store/etcd/etcd-cluster.ts';
import { StoreError } from '../../store/store.ts';
import { ClusterError } from '../cluster-error.ts';
import { type DataDir, dataDirAt, readFileIfPresent } from '../data-dir.ts';
import { takeDown } from '../down.ts';
import { clientUrl, type HostConfig, hostConfigPath, readHostConfig, readList } from './host-config.ts';
import { settled } from './join-etcd.ts';
import { removeUnit } from './systemd.ts';

export interface ResetOptions {
  readonly dataDir: string;
  /** Also when the others then have no majority, or cannot be asked. */
  readonly force: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly spawner: Spawner;
  readonly progress: (text: string) => void;
}

/** @returns false when there was nothing. @throws ClusterError when the cluster would lose its quorum. */
export async function resetHost(options: ResetOptions): Promise<boolean> {
  const { dataDir, progress } = options;
  const dir = dataDirAt(dataDir);
  const config = existsSync(hostConfigPath(dir)) ? readHostConfig(dir) : undefined;
  if (!config) return takeDown(options);
  if (config.etcd) {
    progress('Leaving etcd');
    await leaveEtcd(dir, config, options);
  }
  removeUnit();
  await takeDown(options);
  return true;
}

const waitMs = 5000;

/** What the others still agree on: whether they keep a majority of those with a vote that answer. */
export function quorumAfterLeaving(members: readonly (EtcdMember & { readonly answers: boolean })[], leaving: string) {
  const rest = members.filter(({ id, learner }) => id !== leaving && !learner);
  const answering = rest.filter(({ answers }) => answers).length;
  return { rest: rest.length, answering, kept: rest.length === 0 || answering >= Math.floor(rest.length / 2) + 1 };
}

async function leaveEtcd(dir: DataDir, config: HostConfig, options: ResetOptions): Promise<void> {
  const { clock, log, force } = options;
  const read = (name: string): string => readFileIfPresent(`${dir.pki}/etcd/${name}`) ?? '';
  const tls = { ca: read('ca.crt'), cert: read('healthcheck-client.crt'), key: read('healthcheck-client.key') };
  const own = clientUrl(config.address, config.etcd!.clientPort);
  const known = readList(dir, 'etcd-endpoints');
  const endpoints = [...known.filter((url) => url !== own), own];
  const cluster = await openEtcdCluster({ endpoints, tls, clock, timeoutMs: waitMs });
  try {
    const members = await cluster.members();
    const ours = members.find(({ name, clientUrls }) => name === config.etcd!.name || clientUrls.includes(own));
    if (!ours || members.length === 1) return;
    const seen = await Promise.all(
      members.map(async (member) => {
        const [url] = member.clientUrls;
        const answers =
          url !== undefined &&
          (await cluster.status(url).then(
            () => true,
            () => false,
          ));
        return { ...member, answers };
      }),
    );
    const after = quorumAfterLeaving(seen, ours.id);
    if (!after.kept && !force)
      throw new ClusterError(
        `Without this host etcd has ${after.rest} members of which ${after.answering} answer: the cluster would stop`,
        'bring the others back first, or give --force when the cluster is given up',
      );
    await settled(() => cluster.removeMember(ours.id), clock);
    log.info('Left etcd', { tolerated: failuresTolerated(members.filter(({ id }) => id !== ours.id)) });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (!force)
      throw new ClusterError(
        `etcd cannot be asked to let this host go: ${error.message}`,
        'start the other members, or give --force: the others then count this host as lost until "bireme join" or etcdctl removes it',
        { cause: error },
      );
    log.warn('Leaving without telling etcd', { error });
  } finally {
    cluster.close();
  }
}

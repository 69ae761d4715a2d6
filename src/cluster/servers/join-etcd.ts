/** Joining hosts that carry etcd: a learner is added, started, and gets its vote when it has caught up. Until then nothing of the cluster depends on it. */

import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import {
  type EtcdCluster,
  type EtcdMember,
  failuresTolerated,
  openEtcdCluster,
} from '../../store/etcd/etcd-cluster.ts';
import { StoreError } from '../../store/store.ts';
import { type EtcdCertificates, loadOrCreateEtcdCertificates } from '../certificates.ts';
import { ClusterError } from '../cluster-error.ts';
import { downloadCertificates, writeCertificates } from './certificate-upload.ts';
import { clientUrl, type HostConfig, ports, writeHostConfig, writeList } from './host-config.ts';
import { adminClient, writeMasterFiles } from './init.ts';
import type { JoinContext, Joined } from './join.ts';
import { masterCertificates } from './master.ts';
import { findEtcd, markControlPlane, waitForNode } from './prepare.ts';
import { mastersOf } from './run-host.ts';
import { startHostProcess } from './start-host.ts';

type Quorum = NonNullable<Joined['quorum']>;

const startTimeoutMs = 90_000;
const promoteTimeoutMs = 60_000;
const changeTimeoutMs = 30_000;
const retryMs = 250;
const nodeTimeoutMs = 120_000;
const snapshotDefaults = { everyMs: 12 * 3_600_000, keep: 5 };

export async function joinControlPlane(context: JoinContext): Promise<Quorum> {
  const { options, dir, runtime } = context;
  const { clock, nodeName, progress } = options;
  const config = await fetchCertificates(context, 'control-plane');
  const { etcd } = await masterCertificates(dir, config, options);
  await writeMasterFiles(dir, config, runtime, options);
  const endpoints = await etcdEndpoints(context);
  return withMember(context, config, etcd, endpoints, async () => {
    const { client, close } = adminClient(dir, options);
    try {
      if (runtime.runtime === 'none') return;
      progress({ kind: 'step', text: `Node ${nodeName}` });
      await waitForNode(client, nodeName, { clock, timeoutMs: nodeTimeoutMs });
      await markControlPlane(client, nodeName, options);
    } finally {
      await close();
    }
  });
}

export async function joinWitness(context: JoinContext): Promise<Quorum> {
  const { options, dir } = context;
  const config = await fetchCertificates(context, 'etcd-witness');
  const { nodeName, address } = config;
  const etcd = await loadOrCreateEtcdCertificates({ ...options, pkiDir: dir.pki, nodeName, address });
  return withMember(context, config, etcd, await etcdEndpoints(context), async () => undefined);
}

/** @returns the host's configuration, without etcd's list of members. */
async function fetchCertificates(
  { options, dir, client, facts, runtime, port }: JoinContext,
  role: 'control-plane' | 'etcd-witness',
): Promise<HostConfig> {
  const program = findEtcd(options.etcdProgram, options.machine.path);
  options.progress({ kind: 'step', text: 'Fetching the certificates of the control plane' });
  const certificates = await downloadCertificates(client, options.certificateKey ?? '');
  const config: HostConfig = {
    role,
    nodeName: options.nodeName,
    address: options.address,
    port,
    network: facts.network,
    runtime: runtime.runtime,
    ...(role === 'control-plane' ? { snapshots: snapshotDefaults } : {}),
    serverNames: [
      ...options.serverNames,
      ...(facts.controlPlaneEndpoint === '' ? [] : [facts.controlPlaneEndpoint.replace(/:\d+$/, '')]),
    ],
    etcd: {
      program,
      name: options.nodeName,
      clientPort: ports.etcdClient,
      peerPort: ports.etcdPeer,
      initialCluster: '',
      initialState: 'existing',
    },
  };
  writeHostConfig(dir, config);
  // A witness votes and does nothing else: it gets no more than that takes.
  const needed = new Map([...certificates].filter(([file]) => role === 'control-plane' || file.startsWith('etcd/')));
  writeCertificates(dir.pki, needed);
  return config;
}

/** Where etcd is asked: on every host that runs an API server. */
async function etcdEndpoints({ found, client }: JoinContext): Promise<readonly string[]> {
  const host = (name: string): string => name.slice(0, name.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  const slice = await client.resource(resources.endpointSlices).get('kubernetes', { namespace: 'default' });
  const masters = mastersOf([slice]).map(host);
  const asked = host(found.asked.replace('https://', ''));
  // Whoever was asked may be a balancer without etcd: those who say that they are API servers come first.
  return [...new Set([...masters, asked])].map((address) => clientUrl(address, ports.etcdClient));
}

/** Adds this host's member, starts the host, gives the member its vote, and does the rest; takes the member out again when any of it fails. */
async function withMember(
  { options, dir }: JoinContext,
  config: HostConfig,
  certificates: EtcdCertificates,
  endpoints: readonly string[],
  rest: () => Promise<void>,
): Promise<Quorum> {
  const { clock, progress, address, nodeName } = options;
  const peerUrl = clientUrl(address, ports.etcdPeer);
  const tls = {
    ca: certificates.ca.cert,
    cert: certificates.healthcheckClient.cert,
    key: certificates.healthcheckClient.key,
  };
  const cluster = await openEtcdCluster({ endpoints, tls, clock, timeoutMs: 5000 });
  let added: string | undefined;
  try {
    progress({ kind: 'step', text: 'Joining etcd' });
    const { id, members } = await addLearner(cluster, peerUrl, nodeName, options);
    added = id;
    const others = members.filter((member) => member.id !== id);
    writeHostConfig(dir, {
      ...config,
      etcd: {
        ...config.etcd!,
        initialCluster: [
          ...others.map(({ name, peerUrls }) => `${name}=${peerUrls[0]}`),
          `${nodeName}=${peerUrl}`,
        ].join(','),
      },
    });
    const known = others.filter(({ learner }) => !learner).flatMap(({ clientUrls }) => clientUrls.slice(0, 1));
    // Its own last: a learner answers nobody yet.
    writeList(dir, 'etcd-endpoints', [...known, clientUrl(address, ports.etcdClient)]);
    cluster.setEndpoints(known);
    await startHostProcess({
      dir,
      command: options.hostCommand,
      systemd: options.systemd,
      clock,
      timeoutMs: startTimeoutMs,
    });
    await promote(cluster, id, options);
    await rest();
    const now = await cluster.members();
    return { voters: now.filter(({ learner }) => !learner).length, tolerated: failuresTolerated(now) };
  } catch (error) {
    if (added !== undefined) await removeAgain(cluster, added, options);
    throw error instanceof StoreError
      ? new ClusterError(
          `etcd on ${endpoints.join(', ')} does not do what joining needs: ${error.message}`,
          'see "bireme status" on a control-plane host, and run the same command again',
          { cause: error },
        )
      : error;
  } finally {
    cluster.close();
  }
}

/** A member that an interrupted try left under this host's address is taken out first: nobody else can be there. */
async function addLearner(
  cluster: EtcdCluster,
  peerUrl: string,
  name: string,
  { clock, log }: JoinContext['options'],
): Promise<{ readonly id: string; readonly members: readonly EtcdMember[] }> {
  for (const member of await cluster.members()) {
    if (member.peerUrls.includes(peerUrl)) {
      log.info('Taking out the member of etcd that an earlier try left', { member: member.id });
      await settled(() => cluster.removeMember(member.id), clock);
    } else if (member.name === name)
      throw new ClusterError(
        `etcd has a member "${name}" already, at ${member.peerUrls.join(', ')}`,
        'give this host another name with --node-name, or take that member out with "bireme reset" on its host',
      );
  }
  return settled(() => cluster.addMember(peerUrl, { learner: true }), clock);
}

/**
 * Changes the members when etcd lets it: it refuses while another host joins, and within some seconds of any member's start, before it knows that
 * all are well.
 */
export async function settled<T>(change: () => Promise<T>, clock: Clock): Promise<T> {
  const deadline = clock.monotonic() + changeTimeoutMs;
  for (;;)
    try {
      return await change();
    } catch (error) {
      const later =
        error instanceof StoreError &&
        /too many learner|unhealthy cluster|not enough started|leader changed/.test(error.message);
      if (!later || clock.monotonic() > deadline) throw error;
      await clock.sleep(4 * retryMs);
    }
}

async function promote(cluster: EtcdCluster, id: string, { clock }: JoinContext['options']): Promise<void> {
  const deadline = clock.monotonic() + promoteTimeoutMs;
  for (;;)
    try {
      await cluster.promoteMember(id);
      return;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (/is not a learner|not found/.test(error.message)) throw error;
      if (clock.monotonic() > deadline)
        throw new ClusterError(
          `etcd on this host does not catch up with the others within ${promoteTimeoutMs / 1000} seconds: ${error.message}`,
          'check that the hosts reach each other on the ports 2379 and 2380, and look into logs/etcd.log',
          { cause: error },
        );
      await clock.sleep(retryMs);
    }
}

async function removeAgain(cluster: EtcdCluster, id: string, { log }: JoinContext['options']): Promise<void> {
  try {
    await cluster.removeMember(id);
  } catch (error) {
    log.warn('Cannot take the member out of etcd again; the next try does', { member: id, error });
  }
}

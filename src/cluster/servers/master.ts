/** A control-plane host: etcd, and on it API server, scheduler and controllers in one process, which any number of others do likewise. */

import { ApiError } from '../../api/errors.ts';
import type { ApiHandler } from '../../api/exchange.ts';
import type { Node } from '../../api/types/core-v1.ts';
import { createTaskGroup } from '../../base/task-group.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import type { Spawner } from '../../host/spawner.ts';
import { startHttpsServer } from '../../serve/index.ts';
import { openEtcdCluster } from '../../store/etcd/etcd-cluster.ts';
import { type EtcdStore, openEtcdStore } from '../../store/etcd/etcd-store.ts';
import { mindEtcd, relieveEtcd } from '../../store/etcd/mind-cluster.ts';
import { StoreError } from '../../store/store.ts';
import {
  type ClusterCertificates,
  type EtcdCertificates,
  loadOrCreateCertificates,
  loadOrCreateEtcdCertificates,
} from '../certificates.ts';
import { ClusterError } from '../cluster-error.ts';
import type { Surroundings } from '../component.ts';
import { type Addon, type ControlPlane, startControlPlane } from '../control-plane.ts';
import type { DataDir } from '../data-dir.ts';
import { createKubeletClient } from '../kubelet-client.ts';
import { runEtcdMember } from './etcd-member.ts';
import { bracketed, clientUrl, type HostConfig, readList, writeList } from './host-config.ts';
import { servingApprover } from './serving-approver.ts';
import { snapshotEtcdRegularly } from './snapshots.ts';
import { doStoreTask } from './store-task.ts';

export interface MasterOptions extends Surroundings {
  readonly dir: DataDir;
  readonly config: HostConfig;
  readonly spawner: Spawner;
  /** Called when requests are answered. */
  readonly onServing: (controlPlane: ControlPlane) => void;
}

const retryMs = 500;
const membersEveryMs = 20_000;
const renewEveryMs = 12 * 3_600_000;

export const firstAddress = (cidr: string): string => {
  const [base = ''] = cidr.split('/');
  const parts = base.split('.').map(Number);
  return [...parts.slice(0, -1), (parts.at(-1) ?? 0) + 1].join('.');
};

/** Everything below pki/ that this host needs and does not have yet. */
export async function masterCertificates(
  dir: DataDir,
  config: HostConfig,
  io: Pick<Surroundings, 'clock' | 'random'>,
): Promise<{ readonly cluster: ClusterCertificates; readonly etcd: EtcdCertificates }> {
  const { nodeName, address, network, serverNames = [] } = config;
  const isAddress = (name: string): boolean => /^[\d.]+$|:/.test(name);
  const cluster = await loadOrCreateCertificates({
    pkiDir: dir.pki,
    ...io,
    dnsNames: [nodeName, ...serverNames.filter((name) => !isAddress(name))],
    ipAddresses: [address, firstAddress(network.serviceCidr), ...serverNames.filter(isAddress)],
    clusterDomain: network.clusterDomain,
  });
  return { cluster, etcd: await loadOrCreateEtcdCertificates({ pkiDir: dir.pki, nodeName, address, ...io }) };
}

/** Runs until `signal` aborts. @throws the first part's failure. */
export async function runMaster(options: MasterOptions, signal: AbortSignal): Promise<void> {
  const { dir, config, spawner, clock, random, log, metrics } = options;
  const { network, address, port, nodeName } = config;
  if (!config.etcd) throw new ClusterError('This control-plane host has no etcd', 'run "bireme reset" and join again');
  const certificates = await masterCertificates(dir, config, options);
  const { cluster } = certificates;
  let handler: ApiHandler = () => Promise.resolve(starting());
  let controlPlane: ControlPlane | undefined;
  // The port first: it is what another program is most likely to hold.
  const https = await startHttpsServer({
    handler: (request) => handler(request),
    key: cluster.apiserver.key,
    cert: cluster.apiserver.cert,
    clientCa: cluster.ca.cert,
    frontProxyCa: cluster.frontProxyCa.cert,
    host: '0.0.0.0',
    port,
    clock,
    log: log.with({ component: 'kube-apiserver' }),
    metrics,
    streamsBody: (method, path) => controlPlane?.server.streamsBody(method, path) ?? false,
  });
  const parts = createTaskGroup();
  parts.run('etcd', (stop) =>
    runEtcdMember({ dir, config: config.etcd!, address, spawner, clock, log: log.with({ component: 'etcd' }) }, stop),
  );
  const kubelets = createKubeletClient({
    clock,
    node: (name) => controlPlane?.server.reader.get('', 'nodes', '', name) as unknown as Node | undefined,
    hollow: () => undefined,
    certificate: cluster.apiserverKubeletClient,
    ca: cluster.ca.cert,
  });
  let store: EtcdStore | undefined;
  const failed = parts.done.then(() => undefined);
  failed.catch(() => undefined);
  try {
    store = await Promise.race([openStore(options, certificates.etcd, signal), failed]);
    if (!store) return;
    const shared = store;
    await Promise.race([doStoreTask(dir, shared, options), failed]);
    const settings = {
      clock,
      random,
      log,
      metrics,
      store: shared,
      sharedStore: true,
      identity: `${nodeName}_${random.uuid()}`,
      serviceAccountPrivateKey: cluster.serviceAccountPrivateKey,
      rootCa: cluster.ca.cert,
      clientCa: cluster.ca.cert,
      frontProxyCa: cluster.frontProxyCa.cert,
      frontProxyClient: cluster.frontProxyClient,
      certificateSigner: cluster.ca,
      hostname: nodeName,
      advertiseAddress: address,
      port,
      network,
      kubelet: kubelets,
      clusterDns: true,
      addons: [servingApprover, etcdMinder(options, certificates.etcd, shared)],
    };
    controlPlane = await Promise.race([untilThere(() => startControlPlane(settings), options, signal), failed]);
    if (!controlPlane) return;
    const running = controlPlane;
    handler = running.handler;
    options.onServing(running);
    parts.run('control-plane', async (stop) => {
      try {
        await Promise.race([running.done, untilAborted(stop)]);
      } finally {
        await running.stop();
      }
    });
    parts.run('etcd-space', (stop) => relieve(options, certificates.etcd, shared, stop));
    parts.run('etcd-members', (stop) => followMembers(options, certificates.etcd, shared, stop));
    const { snapshots } = config;
    if (snapshots && snapshots.everyMs > 0)
      parts.run('etcd-snapshots', (stop) => snapshotEtcdRegularly(dir, config, { clock, log, ...snapshots }, stop));
    parts.run('certificate-renewal', async (stop) => {
      for (;;) {
        await clock.sleep(renewEveryMs, stop);
        if (stop.aborted) return;
        const renewed = await masterCertificates(dir, config, options);
        https.reloadCertificates({ ...renewed.cluster.apiserver, clientCa: renewed.cluster.ca.cert });
      }
    });
    await Promise.race([failed, aborted(signal)]);
  } finally {
    // The leases are given up and the last requests answered while etcd is still there.
    await controlPlane?.stop();
    await https.stop({ graceMs: 3000 });
    await kubelets.close();
    await store?.close();
    await parts.stop();
  }
}

/** Own member first, when it has a vote; the others after it. */
export function orderEndpoints(own: string, others: readonly string[]): readonly string[] {
  return others.includes(own) ? [own, ...others.filter((url) => url !== own)] : others;
}

const ownUrl = ({ address, etcd }: HostConfig): string => clientUrl(address, etcd?.clientPort ?? 0);

export const etcdClientTls = ({ ca, apiserverClient }: EtcdCertificates) => ({
  ca: ca.cert,
  cert: apiserverClient.cert,
  key: apiserverClient.key,
});

async function openStore(
  { dir, config, clock, log }: MasterOptions,
  certificates: EtcdCertificates,
  signal: AbortSignal,
): Promise<EtcdStore | undefined> {
  const known = readList(dir, 'etcd-endpoints');
  const endpoints = known.length > 0 ? known : [ownUrl(config)];
  let told = false;
  while (!signal.aborted)
    try {
      return await openEtcdStore({ endpoints, tls: etcdClientTls(certificates), clock, timeoutMs: 5000 });
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'unavailable') throw error;
      if (!told) log.info('Waiting for etcd to have a leader', { endpoints, error });
      told = true;
      await clock.sleep(retryMs, signal);
    }
  return undefined;
}

/** etcd may lose its quorum in the middle of a start. */
async function untilThere<T>(
  start: () => Promise<T>,
  { clock, log }: MasterOptions,
  signal: AbortSignal,
): Promise<T | undefined> {
  while (!signal.aborted)
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'unavailable') throw error;
      log.warn('etcd went away during the start, trying again', { error });
      await clock.sleep(retryMs, signal);
    }
  return undefined;
}

/** etcd has no watch on its members: asked from time to time, so that a start finds the others whatever happened meanwhile. */
async function followMembers(
  { dir, config, clock, log }: MasterOptions,
  certificates: EtcdCertificates,
  store: EtcdStore,
  signal: AbortSignal,
): Promise<void> {
  const cluster = await openEtcdCluster({ endpoints: store.endpoints, tls: etcdClientTls(certificates), clock });
  try {
    let settled = true;
    while (!signal.aborted) {
      try {
        const members = await cluster.members(signal);
        const voters = members.filter(({ learner }) => !learner);
        settled = voters.length === members.length;
        const urls = voters.flatMap(({ clientUrls }) => clientUrls.slice(0, 1));
        const endpoints = [...orderEndpoints(ownUrl(config), urls)];
        // A learner becomes a voter soon; without its own member this server would hang on the others' lives.
        if (!endpoints.includes(ownUrl(config))) endpoints.push(ownUrl(config));
        if (endpoints.length > 0 && endpoints.join() !== store.endpoints.join()) {
          log.info('The members of etcd have changed', { endpoints });
          store.setEndpoints(endpoints);
          cluster.setEndpoints(endpoints);
        }
        if (endpoints.length > 0) writeList(dir, 'etcd-endpoints', endpoints);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StoreError)) throw error;
        log.warn('Cannot ask etcd for its members', { error });
      }
      await clock.sleep(settled ? membersEveryMs : retryMs, signal);
    }
  } finally {
    cluster.close();
  }
}

async function relieve(
  { config, clock, log }: MasterOptions,
  certificates: EtcdCertificates,
  store: EtcdStore,
  signal: AbortSignal,
): Promise<void> {
  const cluster = await openEtcdCluster({ endpoints: [ownUrl(config)], tls: etcdClientTls(certificates), clock });
  try {
    const endpoint = ownUrl(config);
    await relieveEtcd({ cluster, store, endpoint, clock, log: log.with({ component: 'etcd-space' }) }, signal);
  } finally {
    cluster.close();
  }
}

const etcdMinder = (
  { config, clock, log }: MasterOptions,
  certificates: EtcdCertificates,
  store: EtcdStore,
): Addon => ({
  name: 'etcd-minder',
  async run(_component, signal) {
    const endpoints = store.endpoints.length > 0 ? store.endpoints : [ownUrl(config)];
    const cluster = await openEtcdCluster({ endpoints, tls: etcdClientTls(certificates), clock });
    try {
      await mindEtcd({ cluster, store, clock, log: log.with({ component: 'etcd-minder' }) }, signal);
    } finally {
      cluster.close();
    }
  },
});

const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });

const starting = (): Awaited<ReturnType<ApiHandler>> => {
  const { status } = ApiError.serviceUnavailable('the API server is starting');
  return {
    status: 503,
    headers: { 'content-type': 'application/json', 'retry-after': '1' },
    body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(status)) },
  };
};

export const serverUrl = (address: string, port: number): string => `https://${bracketed(address)}:${port}`;

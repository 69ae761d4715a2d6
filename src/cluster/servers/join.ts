/** `bireme join`: a bare server becomes a worker, a control-plane host or an etcd witness. */
import { ApiError, isNotFound } from '../../api/errors.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import { TransportError } from '../../client/transport.ts';
import { ClusterError } from '../cluster-error.ts';
import { defaultClusterNetwork } from '../control-plane.ts';
import { type DataDir, rememberBefore, writeFileAtomically } from '../data-dir.ts';
import { writeNodeSetup } from '../node-config.ts';
import { version } from '../version.ts';
import { parseClusterConfiguration } from './cluster-objects.ts';
import { type Discovered, discover } from './discovery.ts';
import { type HostConfig, ports, writeHostConfig, writeList } from './host-config.ts';
import { hollowConfig } from './init.ts';
import { joinControlPlane, joinWitness } from './join-etcd.ts';
import { clientPemPath, joinPair } from './node-certificates.ts';
import {
  addressWithPort,
  assertPortsFree,
  chooseRuntime,
  markComplete,
  type NodeRuntime,
  nodeConfigOf,
  openFresh,
  removeNodeFiles,
  renderNodeKubeconfig,
  type ServerOptions,
  takeBack,
  temporaryServing,
  waitForNode,
} from './prepare.ts';
import { clientSigner, nodeSubject, requestCertificate } from './request-certificate.ts';
import { mastersOf } from './run-host.ts';
import { startHostProcess } from './start-host.ts';

export interface JoinOptions extends ServerOptions {
  /** `host[:port]` of one API server. */
  readonly server: string;
  readonly token: string;
  readonly caCertHashes: readonly string[];
  readonly withoutHash: boolean;
  readonly role: HostConfig['role'];
  /** Control-plane hosts and witnesses. */
  readonly certificateKey?: string;
  readonly etcdProgram: string;
  readonly serverNames: readonly string[];
  readonly schedulable: boolean;
  /** For the discovery. */
  readonly timeoutMs?: number;
}

export interface Joined {
  readonly role: HostConfig['role'];
  readonly nodeName: string;
  /** Absent for workers: how many of etcd's members may fail now, and how many have a vote. */
  readonly quorum?: { readonly voters: number; readonly tolerated: number };
  readonly adminKubeconfig?: string;
}

/** What a joining host has learned of its cluster. */
export interface JoinContext {
  readonly options: JoinOptions;
  readonly dir: DataDir;
  readonly found: Discovered;
  readonly runtime: NodeRuntime;
  readonly facts: ReturnType<typeof parseClusterConfiguration>;
  /** With the token's rights. */
  readonly client: Client;
  readonly port: number;
}

const certificateTimeoutMs = 60_000;
const startTimeoutMs = 60_000;
const nodeTimeoutMs = 120_000;

/** @throws ClusterError; what was made by then is taken back. */
export async function joinCluster(options: JoinOptions): Promise<Joined> {
  const { clock, role, progress } = options;
  const step = (text: string): void => progress({ kind: 'step', text });
  const runtime =
    role === 'etcd-witness' ? { runtime: 'none' as const, cniBinDir: '', note: '' } : chooseRuntime(options);
  if (role === 'worker' && runtime.runtime === 'none')
    throw new ClusterError('A worker without a runtime does no work', 'leave out --runtime none');
  if (role !== 'worker' && options.certificateKey === undefined)
    throw new ClusterError(
      `A ${role === 'etcd-witness' ? 'witness' : 'control-plane host'} needs the key of the cluster's certificates`,
      'give it with --certificate-key; "bireme init phase upload-certs" prints it on a control-plane host',
    );
  const leaveAsBefore = rememberBefore(options.dataDir);
  const dir = await openFresh(options);
  const address = addressWithPort(options.server, 6443);
  let context: JoinContext;
  let close: (() => Promise<void>) | undefined;
  try {
    await assertPortsFree(portsOf(options, runtime));
    step(`Looking for the cluster at ${address}`);
    const found = await discover({
      address,
      token: options.token,
      caCertHashes: options.caCertHashes,
      withoutHash: options.withoutHash,
      clock,
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    });
    const transport = createHttpsTransport({ server: found.asked, ca: found.ca, token: options.token, clock });
    close = () => transport.close();
    const client = createClient(transport, { fieldManager: 'bireme' });
    const facts = await readFacts(client, found);
    checkSkew(facts.kubernetesVersion);
    if (runtime.runtime !== 'none') await assertNameIsFree(client, options.nodeName);
    const port = Number(address.slice(address.lastIndexOf(':') + 1));
    context = { options, dir, found, runtime, facts, client, port };
  } catch (error) {
    await close?.();
    leaveAsBefore([]);
    throw explained(error, address);
  }
  if (runtime.note !== '') progress({ kind: 'note', text: runtime.note });
  try {
    switch (role) {
      case 'worker':
        await joinWorker(context);
        break;
      case 'control-plane': {
        const quorum = await joinControlPlane(context);
        markComplete(dir);
        return { role, nodeName: options.nodeName, quorum, adminKubeconfig: dir.adminKubeconfig };
      }
      case 'etcd-witness': {
        const quorum = await joinWitness(context);
        markComplete(dir);
        return { role, nodeName: options.nodeName, quorum };
      }
    }
    markComplete(dir);
    return { role, nodeName: options.nodeName };
  } catch (error) {
    step('Taking back what was made');
    await takeBack(options);
    throw explained(error, address);
  } finally {
    await close();
  }
}

async function joinWorker({ options, dir, found, runtime, facts, client, port }: JoinContext): Promise<void> {
  const { clock, nodeName, address, progress } = options;
  const step = (text: string): void => progress({ kind: 'step', text });
  const config: HostConfig = {
    role: 'worker',
    nodeName,
    address,
    port,
    network: facts.network,
    runtime: runtime.runtime,
    balancerPort: ports.balancer,
  };
  writeHostConfig(dir, config);
  const slice = await client.resource(resources.endpointSlices).get('kubernetes', { namespace: 'default' });
  writeList(dir, 'masters', [...new Set([found.asked.replace('https://', ''), ...mastersOf([slice])])]);
  step('Asking for a certificate');
  const pair = await requestCertificate({
    client,
    leaf: nodeSubject(nodeName),
    signerName: clientSigner,
    clock,
    timeoutMs: certificateTimeoutMs,
  });
  writeFileAtomically(clientPemPath(dir), joinPair(pair), 0o600);
  const node = nodeConfigOf(config, runtime, options);
  writeNodeSetup(dir, {
    config: node ?? hollowConfig(config),
    ca: found.ca,
    kubeletKubeconfig: renderNodeKubeconfig(`https://127.0.0.1:${ports.balancer}`, found.ca, clientPemPath(dir)),
    serving: await temporaryServing(nodeName, address, options),
  });
  if (!node) removeNodeFiles(dir);
  step(`Node ${nodeName}`);
  await startHostProcess({
    dir,
    command: options.hostCommand,
    systemd: options.systemd,
    clock,
    timeoutMs: startTimeoutMs,
  });
  const transport = createHttpsTransport({ server: found.asked, ca: found.ca, clientCertificate: pair, clock });
  try {
    await waitForNode(createClient(transport), nodeName, { clock, timeoutMs: nodeTimeoutMs });
  } finally {
    await transport.close();
  }
}

function portsOf({ role }: JoinOptions, { runtime }: NodeRuntime): readonly (readonly [number, string])[] {
  const kubelet = runtime === 'none' ? [] : ([[ports.kubelet, 'the kubelet']] as const);
  const etcd = [
    [ports.etcdClient, 'etcd'],
    [ports.etcdPeer, 'etcd'],
  ] as const;
  switch (role) {
    case 'worker':
      return [[ports.balancer, 'the way to the API servers'], ...kubelet];
    case 'control-plane':
      return [[6443, 'the API server'], ...etcd, ...kubelet];
    case 'etcd-witness':
      return etcd;
  }
}

async function readFacts(client: Client, found: Discovered): Promise<JoinContext['facts']> {
  try {
    const map = await client.resource(resources.configMaps).get('kubeadm-config', { namespace: 'kube-system' });
    return parseClusterConfiguration(map.data?.ClusterConfiguration ?? '{}', defaultClusterNetwork);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status.code === 401)
      throw new ClusterError(
        'The cluster does not accept the token: it has expired or may not authenticate',
        'make a new one on a control-plane host: bireme token create --print-join-command',
        { cause: error },
      );
    throw new ClusterError(
      `The cluster at ${found.asked} does not tell a joining host its configuration: ${error.message}`,
      'run "bireme init" again on a control-plane host: it puts back what joining needs',
      { cause: error },
    );
  }
}

/** A host may be up to three minor versions behind its API servers, and never ahead. Source: Kubernetes' version skew policy. */
export function checkSkew(clusterVersion: string, own: string = version.kubernetes): void {
  const minor = (text: string): number => Number(/^v?1\.(\d+)/.exec(text)?.[1] ?? Number.NaN);
  const [theirs, ours] = [minor(clusterVersion), minor(own)];
  if (Number.isNaN(theirs) || (ours <= theirs && theirs - ours <= 3)) return;
  throw new ClusterError(
    `This program is Kubernetes ${own}, the cluster is ${clusterVersion}`,
    ours > theirs
      ? 'upgrade the control plane first, or join with the version it has'
      : 'use a version that is at most three minor versions behind the control plane',
  );
}

/** Source of the words: kubeadm's check-node-name. */
async function assertNameIsFree(client: Client, name: string): Promise<void> {
  try {
    const node = await client.resource(resources.nodes).get(name);
    if (node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'))
      throw new ClusterError(
        `A Node with name "${name}" and status "Ready" already exists in the cluster`,
        'delete that Node, or give this host another name with --node-name',
      );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** What the rooms below say, as the person at the keyboard should read it. */
function explained(error: unknown, address: string): unknown {
  if (error instanceof ClusterError) return error;
  if (error instanceof TransportError)
    return new ClusterError(
      `The API server at ${address} cannot be reached any more: ${error.message}`,
      'see that it runs, and run the same command again',
      { cause: error },
    );
  if (error instanceof ApiError)
    return new ClusterError(`The API server refused: ${error.message}`, 'mend that and run the same command again', {
      cause: error,
    });
  return error;
}

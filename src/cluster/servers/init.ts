/** `bireme init`: the first control-plane host of a cluster. */
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../../client/kubeconfig.ts';
import { caCertHash } from '../certificates.ts';
import type { ClusterNetwork } from '../control-plane.ts';
import { type DataDir, rememberBefore, writeFileAtomically } from '../data-dir.ts';
import { defaultNodeSettings, type NodeConfig, required, writeNodeSetup } from '../node-config.ts';
import { issueNodeSetup } from '../node-credentials.ts';
import { renderKubeconfig } from '../user-kubeconfig.ts';
import { version } from '../version.ts';
import { generateCertificateKey, uploadCertificates, writeCertificates } from './certificate-upload.ts';
import { uploadClusterObjects } from './cluster-objects.ts';
import { bracketed, clientUrl, type HostConfig, ports, writeHostConfig, writeList } from './host-config.ts';
import { masterCertificates, serverUrl } from './master.ts';
import { openForMigration, takeBackMigration } from './migrate.ts';
import {
  assertPortsFree,
  chooseRuntime,
  findEtcd,
  markComplete,
  markControlPlane,
  nodeConfigOf,
  openFresh,
  removeNodeFiles,
  type ServerOptions,
  takeBack,
  waitForNode,
} from './prepare.ts';
import { readSnapshotPki, restoreData } from './snapshots.ts';
import { startHostProcess } from './start-host.ts';
import { writeStoreTask } from './store-task.ts';
import { createToken, tokenTtlDefaultMs } from './tokens.ts';

export interface InitOptions extends ServerOptions {
  readonly port: number;
  readonly network: ClusterNetwork;
  readonly etcdProgram: string;
  /** `host[:port]` that stands for all control-plane hosts: a name or a balancer of the user's own. */
  readonly controlPlaneEndpoint?: string;
  /** Further names and addresses of the API server's certificate. */
  readonly serverNames: readonly string[];
  readonly uploadCertificates: boolean;
  readonly certificateKey?: string;
  readonly token?: string;
  readonly tokenTtlMs?: number;
  /** Leave out the taint that keeps pods off this node. */
  readonly schedulable: boolean;
  /** Take over the cluster on the embedded store that `bireme up` made in this data directory. */
  readonly migrate?: boolean;
  /** Begin with what this snapshot holds, and with the authorities beside it. */
  readonly fromSnapshot?: string;
  readonly snapshots: NonNullable<HostConfig['snapshots']>;
}

export interface Initialized {
  readonly server: string;
  readonly adminKubeconfig: string;
  readonly join: JoinFacts;
}

export interface JoinFacts {
  /** `host:port` */
  readonly address: string;
  readonly token: string;
  readonly caCertHash: string;
  readonly certificateKey?: string;
}

const startTimeoutMs = 90_000;
const nodeTimeoutMs = 120_000;

/** @throws ClusterError; what was made by then is taken back. */
export async function initCluster(options: InitOptions): Promise<Initialized> {
  const { clock, random, nodeName, address, port, progress } = options;
  const saved = options.fromSnapshot === undefined ? undefined : readSnapshotPki(options.fromSnapshot);
  const network = saved?.network ?? options.network;
  const step = (text: string): void => progress({ kind: 'step', text });
  const runtime = chooseRuntime(options);
  const program = findEtcd(options.etcdProgram, options.machine.path);
  const leaveAsBefore = rememberBefore(options.dataDir);
  const dir = options.migrate ? openForMigration(options) : await openFresh(options);
  try {
    await assertPortsFree([
      [port, 'the API server'],
      [ports.etcdClient, 'etcd'],
      [ports.etcdPeer, 'etcd'],
      ...(runtime.runtime === 'none' ? [] : ([[ports.kubelet, 'the kubelet']] as const)),
    ]);
  } catch (error) {
    leaveAsBefore([]);
    throw error;
  }
  progress({ kind: 'note', text: runtime.note });
  const endpoint = options.controlPlaneEndpoint;
  const config: HostConfig = {
    role: 'control-plane',
    nodeName,
    address,
    port,
    network,
    runtime: runtime.runtime,
    snapshots: options.snapshots,
    serverNames: [...options.serverNames, ...(endpoint === undefined ? [] : [endpoint.replace(/:\d+$/, '')])],
    etcd: {
      program,
      name: nodeName,
      clientPort: ports.etcdClient,
      peerPort: ports.etcdPeer,
      initialCluster: `${nodeName}=${clientUrl(address, ports.etcdPeer)}`,
      initialState: 'new',
    },
  };
  try {
    writeHostConfig(dir, config);
    if (saved) {
      step('Restoring the snapshot');
      writeCertificates(dir.pki, saved.pki);
      await restoreData(dir, config, { ...options, snapshot: options.fromSnapshot!, path: options.machine.path });
    }
    if (options.migrate) writeStoreTask(dir, { kind: 'migrate' });
    step('Certificates');
    const ca = await writeMasterFiles(dir, config, runtime, options);
    writeList(dir, 'etcd-endpoints', [clientUrl(address, ports.etcdClient)]);
    step(`etcd and API server on ${address}`);
    await startHostProcess({
      dir,
      command: options.hostCommand,
      systemd: options.systemd,
      clock,
      timeoutMs: startTimeoutMs,
    });
    const { client, close } = adminClient(dir, options);
    try {
      step('What joining hosts need');
      const server = endpoint === undefined ? serverUrl(address, port) : `https://${endpoint}`;
      await uploadClusterObjects(client, {
        network,
        port,
        kubernetesVersion: version.kubernetes,
        controlPlaneEndpoint: endpoint ?? '',
        server,
        ca,
      });
      const { token } = await createToken(
        client,
        {
          ttlMs: options.tokenTtlMs ?? tokenTtlDefaultMs,
          description: 'The default bootstrap token generated by "bireme init".',
          ...(options.token === undefined ? {} : { token: options.token }),
        },
        options,
      );
      let certificateKey: string | undefined;
      if (options.uploadCertificates) {
        certificateKey = options.certificateKey ?? generateCertificateKey(random);
        await uploadCertificates(client, { pkiDir: dir.pki, certificateKey, clock, random });
      }
      if (runtime.runtime !== 'none') {
        step(`Node ${nodeName}`);
        await waitForNode(client, nodeName, { clock, timeoutMs: nodeTimeoutMs });
        await markControlPlane(client, nodeName, options);
      }
      markComplete(dir);
      return {
        server,
        adminKubeconfig: dir.adminKubeconfig,
        join: {
          address: endpoint ?? `${bracketed(address)}:${port}`,
          token,
          caCertHash: caCertHash(ca),
          ...(certificateKey === undefined ? {} : { certificateKey }),
        },
      };
    } finally {
      await close();
    }
  } catch (error) {
    step('Taking back what was made');
    if (options.migrate) await takeBackMigration(dir, options);
    else await takeBack(options);
    throw error;
  }
}

/** Certificates, kubeconfigs and the node's files of a control-plane host, which holds the authority. @returns the authority's PEM. */
export async function writeMasterFiles(
  dir: DataDir,
  config: HostConfig,
  runtime: ReturnType<typeof chooseRuntime>,
  options: ServerOptions,
): Promise<string> {
  const { cluster } = await masterCertificates(dir, config, options);
  const server = serverUrl(config.address, config.port);
  writeFileAtomically(
    dir.adminKubeconfig,
    renderKubeconfig({
      name: 'bireme',
      server,
      certificateAuthority: cluster.ca.cert,
      clientCertificate: cluster.admin.cert,
      clientKey: cluster.admin.key,
    }),
    0o600,
  );
  if (runtime.runtime === 'none') return cluster.ca.cert;
  const node = nodeConfigOf(config, runtime, options);
  const setup = await issueNodeSetup({
    pkiDir: dir.pki,
    ca: cluster.ca,
    server,
    clock: options.clock,
    config: node ?? hollowConfig(config),
  });
  writeNodeSetup(dir, setup);
  // A hollow node has no node process, and nothing of the machine to give back.
  if (!node) removeNodeFiles(dir);
  return cluster.ca.cert;
}

/** What names the node's certificates. */
export function hollowConfig(config: HostConfig): NodeConfig {
  return {
    nodeName: config.nodeName,
    nodeIp: config.address,
    podCidr: config.network.podCidr,
    kubeletPort: ports.kubelet,
    cniBinDir: '',
    clusterDomain: config.network.clusterDomain,
    clusterDns: '',
    ...defaultNodeSettings,
  };
}

export function adminClient(
  dir: DataDir,
  { clock }: Pick<ServerOptions, 'clock'>,
): { readonly client: Client; close(): Promise<void> } {
  const text = required(dir.adminKubeconfig);
  const transport = createHttpsTransport(transportOptionsOf(parseKubeconfig(text, dir.adminKubeconfig), { clock }));
  return { client: createClient(transport, { fieldManager: 'bireme' }), close: () => transport.close() };
}

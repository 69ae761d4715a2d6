/** What `init` and `join` have in common: looking before touching, the node's files, waiting for the Node, taking back what failed. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { ApiError, isNotFound } from '../../api/errors.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { TransportError } from '../../client/transport.ts';
import type { Spawner } from '../../host/spawner.ts';
import { assertPortFree, ListenError } from '../../serve/index.ts';
import { clusterDnsAddress } from '../cluster-dns-objects.ts';
import { ClusterError } from '../cluster-error.ts';
import type { Surroundings } from '../component.ts';
import { type DataDir, dataDirAt, openDataDir } from '../data-dir.ts';
import { takeDown } from '../down.ts';
import { type NodeConfig, type NodeSettings, type NodeTaint, nodeFiles } from '../node-config.ts';
import { createCertificateAuthority, type KeyPair } from '../pki.ts';
import { assertNotRunning, readRunRecord } from '../run-record.ts';
import { chooseRung, findProgram, type MachineFacts } from '../rung.ts';
import { etcdDataPath } from './etcd-member.ts';
import { bracketed, completePath, type HostConfig, ports, readHostConfig } from './host-config.ts';
import { nodeSubject } from './request-certificate.ts';

/** What every way to become a server needs to know of its host. */
export interface ServerOptions extends Surroundings {
  readonly dataDir: string;
  readonly nodeName: string;
  /** Under which other hosts reach this one. */
  readonly address: string;
  readonly runtime: 'auto' | 'containerd' | 'hollow' | 'none';
  readonly machine: MachineFacts;
  readonly spawner: Spawner;
  /** Program and arguments of the host process on this data directory. */
  readonly hostCommand: readonly string[];
  readonly systemd: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly NodeTaint[];
  readonly nodes: NodeSettings;
  readonly progress: (step: { readonly kind: 'step' | 'note'; readonly text: string }) => void;
}

/** From now on the host belongs to its cluster; what ended before that is started over. */
export const markComplete = (dir: DataDir): void => writeFileSync(completePath(dir), '', { mode: 0o600 });

/**
 * Opens the data directory of a host that is no server yet; what an interrupted try left is taken away first.
 * @throws ClusterError when it belongs to a cluster already.
 */
export async function openFresh(options: ServerOptions): Promise<DataDir> {
  const at = dataDirAt(options.dataDir);
  const config = readHostConfig(at);
  if (config && existsSync(completePath(at)))
    throw new ClusterError(
      `This host is a server of a cluster already: ${config.role} "${config.nodeName}" in "${at.path}"`,
      'take it out first with "bireme reset", or go on with "bireme start"',
    );
  if (!config) {
    assertNotRunning(at);
    if (readRunRecord(at) || existsSync(join(at.pki, 'ca.crt')))
      throw new ClusterError(
        `A cluster made with "bireme up" lives in "${at.path}"`,
        'take it along with "bireme init --migrate-to-etcd", remove it with "bireme down", or choose another --data-dir',
      );
  } else await takeBack(options);
  return openDataDir(options.dataDir);
}

/** Ends and removes whatever a try made; logs stay. */
export async function takeBack(options: ServerOptions): Promise<void> {
  const { clock, log, spawner, dataDir } = options;
  const dir = dataDirAt(dataDir);
  const logs = existsSync(dir.logs) ? readdirSync(dir.logs) : [];
  await takeDown({ dataDir, clock, log, spawner, progress: () => undefined, keep: logs.length > 0 ? ['logs'] : [] });
  for (const path of [dir.pki, dir.store, dir.run, dir.node, etcdDataPath(dir), dir.adminKubeconfig])
    rmSync(path, { recursive: true, force: true });
}

export interface NodeRuntime {
  readonly runtime: HostConfig['runtime'];
  readonly cniBinDir: string;
  readonly note: string;
}

export function chooseRuntime(options: ServerOptions): NodeRuntime {
  if (options.runtime === 'none')
    return { runtime: 'none', cniBinDir: '', note: 'No node runs here: --runtime none was given.' };
  const rung = chooseRung(options.runtime, options.machine);
  return rung.kind === 'containerd'
    ? {
        runtime: 'containerd',
        cniBinDir: rung.cniBinDir,
        note: `Containers run with containerd on ${options.address}.`,
      }
    : { runtime: 'hollow', cniBinDir: '', note: `Pods run on a hollow node, in memory only: ${rung.reason}.` };
}

/** @throws ClusterError naming the port. */
export async function assertPortsFree(wanted: readonly (readonly [port: number, what: string])[]): Promise<void> {
  for (const [port, what] of wanted)
    try {
      await assertPortFree('0.0.0.0', port);
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      throw new ClusterError(
        `Port ${port}, which ${what} needs, is in use`,
        `end that program (\`ss -ltnp sport = :${port}\` names it)`,
        { cause: error },
      );
    }
}

/** @returns the path of the etcd program. @throws ClusterError when there is none. */
export function findEtcd(given: string, path: string): string {
  const found = given.includes('/') ? (existsSync(given) ? given : undefined) : findProgram(given, path);
  if (found !== undefined) return found;
  throw new ClusterError(
    `The program "${given}" was not found`,
    'install etcd 3.4 or newer (Debian: apt-get install etcd-server), or say where it is with --etcd-binary',
  );
}

/** The node's part of the configuration; undefined when no node runs here. */
export function nodeConfigOf(config: HostConfig, runtime: NodeRuntime, options: ServerOptions): NodeConfig | undefined {
  if (runtime.runtime !== 'containerd') return undefined;
  return {
    nodeName: config.nodeName,
    nodeIp: config.address,
    podCidr: config.network.podCidr,
    kubeletPort: ports.kubelet,
    cniBinDir: runtime.cniBinDir,
    clusterDomain: config.network.clusterDomain,
    clusterDns: clusterDnsAddress(config.network.serviceCidr),
    ...options.nodes,
    labels: options.labels,
    taints: options.taints,
  };
}

/** What the kubelet serves with until the cluster has given it something better; nobody trusts it. */
export async function temporaryServing(
  nodeName: string,
  address: string,
  io: Pick<Surroundings, 'clock' | 'random'>,
): Promise<KeyPair> {
  const own = await createCertificateAuthority(`${nodeName}-ca`, io);
  return own.issue({ ...nodeSubject(nodeName), usages: ['server'], dnsNames: [nodeName], ipAddresses: [address] });
}

/** The node's kubeconfig, with its certificate in a file that is renewed under it. @param ca PEM. */
export function renderNodeKubeconfig(server: string, ca: string, pemFile: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'default-cluster',
        cluster: { 'certificate-authority-data': Buffer.from(ca).toString('base64'), server },
      },
    ],
    users: [{ name: 'default-auth', user: { 'client-certificate': pemFile, 'client-key': pemFile } }],
    contexts: [{ name: 'default-context', context: { cluster: 'default-cluster', user: 'default-auth' } }],
    'current-context': 'default-context',
    preferences: {},
  });
}

/** @throws ClusterError with the Node's own words after `timeoutMs`. */
export async function waitForNode(
  client: Client,
  name: string,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<void> {
  const deadline = clock.monotonic() + timeoutMs;
  let said = '';
  for (;;) {
    try {
      const node = await client.resource(resources.nodes).get(name);
      const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status === 'True') return;
      said = ready?.message ?? 'its kubelet has not reported yet';
    } catch (error) {
      if (!(error instanceof TransportError) && !(error instanceof ApiError)) throw error;
      said = isNotFound(error) ? 'it has not registered' : error.message;
    }
    if (clock.monotonic() > deadline)
      throw new ClusterError(
        `Node "${name}" is not ready after ${Math.round(timeoutMs / 1000)} seconds: ${said}`,
        'look into logs/node.log and logs/host.log in the data directory',
      );
    await clock.sleep(100);
  }
}

/** kubeadm's label and taint of control-plane nodes, and what the user asked for that a kubelet may not give itself. */
export async function markControlPlane(
  client: Client,
  name: string,
  { schedulable }: { readonly schedulable: boolean },
): Promise<void> {
  const role = 'node-role.kubernetes.io/control-plane';
  const nodes = client.resource(resources.nodes);
  const node = await nodes.get(name);
  const taints = [...(node.spec?.taints ?? [])];
  if (!schedulable && !taints.some(({ key }) => key === role)) taints.push({ key: role, effect: 'NoSchedule' });
  await nodes.patch(name, {
    type: 'merge',
    patch: {
      metadata: {
        labels: { [role]: '', 'node.kubernetes.io/exclude-from-external-load-balancers': '' },
      },
      ...(taints.length > 0 ? { spec: { taints: taints as never } } : {}),
    },
  });
}

export const removeNodeFiles = (dir: DataDir): void => rmSync(nodeFiles(dir).config, { force: true });

/** `host:port` of what the user gave, the port being the API server's unless said otherwise. */
export function addressWithPort(text: string, defaultPort: number): string {
  const bare = text.replace(/^https:\/\//, '').replace(/\/$/, '');
  if (/^\[.*\]:\d+$|^[^:]+:\d+$/.test(bare)) return bare;
  return `${bracketed(bare.replace(/^\[(.*)\]$/, '$1'))}:${defaultPort}`;
}

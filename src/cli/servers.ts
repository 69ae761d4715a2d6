/** `bireme init`, `join`, `reset`: servers of a cluster. */

import { createLogger } from '../base/console-log.ts';
import { createRealRandom } from '../base/real-random.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import { defaultClusterNetwork } from '../cluster/control-plane.ts';
import { readFileIfPresent } from '../cluster/data-dir.ts';
import { createSpawner } from '../cluster/host-spawner.ts';
import type { NodeTaint } from '../cluster/node-config.ts';
import { createProcessRegistry } from '../cluster/process-metrics.ts';
import { initCluster, type JoinFacts } from '../cluster/servers/init.ts';
import { joinCluster } from '../cluster/servers/join.ts';
import { readKubeadmConfig } from '../cluster/servers/kubeadm-config.ts';
import type { ServerOptions } from '../cluster/servers/prepare.ts';
import { clock, defaultDataDir, durationMs, nodeAddress, nodeName, selfCommand } from './defaults.ts';
import { type NodeFlags, nodeSettings } from './node-flags.ts';
import { type Progress, plainProgress, terminalProgress } from './progress.ts';

export interface ServerFlags extends NodeFlags {
  readonly dataDir?: string;
  readonly nodeName?: string;
  readonly apiserverAdvertiseAddress?: string;
  readonly runtime: ServerOptions['runtime'];
  readonly config?: string;
  readonly systemd: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly NodeTaint[];
  readonly etcdBinary: string;
  readonly apiserverCertExtraSans: readonly string[];
  readonly schedulable: boolean;
}

export interface InitFlags extends ServerFlags {
  readonly apiserverBindPort: number;
  readonly podNetworkCidr?: string;
  readonly serviceCidr?: string;
  readonly serviceDnsDomain?: string;
  readonly controlPlaneEndpoint?: string;
  readonly uploadCerts: boolean;
  readonly certificateKey?: string;
  readonly token?: string;
  readonly tokenTtl: string;
  readonly migrateToEtcd: boolean;
  readonly fromSnapshot?: string;
  readonly snapshotEvery: string;
  readonly snapshotKeep: number;
}

export interface JoinFlags extends ServerFlags {
  readonly server?: string;
  readonly token?: string;
  readonly discoveryTokenCaCertHash: readonly string[];
  readonly discoveryTokenUnsafeSkipCaVerification: boolean;
  readonly controlPlane: boolean;
  readonly etcdWitness: boolean;
  readonly certificateKey?: string;
}

/** The flags with what `--config` says. @param given those of the command line, which the file may not contradict. @throws ClusterError */
export function withConfig<F extends ServerFlags>(flags: F, command: 'init' | 'join', given: readonly string[]): F {
  if (flags.config === undefined) return flags;
  const text = readFileIfPresent(flags.config);
  if (text === undefined)
    throw new ClusterError(`There is no file "${flags.config}"`, 'say where the configuration is');
  const settings = readKubeadmConfig(text, command, flags.config);
  const twice = Object.keys(settings).find((name) => given.includes(name));
  if (twice !== undefined)
    throw new ClusterError(
      `The command line and "${flags.config}" both say ${twice.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      'say it in one place',
    );
  return { ...flags, ...settings };
}

export async function init(flags: InitFlags): Promise<void> {
  const progress = progressOf();
  try {
    const made = await initCluster({
      ...serverOptions(flags, progress),
      port: flags.apiserverBindPort,
      network: {
        ...defaultClusterNetwork,
        ...(flags.podNetworkCidr === undefined ? {} : { podCidr: flags.podNetworkCidr }),
        ...(flags.serviceCidr === undefined ? {} : { serviceCidr: flags.serviceCidr }),
        ...(flags.serviceDnsDomain === undefined ? {} : { clusterDomain: flags.serviceDnsDomain }),
      },
      etcdProgram: flags.etcdBinary,
      serverNames: flags.apiserverCertExtraSans,
      schedulable: flags.schedulable,
      uploadCertificates: flags.uploadCerts || flags.certificateKey !== undefined,
      tokenTtlMs: durationMs(flags.tokenTtl),
      migrate: flags.migrateToEtcd,
      snapshots: { everyMs: durationMs(flags.snapshotEvery), keep: flags.snapshotKeep },
      ...(flags.fromSnapshot === undefined ? {} : { fromSnapshot: flags.fromSnapshot }),
      ...(flags.controlPlaneEndpoint === undefined ? {} : { controlPlaneEndpoint: flags.controlPlaneEndpoint }),
      ...(flags.certificateKey === undefined ? {} : { certificateKey: flags.certificateKey }),
      ...(flags.token === undefined ? {} : { token: flags.token }),
    });
    const masters = `${joinCommand(made.join)} \\\n    --control-plane --certificate-key ${made.join.certificateKey}`;
    progress.done(
      [
        '',
        `The control plane runs: ${made.server}.`,
        '',
        `  export KUBECONFIG=${made.adminKubeconfig}`,
        '',
        'A worker joins with:',
        '',
        `  ${joinCommand(made.join)}`,
        '',
        ...(made.join.certificateKey === undefined
          ? ['For another control-plane host: bireme init phase upload-certs']
          : ['Another control-plane host joins with (the key is good for two hours):', '', `  ${masters}`]),
        '',
        quorumText(1, 0),
      ].join('\n'),
    );
  } catch (error) {
    progress.fail();
    throw error;
  }
}

export async function join(flags: JoinFlags): Promise<void> {
  const { server, token } = flags;
  if (server === undefined || token === undefined)
    throw new ClusterError(
      server === undefined ? 'The address of an API server is missing' : 'The token is missing',
      'take the whole command from "bireme token create --print-join-command", or give a --config that says it',
    );
  if (flags.controlPlane && flags.etcdWitness)
    throw new ClusterError(
      'A control-plane host carries etcd already',
      'give --control-plane or --etcd-witness, not both',
    );
  const progress = progressOf();
  try {
    const joined = await joinCluster({
      ...serverOptions(flags, progress),
      server,
      token,
      caCertHashes: flags.discoveryTokenCaCertHash,
      withoutHash: flags.discoveryTokenUnsafeSkipCaVerification,
      role: flags.controlPlane ? 'control-plane' : flags.etcdWitness ? 'etcd-witness' : 'worker',
      etcdProgram: flags.etcdBinary,
      serverNames: flags.apiserverCertExtraSans,
      schedulable: flags.schedulable,
      ...(flags.certificateKey === undefined ? {} : { certificateKey: flags.certificateKey }),
    });
    const what = {
      'control-plane': `This host is a control-plane host of the cluster now: ${joined.nodeName}.`,
      worker: `This host is a worker of the cluster now: ${joined.nodeName}.`,
      'etcd-witness': `This host carries a vote of etcd now: ${joined.nodeName}.`,
    }[joined.role];
    progress.done(
      [
        '',
        what,
        ...(joined.adminKubeconfig === undefined ? [] : ['', `  export KUBECONFIG=${joined.adminKubeconfig}`]),
        ...(joined.quorum ? ['', quorumText(joined.quorum.voters, joined.quorum.tolerated)] : []),
      ].join('\n'),
    );
  } catch (error) {
    progress.fail();
    throw error;
  }
}

export const joinCommand = ({ address, token, caCertHash }: JoinFacts): string =>
  `bireme join ${address} --token ${token} \\\n    --discovery-token-ca-cert-hash ${caCertHash}`;

/** How many failures the cluster tolerates now, and what would make it more. */
export function quorumText(voters: number, tolerated: number): string {
  const has = voters === 1 ? 'etcd has one member' : `etcd has ${voters} members with a vote`;
  if (tolerated > 0)
    return `${has}: the cluster tolerates the loss of ${tolerated === 1 ? 'any one of them' : `any ${tolerated} of them`}.`;
  if (voters === 1)
    return `${has}: the cluster does not survive its loss. Three are recommended: join two more control-plane hosts, or one and a witness (bireme join --etcd-witness).`;
  return `${has}: it tolerates no failure, because both are needed for a majority. Join a third: a control-plane host, or a small host that only votes (bireme join --etcd-witness).`;
}

export function serverOptions(flags: ServerFlags, progress: Progress): ServerOptions {
  const dataDir = flags.dataDir ?? defaultDataDir();
  const address = flags.apiserverAdvertiseAddress ?? nodeAddress();
  if (address === undefined)
    throw new ClusterError(
      'This machine has no address that other hosts could reach it under',
      'say which with --apiserver-advertise-address',
    );
  if (process.getuid?.() !== 0)
    throw new ClusterError('A server of a cluster is made by root', 'run it as root; "bireme up" needs no rights');
  return {
    clock,
    random: createRealRandom(),
    log: createLogger({ clock, level: 'warn', write: (line) => void process.stderr.write(line) }),
    metrics: createProcessRegistry(),
    dataDir,
    nodeName: flags.nodeName ?? nodeName(),
    address,
    runtime: flags.runtime,
    machine: { platform: process.platform, uid: process.getuid?.(), path: process.env.PATH ?? '' },
    spawner: createSpawner(clock),
    hostCommand: selfCommand('server', '--data-dir', dataDir),
    systemd: flags.systemd,
    labels: flags.labels,
    taints: flags.taints,
    nodes: nodeSettings(flags),
    progress: (step) => (step.kind === 'step' ? progress.step(step.text) : progress.note(step.text)),
  };
}

export const progressOf = (): Progress =>
  process.stdout.isTTY ? terminalProgress(process.stdout, clock) : plainProgress((line) => process.stdout.write(line));

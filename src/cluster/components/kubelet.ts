/** `bireme kubelet`: the kubelet alone on a CRI server that runs already, for any v1.36 API server. Upstream: cmd/kubelet. */
import { networkInterfaces } from 'node:os';
import type { JsonValue } from '../../api/json.ts';
import type { Flags } from '../../base/flags.ts';
import { createTaskGroup } from '../../base/task-group.ts';

import { defaultKubeletConfig, type KubeletConfig } from '../../kubelet/config.ts';
import { applyConfiguration, ConfigurationError, loadConfiguration } from '../../kubelet/configuration-file.ts';
import { createHostKubelet } from '../../kubelet/host-kubelet.ts';
import { startHealthzServer } from '../../kubelet/server/healthz-server.ts';
import { createCriClient } from '../../runtime/cri-client.ts';
import { startHttpsServer } from '../../serve/index.ts';
import { ClusterError } from '../cluster-error.ts';
import { createComponent, type Surroundings } from '../component.ts';
import { primaryAddress } from '../host-facts.ts';
import { createCertificateAuthority, type KeyPair } from '../pki.ts';
import { version } from '../version.ts';
import { type ComponentFlagTable, helpText, readComponentFlags } from './component-flags.ts';
import {
  type ComponentIo,
  logLevelOf,
  machineName,
  readFlagFile,
  transportFromKubeconfig,
  userAgentOf,
  versionText,
} from './run-component.ts';

/** Flags that say the same as a field of KubeletConfiguration, and win over the file. */
const fields: Readonly<Record<string, readonly [path: string, as: 'text' | 'number' | 'bool' | 'list' | 'map']>> = {
  address: ['address', 'text'],
  'allowed-unsafe-sysctls': ['allowedUnsafeSysctls', 'list'],
  'anonymous-auth': ['authentication.anonymous.enabled', 'bool'],
  'cgroup-root': ['cgroupRoot', 'text'],
  'cluster-dns': ['clusterDNS', 'list'],
  'cluster-domain': ['clusterDomain', 'text'],
  'container-log-max-files': ['containerLogMaxFiles', 'number'],
  'container-log-max-size': ['containerLogMaxSize', 'text'],
  'container-runtime-endpoint': ['containerRuntimeEndpoint', 'text'],
  'cpu-cfs-quota': ['cpuCFSQuota', 'bool'],
  'cpu-cfs-quota-period': ['cpuCFSQuotaPeriod', 'text'],
  'enable-debugging-handlers': ['enableDebuggingHandlers', 'bool'],
  'enable-server': ['enableServer', 'bool'],
  'enforce-node-allocatable': ['enforceNodeAllocatable', 'list'],
  'eviction-hard': ['evictionHard', 'map'],
  'eviction-max-pod-grace-period': ['evictionMaxPodGracePeriod', 'number'],
  'eviction-minimum-reclaim': ['evictionMinimumReclaim', 'map'],
  'eviction-pressure-transition-period': ['evictionPressureTransitionPeriod', 'text'],
  'eviction-soft': ['evictionSoft', 'map'],
  'eviction-soft-grace-period': ['evictionSoftGracePeriod', 'map'],
  'file-check-frequency': ['fileCheckFrequency', 'text'],
  'http-check-frequency': ['httpCheckFrequency', 'text'],
  'healthz-bind-address': ['healthzBindAddress', 'text'],
  'healthz-port': ['healthzPort', 'number'],
  'image-gc-high-threshold': ['imageGCHighThresholdPercent', 'number'],
  'image-gc-low-threshold': ['imageGCLowThresholdPercent', 'number'],
  'kube-reserved': ['kubeReserved', 'map'],
  'manifest-url': ['staticPodURL', 'text'],
  'max-pods': ['maxPods', 'number'],
  'minimum-image-ttl-duration': ['imageMinimumGCAge', 'text'],
  'node-status-max-images': ['nodeStatusMaxImages', 'number'],
  'node-status-update-frequency': ['nodeStatusUpdateFrequency', 'text'],
  'pod-manifest-path': ['staticPodPath', 'text'],
  'pod-max-pids': ['podPidsLimit', 'number'],
  'pods-per-core': ['podsPerCore', 'number'],
  port: ['port', 'number'],
  'provider-id': ['providerID', 'text'],
  'register-node': ['registerNode', 'bool'],
  'registry-burst': ['registryBurst', 'number'],
  'registry-qps': ['registryPullQPS', 'number'],
  'resolv-conf': ['resolvConf', 'text'],
  'runtime-request-timeout': ['runtimeRequestTimeout', 'text'],
  'seccomp-default': ['seccompDefault', 'bool'],
  'serialize-image-pulls': ['serializeImagePulls', 'bool'],
  'sync-frequency': ['syncFrequency', 'text'],
  'system-reserved': ['systemReserved', 'map'],
};

const table: ComponentFlagTable = {
  component: 'kubelet',
  effective: [
    ...Object.keys(fields),
    'client-ca-file',
    'config',
    'config-dir',
    'hostname-override',
    'kubeconfig',
    'node-ip',
    'node-labels',
    'register-with-taints',
    'root-dir',
    'tls-cert-file',
    'tls-private-key-file',
  ],
  accepted: [
    'application-metrics-count-limit',
    'authentication-token-webhook',
    'authentication-token-webhook-cache-ttl',
    // Rights are always asked of the API server.
    'authorization-mode',
    'authorization-webhook-cache-authorized-ttl',
    'authorization-webhook-cache-unauthorized-ttl',
    'boot-id-file',
    'cert-dir',
    // The pods' cgroups are made as the runtime wants them.
    'cgroup-driver',
    'cgroups-per-qos',
    'container-hints',
    'containerd',
    'containerd-namespace',
    'enable-controller-attach-detach',
    'event-burst',
    'event-qps',
    'fail-cgroupv1',
    'fail-swap-on',
    'hairpin-mode',
    'housekeeping-interval',
    'global-housekeeping-interval',
    'machine-id-file',
    'make-iptables-util-chains',
    'max-open-files',
    'node-status-report-frequency',
    'oom-score-adj',
    'runtime-cgroups',
    'kubelet-cgroups',
    'system-cgroups',
    'streaming-connection-idle-timeout',
    'volume-plugin-dir',
    'volume-stats-agg-period',
  ],
  // There is no such port: nobody asks who reads it.
  acceptedAs: { 'read-only-port': ['0'] },
};

/** Runs until `signal` aborts; containers go on. @throws ClusterError for what a person must mend. */
export async function runKubeletCommand(args: readonly string[], io: ComponentIo, signal: AbortSignal): Promise<void> {
  const flags = readComponentFlags(table, args);
  if (flags.bool('help')) return io.print(helpText(table));
  if (flags.isGiven('version')) return io.print(versionText);
  const kubeconfig = flags.optional('kubeconfig');
  if (kubeconfig === undefined)
    throw new ClusterError(
      'The kubelet does not know the API server',
      'name a kubeconfig with --kubeconfig; "bireme join" makes one with a bootstrap token',
    );
  const surroundings: Surroundings = { ...io, log: io.logger(logLevelOf(flags)) };
  const { clock, random, metrics } = surroundings;
  const config = await configOf(flags, surroundings);
  const nodeName = machineName(flags);
  const nodeIPs = addressesOf(flags);
  const certificate = await servingCertificate(flags, config, nodeName, nodeIPs, surroundings);
  const clientCa = flags.optional('client-ca-file') ?? textOr(config.clientCAFile, undefined);
  const transport = transportFromKubeconfig('kubeconfig', kubeconfig, io, userAgentOf('kubelet'));
  const node = createComponent(transport, 'kubelet', surroundings, { host: nodeName });
  const spawner = await io.spawner();
  const runtime = createCriClient({ endpoint: config.containerRuntimeEndpoint, clock });
  const tasks = createTaskGroup(signal);
  let healthz: ReturnType<typeof startHealthzServer> | undefined;
  let server: Awaited<ReturnType<typeof startHttpsServer>> | undefined;
  try {
    const { kubelet, handler } = await createHostKubelet({
      nodeName,
      nodeIPs,
      client: node.client,
      informers: node.informers,
      events: node.events,
      runtime,
      spawner,
      clock,
      random,
      log: node.log,
      metrics,
      config,
      version: version.kubernetes,
      rootDir: flags.text('root-dir'),
      podLogsDir: config.podLogsDir,
    });
    if (config.enableServer)
      server = await startHttpsServer({
        ...certificate,
        ...(clientCa === undefined ? {} : { clientCa: readFlagFile('client-ca-file', clientCa) }),
        handler,
        host: config.address,
        port: config.port,
        clock,
        log: node.log,
        metrics,
      });
    if (config.healthzPort > 0)
      healthz = startHealthzServer({ host: config.healthzBindAddress, port: config.healthzPort }, node.log);
    tasks.run('kubelet', (stop) => kubelet.run(stop));
    await tasks.done;
  } finally {
    await tasks.stop();
    await healthz?.stop();
    await server?.stop({ graceMs: 2000 });
    await node.stop();
    await runtime.close();
    await transport.close();
    await spawner.close();
  }
}

/** Defaults, the file, its drop-ins, the flags: each over the ones before. */
async function configOf(flags: Flags, { log }: Surroundings): Promise<KubeletConfig> {
  const file = flags.optional('config');
  const dropInDir = flags.optional('config-dir');
  const document: Record<string, JsonValue> = {};
  for (const name of flags.given) {
    const field = fields[name];
    if (field === undefined) continue;
    const [path, as] = field;
    const parts = path.split('.');
    let target = document;
    for (const part of parts.slice(0, -1)) target = (target[part] ??= {}) as Record<string, JsonValue>;
    target[parts.at(-1)!] =
      as === 'number'
        ? flags.number(name)
        : as === 'bool'
          ? flags.bool(name)
          : as === 'list'
            ? flags.list(name)
            : as === 'map'
              ? flags.map(name)
              : flags.text(name);
  }
  try {
    const { config, ignored } = await loadConfiguration(defaultKubeletConfig, {
      ...(file === undefined ? {} : { file }),
      ...(dropInDir === undefined ? {} : { dropInDir }),
    });
    if (ignored.length > 0) log.warn('These fields of the kubelet configuration have no effect here', { ignored });
    const applied = applyConfiguration(config, document).config;
    return {
      ...applied,
      // The flag's default is for a file that says nothing.
      containerRuntimeEndpoint: textOr(applied.containerRuntimeEndpoint, flags.text('container-runtime-endpoint')),
      nodeLabels: { ...config.nodeLabels, ...flags.map('node-labels') },
      registerWithTaints: [...config.registerWithTaints, ...taintsOf(flags)],
    };
  } catch (error) {
    if (error instanceof ConfigurationError)
      throw new ClusterError(error.message, 'mend the configuration or the flag', { cause: error });
    throw error;
  }
}

const textOr = <T>(text: string, otherwise: T): string | T => (text === '' ? otherwise : text);

/** `key=value:Effect`, `key:Effect`. @throws ClusterError. */
function taintsOf(flags: Flags): KubeletConfig['registerWithTaints'] {
  return flags.list('register-with-taints').map((text) => {
    const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text);
    if (!match) throw new ClusterError(`invalid taint spec: ${text}`, 'write it as KEY=VALUE:EFFECT');
    const [, key = '', value, effect = ''] = match;
    return { key, ...(value ? { value } : {}), effect };
  });
}

/** `--node-ip`, one of each family; else the machine's own address. */
function addressesOf(flags: Flags): readonly string[] {
  const given = flags.list('node-ip').flatMap((text) => text.split(','));
  if (given.length > 0) return given;
  const own = primaryAddress(networkInterfaces(), '');
  if (own === undefined)
    throw new ClusterError('This machine has no address that others could reach', 'name one with --node-ip');
  return [own];
}

/** The files that flags name; else a certificate that nobody vouches for, as upstream makes one. */
async function servingCertificate(
  flags: Flags,
  config: KubeletConfig,
  nodeName: string,
  ipAddresses: readonly string[],
  io: Surroundings,
): Promise<KeyPair> {
  const cert = flags.optional('tls-cert-file') ?? textOr(config.tlsCertFile, undefined);
  const key = flags.optional('tls-private-key-file') ?? textOr(config.tlsPrivateKeyFile, undefined);
  if (cert !== undefined && key !== undefined)
    return { cert: readFlagFile('tls-cert-file', cert), key: readFlagFile('tls-private-key-file', key) };
  const ca = await createCertificateAuthority(`${nodeName}-ca@${Math.floor(io.clock.now() / 1000)}`, io);
  return ca.issue({ commonName: `${nodeName}@kubelet`, usages: ['server'], dnsNames: [nodeName], ipAddresses });
}

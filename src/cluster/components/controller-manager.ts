/** `bireme controller-manager`: the controllers alone, for any v1.36 API server. Upstream: cmd/kube-controller-manager. */
import type { Flags } from '../../base/flags.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../../client/kubeconfig.ts';
import { LeaderHealth } from '../../client/leader-election.ts';
import { allControllers, type ControllersOptions, runControllerManager } from '../../controllers/index.ts';
import type { HealthCheck } from '../../serve/health.ts';
import { ClusterError } from '../cluster-error.ts';
import { createComponent } from '../component.ts';
import { loadCertificateAuthority } from '../pki.ts';
import { type ComponentFlagTable, helpText, readComponentFlags } from './component-flags.ts';
import {
  type ComponentIo,
  electionOf,
  leaderElectionFlags,
  logLevelOf,
  readFlagFile,
  servingFlags,
  startComponentPort,
  transportFromKubeconfig,
  userAgentOf,
  versionText,
} from './run-component.ts';
import { createServiceAccountClients } from './service-account-clients.ts';

const name = 'kube-controller-manager';
const table: ComponentFlagTable = {
  component: name,
  effective: [
    ...servingFlags.effective,
    ...leaderElectionFlags,
    'allocate-node-cidrs',
    'cluster-cidr',
    'cluster-signing-cert-file',
    'cluster-signing-duration',
    'cluster-signing-key-file',
    'controllers',
    'enable-garbage-collector',
    'kubeconfig',
    'master',
    'node-cidr-mask-size',
    'node-cidr-mask-size-ipv4',
    'node-cidr-mask-size-ipv6',
    'node-eviction-rate',
    'node-monitor-grace-period',
    'node-monitor-period',
    'node-startup-grace-period',
    'root-ca-file',
    'secondary-node-eviction-rate',
    'large-cluster-size-threshold',
    'unhealthy-zone-threshold',
    'service-cluster-ip-range',
    'terminated-pod-gc-threshold',
    'use-service-account-credentials',
  ],
  accepted: [
    ...servingFlags.accepted,
    // Ours work on what there is to do at once, and write no faster than the server answers.
    'attach-detach-reconcile-sync-period',
    'cluster-name',
    'concurrent-cron-job-syncs',
    'concurrent-daemonset-syncs',
    'concurrent-deployment-syncs',
    'concurrent-device-taint-eviction-syncs',
    'concurrent-endpoint-syncs',
    'concurrent-ephemeralvolume-syncs',
    'concurrent-gc-syncs',
    'concurrent-horizontal-pod-autoscaler-syncs',
    'concurrent-job-syncs',
    'concurrent-namespace-syncs',
    'concurrent-rc-syncs',
    'concurrent-replicaset-syncs',
    'concurrent-resource-quota-syncs',
    'concurrent-resourceclaim-syncs',
    'concurrent-service-endpoint-syncs',
    'concurrent-service-syncs',
    'concurrent-serviceaccount-token-syncs',
    'concurrent-statefulset-syncs',
    'concurrent-ttl-after-finished-syncs',
    'concurrent-validating-admission-policy-status-syncs',
    'controller-start-interval',
    'controller-shutdown-timeout',
    'configure-cloud-routes',
    'flex-volume-plugin-dir',
    'min-resync-period',
    'mirroring-concurrent-service-endpoint-syncs',
    'namespace-sync-period',
    'pvclaimbinder-sync-period',
    'resource-quota-sync-period',
    'route-reconciliation-period',
    // Tokens are signed by the API server; the secrets of old service accounts are no longer made (KEP-2799).
    'service-account-private-key-file',
  ],
};

/** Runs until `signal` aborts. @throws ClusterError for what a person must mend; LeadershipLost. */
export async function runControllerManagerCommand(
  args: readonly string[],
  io: ComponentIo,
  signal: AbortSignal,
): Promise<void> {
  const flags = readComponentFlags(table, args);
  if (flags.bool('help')) return io.print(helpText(table));
  if (flags.isGiven('version')) return io.print(versionText);
  const kubeconfig = flags.optional('kubeconfig');
  if (kubeconfig === undefined)
    throw new ClusterError(
      'The controller manager does not know the API server',
      'name a kubeconfig with --kubeconfig',
    );
  const surroundings = { ...io, log: io.logger(logLevelOf(flags)).with({ component: name }) };
  const controllers = controllersOf(flags, io);
  const transport = transportFromKubeconfig('kubeconfig', kubeconfig, io, userAgentOf(name), flags.optional('master'));
  const component = createComponent(transport, name, surroundings);
  const {
    clientCertificate: _certificate,
    token: _token,
    ...reach
  } = transportOptionsOf(parseKubeconfig(readFlagFile('kubeconfig', kubeconfig), kubeconfig), io);
  const master = flags.optional('master');
  const anonymous = createHttpsTransport({
    ...reach,
    ...(master === undefined ? {} : { server: master }),
    metrics: io.metrics,
  });
  const leader = new LeaderHealth(io.clock);
  const ended = new Set<string>();
  const port = await startComponentPort(
    flags,
    {
      component: name,
      // As upstream: one endpoint, the lease and each controller. One that has not begun yet is well.
      checks: [
        { name: 'leaderElection', on: ['healthz'], check: () => leader.check() },
        ...controllers.map(
          (each): HealthCheck => ({
            name: each.name,
            on: ['healthz'],
            check: () => (ended.has(each.name) ? 'it has ended' : undefined),
          }),
        ),
      ],
      configz: () => ({ 'kubecontrollermanager.config.k8s.io': { controllers: controllers.map((each) => each.name) } }),
    },
    surroundings,
  );
  const election = electionOf(flags, io);
  try {
    await runControllerManager(
      {
        context: component,
        controllers,
        ...(flags.bool('use-service-account-credentials')
          ? { clientFor: createServiceAccountClients(component.client, anonymous, io.clock) }
          : {}),
        onRunning: (controller, on) => {
          if (on) ended.delete(controller);
          else if (!signal.aborted) ended.add(controller);
        },
        ...(election ? { leaderElection: { ...election, health: leader } } : {}),
      },
      signal,
    );
  } finally {
    await port?.stop({ graceMs: 1000 });
    await component.stop();
    await Promise.all([transport.close(), anonymous.close()]);
  }
}

function controllersOf(flags: Flags, io: ComponentIo) {
  const enabled = flags.isGiven('controllers') ? [...flags.list('controllers')] : ['*'];
  if (!flags.bool('enable-garbage-collector')) enabled.push('-garbage-collector-controller');
  const rootCa = flags.optional('root-ca-file');
  const signer = signerOf(flags, io);
  const options: ControllersOptions = {
    enabled,
    ...(rootCa === undefined ? {} : { rootCa: readFlagFile('root-ca-file', rootCa) }),
    ...(signer === undefined
      ? {}
      : { certificateSigning: { signer, durationMs: flags.duration('cluster-signing-duration') } }),
    nodeIpam: nodeIpamOf(flags),
    nodeLifecycle: {
      monitorPeriodMs: flags.duration('node-monitor-period'),
      monitorGraceMs: flags.duration('node-monitor-grace-period'),
      startupGraceMs: flags.duration('node-startup-grace-period'),
      perSecond: flags.number('node-eviction-rate'),
      secondaryPerSecond: flags.number('secondary-node-eviction-rate'),
      largeClusterThreshold: flags.number('large-cluster-size-threshold'),
      unhealthyThreshold: flags.number('unhealthy-zone-threshold'),
    },
    podGarbageCollector: { terminatedPodThreshold: flags.number('terminated-pod-gc-threshold') },
  };
  try {
    return allControllers(options);
  } catch (error) {
    throw new ClusterError((error as Error).message, 'correct the flags', { cause: error });
  }
}

function nodeIpamOf(flags: Flags): ControllersOptions['nodeIpam'] {
  if (!flags.bool('allocate-node-cidrs')) return false;
  const clusterCidrs = flags.list('cluster-cidr');
  if (clusterCidrs.length === 0)
    throw new ClusterError(
      '--allocate-node-cidrs has no range to give out',
      "name the pods' range with --cluster-cidr",
    );
  const both = flags.number('node-cidr-mask-size');
  return {
    clusterCidrs,
    nodeMaskSizeIpv4: both || flags.number('node-cidr-mask-size-ipv4') || 24,
    nodeMaskSizeIpv6: both || flags.number('node-cidr-mask-size-ipv6') || 64,
    serviceCidrs: flags.list('service-cluster-ip-range'),
  };
}

function signerOf(flags: Flags, io: ComponentIo) {
  const cert = flags.optional('cluster-signing-cert-file');
  const key = flags.optional('cluster-signing-key-file');
  if (cert === undefined || key === undefined) return undefined;
  return loadCertificateAuthority(
    { cert: readFlagFile('cluster-signing-cert-file', cert), key: readFlagFile('cluster-signing-key-file', key) },
    io,
  );
}

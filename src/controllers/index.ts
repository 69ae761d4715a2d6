/** The controller manager: which controllers there are, and running them. Names are those of upstream's `--controllers`. */

import { localPathProvisioner } from '../api/volume/local-path.ts';
import { createTaskGroup } from '../base/task-group.ts';
import { untilAborted } from '../base/until-aborted.ts';
import type { Client } from '../client/client.ts';
import { type LeaderElectionOptions, runLeaderElection } from '../client/leader-election.ts';
import { createBootstrapSigner } from './bootstrap/bootstrap-signer.ts';
import { createTokenCleaner } from './bootstrap/token-cleaner.ts';
import { createCertificateApproving } from './certificates/approving.ts';
import { createCertificateCleaner } from './certificates/cleaner.ts';
import { type CertificateSigningOptions, createCertificateSigning } from './certificates/signing.ts';
import { createClusterRoleAggregation } from './cluster-role-aggregation.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { cronJobController } from './cron-job/controller.ts';
import { daemonSetController } from './daemon-set/controller.ts';
import { deploymentController } from './deployment/controller.ts';
import { disruptionController } from './disruption/controller.ts';
import { endpointSliceController } from './endpoint-slice/controller.ts';
import { endpointSliceMirroringController } from './endpoint-slice-mirroring/controller.ts';
import { endpointsController } from './endpoints/controller.ts';
import { ephemeralVolumeController } from './ephemeral-volume.ts';
import { createGarbageCollector, type GarbageCollectorOptions } from './garbage-collector/garbage-collector.ts';
import { horizontalPodAutoscalerController } from './horizontal-pod-autoscaler/controller.ts';
import { jobController } from './job/controller.ts';
import { localPathController, localPathControllerName } from './local-path/local-path.ts';
import { createNamespaceController, type NamespaceControllerOptions } from './namespace/namespace-controller.ts';
import { createNodeIpamController, type NodeIpamOptions } from './node-ipam/node-ipam.ts';
import { createNodeLifecycleController, type NodeLifecycleOptions } from './node-lifecycle/node-lifecycle.ts';
import { nodeTtlController } from './node-ttl.ts';
import { persistentVolumeBinder } from './persistent-volume/controller.ts';
import { createPodGarbageCollector, type PodGarbageCollectorOptions } from './pod-garbage-collector.ts';
import { replicaSetController, replicationControllerController } from './replica-set/controller.ts';
import { resourceClaimController } from './resource-claim.ts';
import { resourceQuotaController } from './resource-quota/controller.ts';
import { createRootCaPublisher } from './root-ca-publisher.ts';
import { createServiceAccountController } from './service-accounts.ts';
import { serviceCidrController } from './service-cidrs.ts';
import { statefulSetController } from './stateful-set/controller.ts';
import { createTaintEvictionController } from './taint-eviction/taint-eviction.ts';
import { ttlAfterFinishedController } from './ttl-after-finished.ts';
import { volumeExpansionController } from './volume-expansion.ts';
import { attributesClassProtectionController } from './volume-protection/attributes-class-protection.ts';
import { claimProtectionController } from './volume-protection/claim-protection.ts';
import { volumeProtectionController } from './volume-protection/volume-protection.ts';

export type { RequestSigner } from './certificates/signing.ts';
export type { Controller, ControllerContext } from './controller.ts';

export interface ControllersOptions {
  /** PEM of the authority that signed the API server's certificate. Absent: nothing is published. */
  readonly rootCa?: string;
  /** Signs certificate requests. Absent: they are approved and cleaned up, and somebody else signs them. */
  readonly certificateSigning?: CertificateSigningOptions;
  /** `false`: pod CIDRs are given by somebody else. */
  readonly nodeIpam?: NodeIpamOptions | false;
  readonly nodeLifecycle?: NodeLifecycleOptions;
  readonly namespace?: NamespaceControllerOptions;
  readonly podGarbageCollector?: PodGarbageCollectorOptions;
  readonly garbageCollector?: GarbageCollectorOptions;
  /**
   * Upstream's `--controllers`: names, `-name` to leave one out, `*` for all. Default `*`.
   * @throws Error from `allControllers` for a name there is not.
   */
  readonly enabled?: readonly string[];
}

/** All controllers with these options, in the order they are started. */
export function allControllers(options: ControllersOptions = {}): readonly Controller[] {
  const all: Controller[] = [
    createServiceAccountController(),
    createNamespaceController(options.namespace),
    createGarbageCollector(options.garbageCollector),
    createNodeLifecycleController(options.nodeLifecycle),
    createTaintEvictionController(),
    createPodGarbageCollector(options.podGarbageCollector),
    createClusterRoleAggregation(),
    deploymentController(),
    replicaSetController(),
    replicationControllerController(),
    daemonSetController(),
    statefulSetController(),
    jobController(),
    cronJobController(),
    ttlAfterFinishedController(),
    disruptionController(),
    endpointSliceController(),
    endpointsController(),
    resourceQuotaController(),
    endpointSliceMirroringController(),
    createCertificateApproving(),
    createCertificateCleaner(),
    createBootstrapSigner(),
    createTokenCleaner(),
    persistentVolumeBinder(),
    volumeExpansionController({ builtIn: new Set([localPathProvisioner]) }),
    claimProtectionController(),
    volumeProtectionController(),
    attributesClassProtectionController(),
    ephemeralVolumeController(),
    localPathController(),
    serviceCidrController(),
    nodeTtlController(),
    resourceClaimController(),
    horizontalPodAutoscalerController(),
  ];
  if (options.certificateSigning) all.push(createCertificateSigning(options.certificateSigning));
  if (options.rootCa !== undefined) all.push(createRootCaPublisher({ rootCa: options.rootCa }));
  if (options.nodeIpam !== false) all.push(createNodeIpamController(options.nodeIpam));
  return selected(all, options.enabled ?? ['*']);
}

/** Controller -> service account, where the names differ. Source: cmd/kube-controller-manager/app. */
const serviceAccounts: Readonly<Record<string, string>> = {
  'serviceaccount-controller': 'service-account-controller',
  'garbage-collector-controller': 'generic-garbage-collector',
  'node-lifecycle-controller': 'node-controller',
  'taint-eviction-controller': 'node-controller',
  'node-ipam-controller': 'node-controller',
  'pod-garbage-collector-controller': 'pod-garbage-collector',
  'daemonset-controller': 'daemon-set-controller',
  'replicationcontroller-controller': 'replication-controller',
  'endpoints-controller': 'endpoint-controller',
  'endpointslice-mirroring-controller': 'endpointslicemirroring-controller',
  'root-ca-certificate-publisher-controller': 'root-ca-cert-publisher',
  'certificatesigningrequest-approving-controller': 'certificate-controller',
  'certificatesigningrequest-signing-controller': 'certificate-controller',
  'certificatesigningrequest-cleaner-controller': 'certificate-controller',
  'bootstrap-signer-controller': 'bootstrap-signer',
  'token-cleaner-controller': 'token-cleaner',
  'persistentvolume-binder-controller': 'persistent-volume-binder',
  'persistentvolume-expander-controller': 'expand-controller',
  'persistentvolumeclaim-protection-controller': 'pvc-protection-controller',
  'persistentvolume-protection-controller': 'pv-protection-controller',
  'service-cidr-controller': 'service-cidrs-controller',
  'resourceclaim-controller': 'resource-claim-controller',
  'horizontal-pod-autoscaler-controller': 'horizontal-pod-autoscaler',
  // Not upstream's; it needs just what the binder may do.
  [localPathControllerName]: 'persistent-volume-binder',
};

/** `*` does not mean these. Source: controllers.ControllersDisabledByDefault. */
const onlyByName: ReadonlySet<string> = new Set(['bootstrap-signer-controller', 'token-cleaner-controller']);

/** What `kubectl describe` shows under From, where it is not the controller's name. */
const eventComponents: Readonly<Record<string, string>> = {
  'persistentvolume-binder-controller': 'persistentvolume-controller',
  'persistentvolume-expander-controller': 'volume_expand',
  'ephemeral-volume-controller': 'ephemeral_volume',
  'resourceclaim-controller': 'resource_claim',
  'horizontal-pod-autoscaler-controller': 'horizontal-pod-autoscaler',
  [localPathControllerName]: localPathProvisioner,
  'endpointslice-controller': 'endpoint-slice-controller',
  'endpoints-controller': 'endpoint-controller',
  'endpointslice-mirroring-controller': 'endpointslicemirroring-controller',
};

/** Names a user may give that have no controller with the present options. */
const optional: ReadonlySet<string> = new Set([
  'root-ca-certificate-publisher-controller',
  'node-ipam-controller',
  'certificatesigningrequest-signing-controller',
]);

/** Source: controller-manager app.IsControllerEnabled: an exact name wins over `*`, wherever it stands. */
function selected(all: readonly Controller[], enabled: readonly string[]): readonly Controller[] {
  const names = new Set(all.map(({ name }) => name));
  for (const entry of enabled) {
    const name = entry.replace(/^-/, '');
    if (name !== '*' && !names.has(name) && !optional.has(name))
      throw new Error(`"${name}" is not in the list of known controllers`);
  }
  return all.filter(
    ({ name }) =>
      enabled.includes(name) || (!enabled.includes(`-${name}`) && enabled.includes('*') && !onlyByName.has(name)),
  );
}

export interface ControllerManagerOptions {
  readonly context: ControllerContext;
  readonly controllers: readonly Controller[];
  /**
   * A client with the rights of one controller's service account in kube-system, as upstream's `--use-service-account-credentials`; informers
   * stay the manager's own. Absent: all write with the manager's client.
   */
  readonly clientFor?: (serviceAccount: string) => Client;
  /** Absent: this manager runs alone. */
  readonly leaderElection?: Pick<LeaderElectionOptions, 'identity'> &
    Partial<
      Pick<
        LeaderElectionOptions,
        'namespace' | 'name' | 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs' | 'health'
      >
    >;
  /** Hears of each controller's start and end. */
  readonly onRunning?: (controller: string, running: boolean) => void;
}

/**
 * Runs the controllers until `signal` aborts; with leader election, while this manager leads. Informers belong to who made the context.
 * @throws the first controller's failure, after all others have ended; LeadershipLost.
 */
export async function runControllerManager(
  { context, controllers, clientFor, leaderElection, onRunning }: ControllerManagerOptions,
  signal: AbortSignal,
): Promise<void> {
  const running = context.metrics.gauge<'name' | 'manager'>({
    name: 'running_managed_controllers',
    help: 'Indicates where instances of a controller are currently running',
    labels: ['name', 'manager'],
  });
  const lead = async (leading: AbortSignal): Promise<void> => {
    const tasks = createTaskGroup(leading);
    const ended = untilAborted(tasks.signal);
    const tell = (name: string, count: 0 | 1): void => {
      running.set({ name, manager: 'kube-controller-manager' }, count);
      onRunning?.(name, count === 1);
    };
    for (const controller of controllers) {
      const log = context.log.with({ component: controller.name });
      const own = clientFor ? { client: clientFor(serviceAccounts[controller.name] ?? controller.name) } : {};
      const events = context.events.withComponent(eventComponents[controller.name] ?? controller.name);
      tell(controller.name, 1);
      tasks.run(controller.name, async (stop) => {
        try {
          await controller.run({ ...context, ...own, events, log }, stop);
        } finally {
          tell(controller.name, 0);
        }
      });
    }
    await ended;
    await tasks.stop();
    await tasks.done;
  };
  if (!leaderElection) return lead(signal);
  const { client, clock, random, log, events, metrics } = context;
  const election = { namespace: 'kube-system', name: 'kube-controller-manager', ...leaderElection };
  return runLeaderElection(
    { client, clock, random, log, metrics, events: events.withComponent('kube-controller-manager'), ...election },
    lead,
    signal,
  );
}

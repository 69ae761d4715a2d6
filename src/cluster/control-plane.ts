/**
 * A control plane in this process: API server, scheduler and controllers on one loop, talking through the in-process transport (decisions 8
 * and 10). Where its store lies and whether it listens on a port is the caller's business.
 */
import type { ApiHandler, PeerCertificate } from '../api/exchange.ts';
import { createServiceAllocator, type ServiceAllocator } from '../apiserver/allocators/service-allocator.ts';
import { type SigningKey, signingKey } from '../apiserver/authentication/index.ts';
import { bootstrap, runPostStart } from '../apiserver/bootstrap/index.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../apiserver/index.ts';
import { createClusterSecurity } from '../apiserver/security.ts';
import { createTaskGroup } from '../base/task-group.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/create-client.ts';
import { createInProcessTransport } from '../client/in-process-transport.ts';
import type { Transport } from '../client/transport.ts';
import {
  allControllers,
  type ControllersOptions,
  type RequestSigner,
  runControllerManager,
} from '../controllers/index.ts';
import { createScheduler } from '../scheduler/index.ts';
import type { Store } from '../store/store.ts';
import { runClusterDnsAddon } from './cluster-dns-addon.ts';
import { clusterDnsAddress } from './cluster-dns-objects.ts';
import { createComponent, type Surroundings } from './component.ts';
import { applyLocalPathAddon } from './local-path-addon.ts';
import { version } from './version.ts';

export interface ControlPlaneOptions extends Surroundings {
  readonly store: Store;
  /** PEM, PKCS #8: signs service account tokens. */
  readonly serviceAccountPrivateKey: string;
  /** PEM, for the root CA publisher and `cluster-info`. Absent: nothing is published. */
  readonly rootCa?: string;
  /** Where clients find the API server. */
  readonly advertiseAddress: string;
  readonly port: number;
  readonly network?: Partial<ClusterNetwork>;
  readonly kubelet?: ApiServerOptions['kubelet'];
  readonly controllers?: ControllersOptions;
  /** PEM of the authority that signs client certificates, for `extension-apiserver-authentication`. */
  readonly clientCa?: string;
  readonly frontProxyCa?: string;
  /** Signs certificate requests with the cluster's authority. Absent: nobody does. */
  readonly certificateSigner?: RequestSigner;
  readonly hostname?: string;
  /** Keep `kube-dns` for the nodes that answer DNS. Default: not, as upstream's control plane by itself. */
  readonly clusterDns?: boolean;
  /** Make the default storage class, of local folders. Default: as `clusterDns`. */
  readonly localPath?: boolean;
  /** Leave the scheduler or the controllers out: somebody else runs them. */
  readonly without?: readonly ('scheduler' | 'controllers')[];
  readonly tuning?: Pick<ApiServerOptions, 'watchLimits' | 'valueBudgetBytes' | 'compactionIntervalMs'>;
}

export interface ClusterNetwork {
  readonly podCidr: string;
  readonly nodeCidrMaskSize: number;
  readonly serviceCidr: string;
  /** `30000-32767` */
  readonly nodePortRange: string;
  readonly clusterDomain: string;
}

export const defaultClusterNetwork: ClusterNetwork = Object.freeze({
  podCidr: '10.244.0.0/16',
  nodeCidrMaskSize: 24,
  serviceCidr: '10.96.0.0/12',
  nodePortRange: '30000-32767',
  clusterDomain: 'cluster.local',
});

export interface ControlPlane {
  readonly server: ApiServer;
  /** The whole handler chain, for a port or for in-process callers. */
  readonly handler: ApiHandler;
  /** A transport for somebody who holds a certificate with this subject. */
  transportAs(peer: PeerCertificate): Transport;
  /** Rejects with the first failure of a component. */
  readonly done: Promise<void>;
  /** Stops components, then the API server; the store stays open. */
  stop(): Promise<void>;
}

/** The administrator's certificate: group system:masters may do everything. */
export const adminPeer: PeerCertificate = Object.freeze({
  commonName: 'kubernetes-admin',
  organizations: Object.freeze(['system:masters']),
});

/** Resolves when the API server answers; controllers and scheduler are starting then. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { clock, random, log, metrics, store, advertiseAddress, port } = options;
  const network: ClusterNetwork = { ...defaultClusterNetwork, ...options.network };
  const key: SigningKey = signingKey(options.serviceAccountPrivateKey);
  const issuer = `https://kubernetes.default.svc.${network.clusterDomain}`;
  const surroundings: Surroundings = { clock, random, log, metrics };
  const bootstrapIo = { store, clock, random };
  await bootstrap({
    ...bootstrapIo,
    config: {
      serviceCidrs: [network.serviceCidr],
      securePort: port,
      ...(options.clientCa === undefined ? {} : { clientCa: options.clientCa }),
      ...(options.frontProxyCa === undefined
        ? {}
        : { requestHeader: { clientCa: options.frontProxyCa, allowedNames: ['front-proxy-client'] } }),
    },
  });
  let allocator: ServiceAllocator | undefined;
  const server = createApiServer({
    store,
    clock,
    random,
    log: log.with({ component: 'kube-apiserver' }),
    metrics,
    security: createClusterSecurity({
      serviceAccountKey: key,
      issuer,
      jwksUri: `https://${advertiseAddress}:${port}/openid/v1/jwks`,
    }),
    hooks: ({ reader }) => {
      allocator = createServiceAllocator({
        ...bootstrapIo,
        reader,
        log,
        serviceCidrs: [network.serviceCidr],
        nodePortRange: network.nodePortRange,
      });
      return allocator.hooks;
    },
    serverAddress: `${advertiseAddress}:${port}`,
    ...(options.kubelet ? { kubelet: options.kubelet } : {}),
    ...options.tuning,
  });
  const tasks = createTaskGroup();
  await server.start();
  tasks.run('service-allocator-repair', async (signal) => allocator?.repair(signal));
  tasks.run('apiserver-post-start', (signal) =>
    runPostStart(
      {
        ...bootstrapIo,
        log: log.with({ component: 'kube-apiserver' }),
        advertiseAddress,
        securePort: port,
        hostname: options.hostname ?? advertiseAddress,
      },
      signal,
    ),
  );

  const transportAs = (peer: PeerCertificate): Transport =>
    createInProcessTransport(server.handler, { clock, peer, userAgent: `bireme/${version.kubernetes}` });
  const scheduler = options.without?.includes('scheduler')
    ? undefined
    : createComponent(transportAs(component('system:kube-scheduler')), 'kube-scheduler', surroundings, {
        eventSource: 'default-scheduler',
      });
  if (scheduler) tasks.run('kube-scheduler', (signal) => createScheduler(scheduler).run(signal));
  const manager = options.without?.includes('controllers')
    ? undefined
    : createComponent(
        transportAs(component('system:kube-controller-manager')),
        'kube-controller-manager',
        surroundings,
      );
  if (manager) {
    const clientFor = (name: string): Client =>
      createClient(transportAs(serviceAccount('kube-system', name)), {
        fieldManager: 'kube-controller-manager',
        userAgent: `kube-controller-manager/${version.kubernetes}/system:serviceaccount:kube-system:${name}`,
      });
    const controllers = allControllers({
      ...(options.rootCa === undefined ? {} : { rootCa: options.rootCa }),
      ...(options.certificateSigner ? { certificateSigning: { signer: options.certificateSigner } } : {}),
      // As kubeadm starts its controller manager: hosts may join.
      enabled: ['*', 'bootstrap-signer-controller', 'token-cleaner-controller'],
      nodeIpam: { clusterCidrs: [network.podCidr], nodeMaskSizeIpv4: network.nodeCidrMaskSize },
      ...options.controllers,
    });
    tasks.run('kube-controller-manager', (signal) =>
      runControllerManager({ context: manager, controllers, clientFor }, signal),
    );
  }

  const addons = options.clusterDns
    ? createComponent(transportAs(adminPeer), 'bireme-addons', surroundings)
    : undefined;
  if (addons && options.localPath !== false)
    tasks.run('local-path-addon', (signal) => applyLocalPathAddon(addons, signal));
  if (addons)
    tasks.run('cluster-dns-addon', (signal) =>
      runClusterDnsAddon(addons, clusterDnsAddress(network.serviceCidr), signal),
    );

  return {
    server,
    handler: server.handler,
    transportAs,
    done: tasks.done,
    async stop() {
      await tasks.stop();
      await Promise.all([scheduler?.stop(), manager?.stop(), addons?.stop()]);
      await server.stop();
    },
  };
}

const component = (commonName: string): PeerCertificate => ({ commonName, organizations: [] });

/** The groups every service account is in, and its user name, as a certificate would carry them. */
const serviceAccount = (namespace: string, name: string): PeerCertificate => ({
  commonName: `system:serviceaccount:${namespace}:${name}`,
  organizations: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
});

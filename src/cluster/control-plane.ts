/**
 * A control plane in this process: API server, scheduler and controllers on one loop, talking through the in-process transport (decisions 8
 * and 10). Where its store lies and whether it listens on a port is the caller's business.
 */
import type { ApiHandler, PeerCertificate } from '../api/exchange.ts';
import { builtinSchema } from '../api/schema/builtin.ts';
import type { Node, Pod } from '../api/types/core-v1.ts';
import { createServiceAllocator, type ServiceAllocator } from '../apiserver/allocators/service-allocator.ts';
import { type SigningKey, signingKey } from '../apiserver/authentication/index.ts';
import { bootstrap, runPostStart } from '../apiserver/bootstrap/index.ts';
import type { EncryptionRule } from '../apiserver/encryption/configuration.ts';
import { type ApiExtension, type ApiServer, type ApiServerOptions, createApiServer } from '../apiserver/index.ts';
import type { ObjectReader } from '../apiserver/registry/object-reader.ts';
import { identityTransformer } from '../apiserver/registry/transformer.ts';
import { type ClusterSecurityOptions, createClusterSecurity } from '../apiserver/security.ts';
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
import { createHttpClient } from '../serve/forward/http-client.ts';
import type { Store } from '../store/store.ts';
import { runClusterDnsAddon } from './cluster-dns-addon.ts';
import { clusterDnsAddress } from './cluster-dns-objects.ts';
import type { Component, Surroundings } from './component.ts';
import { checkOfPort } from './component-checks.ts';
import { runLeading } from './lead.ts';
import { applyLocalPathAddon } from './local-path-addon.ts';
import type { KeyPair } from './pki.ts';
import { applyResourceMetricsAddon } from './resource-metrics/addon.ts';
import { createResourceCollector } from './resource-metrics/collector.ts';
import { createResourceMetricsApi } from './resource-metrics/resource-metrics-api.ts';
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
  /** A kubelet's page as text: with it metrics.k8s.io is served. */
  readonly kubeletPage?: (node: string, path: string, signal: AbortSignal) => Promise<string>;
  readonly controllers?: ControllersOptions;
  /** PEM of the authority that signs client certificates, for `extension-apiserver-authentication`. */
  readonly clientCa?: string;
  readonly frontProxyCa?: string;
  /** What extension API servers know this one by. */
  readonly frontProxyClient?: KeyPair;
  /** Signs certificate requests with the cluster's authority. Absent: nobody does. */
  readonly certificateSigner?: RequestSigner;
  readonly hostname?: string;
  /** Keep `kube-dns` for the nodes that answer DNS. Default: not, as upstream's control plane by itself. */
  readonly clusterDns?: boolean;
  /** Make the default storage class, of local folders. Default: as `clusterDns`. */
  readonly localPath?: boolean;
  /** Upstream: --service-account-issuer. Default: the `kubernetes` Service's name in the cluster's domain. */
  readonly issuer?: string;
  readonly security?: Pick<
    ClusterSecurityOptions,
    | 'anonymousAllowed'
    | 'bootstrapTokens'
    | 'disabledAdmissionPlugins'
    | 'earlierIssuers'
    | 'extendTokenExpiration'
    | 'maxTokenExpirationSeconds'
    | 'requestHeaderNames'
    | 'staticTokens'
    | 'verifyingKeys'
  > &
    Partial<Pick<ClusterSecurityOptions, 'jwksUri'>>;
  /** Further parts that run once in the cluster, with an administrator's rights. */
  readonly addons?: readonly Addon[];
  /** Unique among the cluster's control planes: scheduler, controllers and addons run where the lease is. Absent: this is the only one. */
  readonly identity?: string;
  /** `--encryption-provider-config`. Absent: values are stored as they are. */
  readonly encryption?: readonly EncryptionRule[];
  /** The store is used by other API servers too, perhaps upstream's. */
  readonly sharedStore?: boolean;
  /** Leave the scheduler or the controllers out: somebody else runs them. */
  readonly without?: readonly ('scheduler' | 'controllers')[];
  readonly tuning?: Pick<
    ApiServerOptions,
    | 'audit'
    | 'watchLimits'
    | 'valueBudgetBytes'
    | 'compactionIntervalMs'
    | 'eventTtlSeconds'
    | 'requestsInFlightMax'
    | 'requestTimeoutMs'
    | 'serves'
    | 'flags'
  >;
}

export interface Addon {
  readonly name: string;
  run(component: Component, signal: AbortSignal): Promise<void>;
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
  const issuer = options.issuer ?? `https://kubernetes.default.svc.${network.clusterDomain}`;
  const surroundings: Surroundings = { clock, random, log, metrics };
  // Loads the protobuf codec, which a store of one's own never needs.
  const atRest = options.encryption
    ? (await import('../apiserver/encryption/index.ts')).createEncryption(options.encryption, (n) => random.bytes(n))
    : identityTransformer;
  const transformer = options.sharedStore
    ? (await import('../apiserver/registry/upstream-values.ts')).createUpstreamValues(builtinSchema, atRest)
    : atRest;
  const bootstrapIo = { store, clock, random, transformer };
  await bootstrap({
    ...bootstrapIo,
    config: {
      serviceCidrs: [network.serviceCidr],
      securePort: port,
      ...(options.clientCa === undefined ? {} : { clientCa: options.clientCa }),
      ...(options.frontProxyCa === undefined
        ? {}
        : {
            requestHeader: {
              clientCa: options.frontProxyCa,
              allowedNames: options.security?.requestHeaderNames ?? ['front-proxy-client'],
            },
          }),
    },
  });
  let allocator: ServiceAllocator | undefined;
  const tasks = createTaskGroup();
  const { kubeletPage } = options;
  let firstTurn = false;
  const http = createHttpClient({ clock });
  const server = createApiServer({
    store,
    clock,
    random,
    log: log.with({ component: 'kube-apiserver' }),
    metrics,
    transformer,
    sharedStore: options.sharedStore ?? false,
    security: createClusterSecurity({
      jwksUri: `https://${advertiseAddress}:${port}/openid/v1/jwks`,
      ...options.security,
      serviceAccountKey: key,
      issuer,
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
    components: (['controllers', 'scheduler'] as const).map((part) => ({
      name: part === 'controllers' ? 'controller-manager' : part,
      // Those in this process are well: it would have ended with them.
      check: options.without?.includes(part) ? checkOfPort(http, defaultPorts[part]) : () => undefined,
    })),
    ...(options.frontProxyClient ? { proxyClient: options.frontProxyClient } : {}),
    ...(kubeletPage
      ? { extensions: (reader) => [resourceMetrics(reader, kubeletPage, surroundings, tasks.signal)] }
      : {}),
    // Written before the server started.
    beside: { written: () => true, turned: () => firstTurn },
    ...options.tuning,
  });
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
        onFirstTurn: () => {
          firstTurn = true;
        },
      },
      signal,
    ),
  );

  const transportAs = (peer: PeerCertificate): Transport =>
    createInProcessTransport(server.handler, { clock, peer, userAgent: `bireme/${version.kubernetes}` });
  const leading = options.identity === undefined ? {} : { identity: options.identity };
  if (!options.without?.includes('scheduler'))
    tasks.run('kube-scheduler', (signal) =>
      runLeading(
        {
          transport: transportAs(component('system:kube-scheduler')),
          name: 'kube-scheduler',
          eventSource: 'default-scheduler',
          ...leading,
        },
        surroundings,
        (scheduler, stop) => createScheduler(scheduler).run(stop),
        signal,
      ),
    );
  if (!options.without?.includes('controllers')) {
    const clientFor = (name: string): Client =>
      createClient(transportAs(serviceAccount('kube-system', name)), {
        fieldManager: 'kube-controller-manager',
        userAgent: `kube-controller-manager/${version.kubernetes}/system:serviceaccount:kube-system:${name}`,
      });
    const controllers = (): ReturnType<typeof allControllers> =>
      allControllers({
        ...(options.rootCa === undefined ? {} : { rootCa: options.rootCa }),
        ...(options.certificateSigner ? { certificateSigning: { signer: options.certificateSigner } } : {}),
        // As kubeadm starts its controller manager: hosts may join.
        enabled: ['*', 'bootstrap-signer-controller', 'token-cleaner-controller'],
        nodeIpam: { clusterCidrs: [network.podCidr], nodeMaskSizeIpv4: network.nodeCidrMaskSize },
        ...options.controllers,
      });
    // Wrong names among them are told now, not when the lead is had.
    controllers();
    tasks.run('kube-controller-manager', (signal) =>
      runLeading(
        {
          transport: transportAs(component('system:kube-controller-manager')),
          name: 'kube-controller-manager',
          ...leading,
        },
        surroundings,
        (manager, stop) => runControllerManager({ context: manager, controllers: controllers(), clientFor }, stop),
        signal,
      ),
    );
  }
  if (options.clusterDns || options.addons)
    tasks.run('bireme-addons', (signal) =>
      runLeading(
        { transport: transportAs(adminPeer), name: 'bireme-addons', ...leading },
        surroundings,
        async (addons, stop) => {
          const parts = createTaskGroup(stop);
          if (options.clusterDns)
            parts.run('cluster-dns-addon', (end) =>
              runClusterDnsAddon(addons, clusterDnsAddress(network.serviceCidr), end),
            );
          if (options.clusterDns && options.localPath !== false)
            parts.run('local-path-addon', (end) => applyLocalPathAddon(addons, end));
          if (kubeletPage) parts.run('resource-metrics-addon', (end) => applyResourceMetricsAddon(addons, end));
          for (const { name, run } of options.addons ?? []) parts.run(name, (end) => run(addons, end));
          await parts.done;
        },
        signal,
      ),
    );

  return {
    server,
    handler: server.handler,
    transportAs,
    done: tasks.done,
    async stop() {
      await tasks.stop();
      await server.stop();
      http.close();
    },
  };
}

/** Of the controller manager and the scheduler where each is a process of its own. */
const defaultPorts = { controllers: 10257, scheduler: 10259 } as const;

const component = (commonName: string): PeerCertificate => ({ commonName, organizations: [] });

/** The groups every service account is in, and its user name, as a certificate would carry them. */
const serviceAccount = (namespace: string, name: string): PeerCertificate => ({
  commonName: `system:serviceaccount:${namespace}:${name}`,
  organizations: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
});

/** metrics.k8s.io of this API server's cache and its kubelets. */
function resourceMetrics(
  reader: ObjectReader,
  kubeletPage: NonNullable<ControlPlaneOptions['kubeletPage']>,
  { clock, log }: Surroundings,
  signal: AbortSignal,
): ApiExtension {
  const nodes = () => reader.list('', 'nodes', '') as unknown as readonly Node[];
  return createResourceMetricsApi({
    nodes,
    pods: (namespace) => reader.list('', 'pods', namespace) as unknown as readonly Pod[],
    collector: createResourceCollector({
      clock,
      log: log.with({ component: 'resource-metrics' }),
      page: (node, cut) => kubeletPage(node, '/metrics/resource', cut),
      nodes: () => nodes().map(({ metadata }) => metadata.name ?? ''),
      signal,
    }),
  });
}

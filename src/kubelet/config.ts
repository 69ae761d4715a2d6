import type { JsonObject } from '../api/json.ts';

/** The part of KubeletConfiguration (kubelet.config.k8s.io/v1beta1) that has an effect here, with upstream's names and defaults. */
export interface KubeletConfig {
  readonly nodeStatusUpdateFrequencyMs: number;
  readonly nodeStatusReportFrequencyMs: number;
  readonly nodeLeaseDurationSeconds: number;
  readonly syncFrequencyMs: number;
  readonly maxPods: number;
  /** 0 means no limit beyond maxPods. */
  readonly podsPerCore: number;
  readonly clusterDomain: string;
  readonly clusterDNS: readonly string[];
  /** File whose name servers and search domains pods with dnsPolicy Default get. */
  readonly resolvConf: string;
  readonly registerNode: boolean;
  readonly registerWithTaints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
  readonly nodeLabels: Readonly<Record<string, string>>;
  /** Annotations that the node registers with. */
  readonly nodeAnnotations?: Readonly<Record<string, string>>;
  /** Reserved for the machine itself, per resource, as quantities. */
  readonly systemReserved: Readonly<Record<string, string>>;
  readonly kubeReserved: Readonly<Record<string, string>>;
  readonly evictionHard: Readonly<Record<string, string>>;
  readonly evictionSoft: Readonly<Record<string, string>>;
  /** Durations as Go writes them, per signal of evictionSoft. */
  readonly evictionSoftGracePeriod: Readonly<Record<string, string>>;
  readonly evictionMinimumReclaim: Readonly<Record<string, string>>;
  readonly evictionPressureTransitionPeriodMs: number;
  readonly evictionMaxPodGracePeriod: number;
  readonly imageGCHighThresholdPercent: number;
  readonly imageGCLowThresholdPercent: number;
  readonly imageMinimumGCAgeMs: number;
  readonly imageMaximumGCAgeMs: number;
  /** Folder of manifests of static pods; empty: none. */
  readonly staticPodPath: string;
  readonly staticPodURL: string;
  readonly staticPodURLHeader: Readonly<Record<string, readonly string[]>>;
  readonly fileCheckFrequencyMs: number;
  readonly httpCheckFrequencyMs: number;
  readonly serializeImagePulls: boolean;
  /** 0: no bound (with serializeImagePulls false). */
  readonly maxParallelImagePulls: number;
  readonly registryPullQPS: number;
  readonly registryBurst: number;
  readonly shutdownGracePeriodMs: number;
  readonly shutdownGracePeriodCriticalPodsMs: number;
  readonly shutdownGracePeriodByPodPriority: readonly {
    readonly priority: number;
    readonly shutdownGracePeriodSeconds: number;
  }[];
  readonly allowedUnsafeSysctls: readonly string[];
  readonly seccompDefault: boolean;
  /** Which groups are held to what is allocatable: pods. */
  readonly enforceNodeAllocatable: readonly string[];
  readonly nodeStatusMaxImages: number;
  readonly containerLogMonitorIntervalMs: number;
  readonly cpuCFSQuotaPeriodMs: number;
  readonly providerID: string;
  readonly memorySwapBehavior: string;
  readonly anonymousAuth: boolean;
  readonly webhookAuthenticationCacheTTLMs: number;
  readonly webhookAuthorizationCacheAuthorizedTTLMs: number;
  readonly webhookAuthorizationCacheUnauthorizedTTLMs: number;
  readonly enableSystemLogHandler: boolean;
  readonly enableDebuggingHandlers: boolean;
  /** How many users a pod with its own user namespace has: a multiple of 65536. */
  readonly userNamespaceIDsPerPod: number;
  readonly cgroupRoot: string;
  readonly cpuCFSQuota: boolean;
  readonly podPidsLimit: number;
  readonly containerLogMaxSizeBytes: number;
  readonly containerLogMaxFiles: number;
  readonly runtimeRequestTimeoutMs: number;
  readonly enableServer: boolean;
  readonly port: number;
  readonly address: string;
  readonly crashLoopBackOffMaxMs: number;
  /** Where the process that composes the kubelet finds its runtime, its logs and its certificates; `bireme kubelet` reads these. Empty: its flags say. */
  readonly containerRuntimeEndpoint: string;
  readonly podLogsDir: string;
  readonly clientCAFile: string;
  readonly tlsCertFile: string;
  readonly tlsPrivateKeyFile: string;
  /** Without TLS, for whoever watches the process; 0: nowhere. */
  readonly healthzPort: number;
  readonly healthzBindAddress: string;
  /** What the file says of fields without effect here, by their upstream names: `/configz` shows it. */
  readonly withoutEffect: JsonObject;
}

export const defaultKubeletConfig: KubeletConfig = Object.freeze({
  nodeStatusUpdateFrequencyMs: 10_000,
  nodeStatusReportFrequencyMs: 300_000,
  nodeLeaseDurationSeconds: 40,
  syncFrequencyMs: 60_000,
  maxPods: 110,
  podsPerCore: 0,
  clusterDomain: 'cluster.local',
  clusterDNS: [],
  resolvConf: '/etc/resolv.conf',
  registerNode: true,
  registerWithTaints: [],
  nodeLabels: {},
  systemReserved: {},
  kubeReserved: {},
  evictionHard: {
    'memory.available': '100Mi',
    'nodefs.available': '10%',
    'nodefs.inodesFree': '5%',
    'imagefs.available': '15%',
    'imagefs.inodesFree': '5%',
  },
  evictionSoft: {},
  evictionSoftGracePeriod: {},
  evictionMinimumReclaim: {},
  evictionPressureTransitionPeriodMs: 300_000,
  evictionMaxPodGracePeriod: 0,
  imageGCHighThresholdPercent: 85,
  imageGCLowThresholdPercent: 80,
  imageMinimumGCAgeMs: 120_000,
  imageMaximumGCAgeMs: 0,
  staticPodPath: '',
  staticPodURL: '',
  staticPodURLHeader: {},
  fileCheckFrequencyMs: 20_000,
  httpCheckFrequencyMs: 20_000,
  serializeImagePulls: true,
  maxParallelImagePulls: 0,
  registryPullQPS: 5,
  registryBurst: 10,
  shutdownGracePeriodMs: 0,
  shutdownGracePeriodCriticalPodsMs: 0,
  shutdownGracePeriodByPodPriority: [],
  allowedUnsafeSysctls: [],
  seccompDefault: false,
  enforceNodeAllocatable: ['pods'],
  nodeStatusMaxImages: 50,
  containerLogMonitorIntervalMs: 10_000,
  cpuCFSQuotaPeriodMs: 100,
  providerID: '',
  memorySwapBehavior: '',
  anonymousAuth: false,
  webhookAuthenticationCacheTTLMs: 120_000,
  webhookAuthorizationCacheAuthorizedTTLMs: 300_000,
  webhookAuthorizationCacheUnauthorizedTTLMs: 30_000,
  enableSystemLogHandler: true,
  enableDebuggingHandlers: true,
  userNamespaceIDsPerPod: 65_536,
  cgroupRoot: '/',
  cpuCFSQuota: true,
  podPidsLimit: -1,
  containerLogMaxSizeBytes: 10 * 1024 * 1024,
  containerLogMaxFiles: 5,
  runtimeRequestTimeoutMs: 120_000,
  enableServer: true,
  port: 10_250,
  address: '0.0.0.0',
  crashLoopBackOffMaxMs: 300_000,
  containerRuntimeEndpoint: '',
  podLogsDir: '/var/log/pods',
  clientCAFile: '',
  tlsCertFile: '',
  tlsPrivateKeyFile: '',
  healthzPort: 10_248,
  healthzBindAddress: '127.0.0.1',
  withoutEffect: {},
});

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
  /** Reserved for the machine itself, per resource, as quantities. */
  readonly systemReserved: Readonly<Record<string, string>>;
  readonly kubeReserved: Readonly<Record<string, string>>;
  readonly evictionHard: Readonly<Record<string, string>>;
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
  },
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
});

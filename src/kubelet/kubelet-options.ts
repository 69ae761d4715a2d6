/** What a kubelet is given. Nothing is read from anywhere else. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { MachineInfo } from '../host/machine-info.ts';
import type { CriRuntime } from '../runtime/cri.ts';
import type { KubeletConfig } from './config.ts';
import type { PodEnvironment } from './environment.ts';
import type { Observations } from './eviction/thresholds.ts';
import type { NodeSource } from './node-source.ts';
import type { ObjectSource } from './object-source.ts';
import type { PodSource } from './pod-source.ts';
import type { ProbeContext, ProbeManager } from './probes/probe-manager.ts';
import type { StaticPodFeed } from './static/static-pods.ts';
import type { Summary } from './stats/summary-types.ts';

export interface NodePressure {
  observe(): Promise<Observations>;
  summary(options: { readonly cpuAndMemoryOnly: boolean }): Promise<Summary>;
  imageFs(): Promise<{ readonly availableBytes: number; readonly capacityBytes: number } | undefined>;
}

export interface KubeletOptions {
  readonly nodeName: string;
  readonly client: Client;
  /** Pods bound to this node. Hollow nodes share one informer (`createPodDispatcher`). */
  readonly pods: PodSource;
  /** This node as others change it. Absent: it is seen when the kubelet writes its status. */
  readonly node?: NodeSource;
  /** ConfigMaps, Secrets and Services that pods refer to; may be shared by hollow nodes of one process. */
  readonly objects: ObjectSource;
  readonly events: EventRecorder;
  readonly runtime: CriRuntime;
  /**
   * Tells when containers of a pod changed without a call of ours. With it the kubelet does not poll the runtime (hollow); without it, it
   * lists the runtime's containers every second.
   */
  readonly runtimeChanges?: (listener: (podUid: string) => void) => () => void;
  readonly environment: PodEnvironment;
  /** Absent: containers are ready as soon as they run (hollow). */
  readonly probes?: (context: ProbeContext) => ProbeManager;
  readonly machine: MachineInfo;
  /** What the machine's state is, for eviction and the collection of images. Absent (hollow): neither happens. */
  readonly pressure?: NodePressure;
  /** Keeps the groups above those of pods. Absent (hollow): there are none. */
  readonly nodeCgroups?: { run(signal: AbortSignal): Promise<void> };
  /** Images of sandboxes: never collected. */
  readonly sandboxImages?: readonly string[];
  /** Pods of manifests on this machine, and the API's pods with mirrors (`pods` has none). */
  readonly staticPods?: { readonly feed: StaticPodFeed; readonly api: PodSource };
  /** Primary first; at most one per family. */
  readonly nodeIPs: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly config: KubeletConfig;
  /** `v1.36.x`. */
  readonly version: string;
}

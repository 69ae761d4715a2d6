/**
 * Surroundings of pods on a real machine: folders, volumes, cgroups, files.
 *
 *   <root>/pods/<uid>/etc-hosts                          /etc/hosts of all containers
 *   <root>/pods/<uid>/volumes/<plugin>/<name>            volumes
 *   <root>/pods/<uid>/containers/<name>/<restart count>  termination message file
 *   <podLogsDir>/<namespace>_<name>_<uid>/<container>/<restart count>.log
 *   /kubepods[/burstable|/besteffort]/pod<uid>           cgroup
 */
import { chmod, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Pod } from '../api/types/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Cgroups } from '../host/cgroups.ts';
import { errorCode } from '../host/host-error.ts';
import { openInside } from '../host/inside-folder.ts';
import type { Mounts } from '../host/mounts.ts';
import type { Mount } from '../runtime/cri-types.ts';
import type { KubeletConfig } from './config.ts';
import { podCgroupPath, podLimits } from './containers/pod-cgroup.ts';
import type { RuntimeContainer } from './containers/runtime-status.ts';
import { EnvironmentError, type PodEnvironment } from './environment.ts';
import type { ObjectSource } from './object-source.ts';
import { hostsFile, podDns, podHostname } from './pods/dns.ts';
import { isHostNetwork, podUid } from './pods/pod-info.ts';
import { createUserNamespaces } from './pods/user-namespaces.ts';
import { parseLine } from './server/container-log.ts';
import { containerMounts } from './volumes/container-mounts.ts';
import type { TokenManager } from './volumes/token-manager.ts';
import { createVolumes, podFolder } from './volumes/volumes.ts';

export interface HostEnvironmentOptions {
  /** The kubelet's folder, e.g. `<data dir>/kubelet`. */
  readonly root: string;
  readonly podLogsDir: string;
  readonly mounts: Mounts;
  /** Absent: pods get no cgroups of their own and the runtime puts containers where it likes. */
  readonly cgroups: Cgroups | undefined;
  /** The groups above those of pods. */
  readonly nodeCgroups?: { update(): Promise<void> } | undefined;
  readonly objects: ObjectSource;
  readonly tokens: TokenManager;
  readonly config: KubeletConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  readonly nodeIPs: readonly string[];
  allocatable(): Readonly<Record<string, string>>;
  /** Whether the runtime's handler makes user namespaces; undefined when it is not known. */
  userNamespaces?(handler: string): boolean | undefined;
  /** Whether the pod's runtime handler can make mounts read-only recursively. */
  recursiveReadOnly?(pod: Pod): boolean;
}

/** Source: pkg/kubelet/kubelet_pods.go. */
const hostsPath = '/etc/hosts';
/** Longest termination message that is kept. */
const messageMaxBytes = 4096;
const messageMaxLines = 80;
/** Of a message that is taken from the log. */
const logMessageMaxBytes = 2048;

export function createHostEnvironment(options: HostEnvironmentOptions): PodEnvironment {
  const { root, podLogsDir, cgroups, config, clock, nodeIPs, nodeName, objects, tokens } = options;
  const volumes = createVolumes({ root, mounts: options.mounts, clock });
  const users = createUserNamespaces({
    podsFolder: join(root, 'pods'),
    maxPods: config.maxPods,
    idsPerPod: config.userNamespaceIDsPerPod,
    supported: options.userNamespaces ?? (() => undefined),
  });
  const content = (pod: Pod, fresh: boolean) => ({
    objects,
    tokens,
    nodeName,
    nodeIPs,
    podIPs: pod.status?.podIPs?.map(({ ip }) => ip ?? '') ?? [],
    allocatable: options.allocatable(),
    fresh,
  });
  const logFolder = (namespace: string, name: string, uid: string): string =>
    join(podLogsDir, `${namespace}_${name}_${uid}`);
  const setUp = async (pod: Pod, fresh: boolean): Promise<void> => {
    try {
      await volumes.setUp(pod, content(pod, fresh));
    } catch (error) {
      if (error instanceof EnvironmentError) throw error;
      throw new EnvironmentError(
        'FailedMount',
        `MountVolume.SetUp failed: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  };

  return {
    async prepare(pod) {
      const folder = podFolder(root, podUid(pod));
      await mkdir(join(folder, 'volumes'), { recursive: true, mode: 0o750 });
      await mkdir(join(folder, 'containers'), { recursive: true, mode: 0o750 });
      if (cgroups)
        try {
          await options.nodeCgroups?.update();
          await cgroups.ensure(podCgroupPath(pod, config.cgroupRoot), podLimits(pod, config));
        } catch (cause) {
          throw new EnvironmentError(
            'FailedCreatePodContainer',
            `unable to ensure pod container exists: ${cause instanceof Error ? cause.message : String(cause)}`,
            { cause },
          );
        }
      await setUp(pod, true);
    },
    refresh: (pod) => setUp(pod, false),
    async resize(pod, { lifted }) {
      const limits = podLimits(pod, config);
      await cgroups?.ensure(
        podCgroupPath(pod, config.cgroupRoot),
        lifted ? { ...limits, cpuQuota: undefined, memoryBytes: undefined } : limits,
      );
    },

    async sandbox(pod, handler) {
      const userNamespace = pod.spec?.hostUsers === false ? await users.of(podUid(pod), handler) : undefined;
      const { name = '', namespace = '' } = pod.metadata;
      const logDirectory = logFolder(namespace, name, podUid(pod));
      await mkdir(logDirectory, { recursive: true, mode: 0o755 });
      return {
        hostname: podHostname(pod, config.clusterDomain).hostname,
        logDirectory,
        ...(userNamespace ? { userNamespace } : {}),
        cgroupParent: cgroups ? podCgroupPath(pod, config.cgroupRoot) : '',
        dns: podDns(pod, {
          clusterDNS: config.clusterDNS,
          clusterDomain: config.clusterDomain,
          hostResolvConf: await readIfAny(config.resolvConf),
        }),
      };
    },

    async container(pod, container, { podIPs, restartCount, env, volumeImages }) {
      const folder = podFolder(root, podUid(pod));
      const { name = '', namespace = '' } = pod.metadata;
      await mkdir(join(logFolder(namespace, name, podUid(pod)), container.name), { recursive: true, mode: 0o755 });
      const mounts: Mount[] = [];
      mounts.push(
        ...(await containerMounts(pod, container, {
          volumes,
          mounts: options.mounts,
          podFolder: folder,
          env,
          volumeImages,
          recursiveReadOnly: options.recursiveReadOnly?.(pod) ?? false,
        })),
      );
      if (!(container.volumeMounts ?? []).some((mount) => mount.mountPath === hostsPath)) {
        const path = join(folder, 'etc-hosts');
        const hostFile = isHostNetwork(pod) ? await readIfAny(hostsPath) : '';
        await writeFile(path, hostsFile(pod, { podIPs, clusterDomain: config.clusterDomain, hostFile }), {
          mode: 0o644,
        });
        await chmod(path, 0o644);
        mounts.push({ containerPath: hostsPath, hostPath: path, readonly: false });
      }
      if (container.terminationMessagePath) {
        const path = join(folder, 'containers', container.name, String(restartCount));
        await mkdir(dirname(path), { recursive: true, mode: 0o750 });
        await writeFile(path, '', { mode: 0o666 });
        await chmod(path, 0o666);
        mounts.push({ containerPath: container.terminationMessagePath, hostPath: path, readonly: false });
      }
      return { mounts };
    },

    async volumeFile(pod, volume, path) {
      const opened = await openInside((await volumes.path(pod, volume)).path, path);
      try {
        return await readFile(opened.path, 'utf8');
      } finally {
        await opened.close();
      }
    },

    async startsLogged(pod, container) {
      const { name = '', namespace = '' } = pod.metadata;
      const logs = await namesIn(join(logFolder(namespace, name, podUid(pod)), container));
      const counts = logs.flatMap((file) => (/^\d+\.log/.test(file) ? [Number.parseInt(file, 10)] : []));
      return counts.length === 0 ? undefined : Math.max(...counts) + 1;
    },

    async terminationMessage(container) {
      const path = container.mounts.find((mount) => mount.containerPath === container.terminationMessagePath)?.hostPath;
      if (container.terminationMessagePath !== '' && path) {
        const text = await readHead(path, messageMaxBytes);
        if (text) return text;
      }
      if (
        container.terminationMessagePolicy === 'FallbackToLogsOnError' &&
        (container.exitCode !== 0 || container.reason === 'OOMKilled')
      )
        return logTail(container);
      return undefined;
    },

    async release(uid) {
      await volumes.tearDown(uid);
      tokens.forget(uid);
      users.release(uid);
      if (!cgroups) return;
      for (const group of ['', '/burstable', '/besteffort'])
        await cgroups.remove(join(config.cgroupRoot, `/kubepods${group}/pod${uid}`));
    },
    removeLogs: ({ namespace, name, uid }) => rm(logFolder(namespace, name, uid), { recursive: true, force: true }),
    async removeLog(logPath) {
      if (!logPath.startsWith(`${podLogsDir}/`)) return;
      await rm(logPath, { force: true });
      // And what was rotated away from it.
      for (const name of await namesIn(dirname(logPath)))
        if (name.startsWith(`${basename(logPath)}.`)) await rm(join(dirname(logPath), name), { force: true });
    },
    present: () => namesIn(join(root, 'pods')),
    async withLogs() {
      const found: { namespace: string; name: string; uid: string }[] = [];
      for (const folder of await namesIn(podLogsDir)) {
        const [namespace, name, uid, ...more] = folder.split('_');
        if (namespace && name && uid && more.length === 0) found.push({ namespace, name, uid });
      }
      return found;
    },
  };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function readIfAny(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

/** The last part of a file when it is longer, as upstream's tail reader. */
async function readHead(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const buffer = Buffer.alloc(Math.min(size, maxBytes));
      await file.read(buffer, 0, buffer.length, Math.max(0, size - maxBytes));
      return buffer.toString();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The last lines of what the container printed, without the log's stamps. */
async function logTail(container: RuntimeContainer): Promise<string | undefined> {
  const text = await readHead(container.logPath, messageMaxBytes * 4);
  if (text === undefined) return undefined;
  // A block's first line may be torn: what is no log line is left out.
  const lines = text.split('\n').flatMap((line) => parseLine(Buffer.from(line)) ?? []);
  const tail = lines.slice(-messageMaxLines).map((line) => `${line.text.toString()}${line.partial ? '' : '\n'}`);
  return tail.join('').slice(-logMessageMaxBytes);
}

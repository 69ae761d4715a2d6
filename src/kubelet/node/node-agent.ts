/**
 * Registers the node and keeps telling the cluster that it lives: a Lease renewed every quarter of its duration, a status looked at every ten
 * seconds and written when it changed or every five minutes.
 */
import { isAlreadyExists, isConflict, isNotFound } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Lease } from '../../api/types/coordination-v1.ts';
import type { ContainerImage, Node, NodeStatus } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { CriRuntime } from '../../runtime/cri.ts';
import type { RuntimeFeatures, RuntimeHandler } from '../../runtime/cri-types.ts';
import type { KubeletConfig } from '../config.ts';
import { compareVersions } from '../pods/status-manager.ts';
import { type NodeFacts, newNode, nodeLabels, nodeStatus, nodeStatusChanged } from './node-status.ts';

export interface NodeAgentOptions {
  readonly client: Client;
  readonly runtime: CriRuntime;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: KubeletConfig;
  readonly facts: Omit<
    NodeFacts,
    'runtimeVersion' | 'images' | 'problem' | 'nowMs' | 'pressure' | 'runtimeHandlers' | 'runtimeFeatures'
  >;
  /** Fraction in [0, 1): spreads many nodes of one process. */
  jitter(): number;
  /** The network came up, or the node's record changed in a way that pods care about. */
  onChange(): void;
  /** Memory, disk or processes are scarce. */
  pressure?(): NodeFacts['pressure'];
  /** Events tell that the kubelet starts, and what it finds. Thousands of hollow nodes need not. */
  readonly tellStart?: boolean;
  /** The node is being shut down, in upstream's words; pods are refused then. */
  shutdown?(): string | undefined;
}

export interface NodeAgent {
  /** Something that the status tells has changed: it is written soon. */
  report(): void;
  /** Registers (trying until it works), then runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** The node as last seen in the API. */
  node(): Node | undefined;
  /** A watch has seen the node. */
  observe(seen: Node): void;
  /** The node as the API has it now. @throws ApiError, TransportError */
  refresh(signal: AbortSignal): Promise<Node>;
  /** Why pods cannot get a network, undefined when they can. */
  networkProblem(): string | undefined;
  runtimeProblem(): string | undefined;
}

const leaseNamespace = 'kube-node-lease';

export function createNodeAgent(options: NodeAgentOptions): NodeAgent {
  const { client, runtime, clock, log, config, facts, events } = options;
  const nodes = client.resource(resources.nodes);
  const leases = client.resource(resources.leases);
  const name = facts.nodeName;
  let node: Node | undefined;
  let lease: Lease | undefined;
  let runtimeVersion = '';
  let runtimeProblem: string | undefined = 'container runtime status check may not have completed yet';
  let networkProblem: string | undefined = runtimeProblem;
  let reportedAtMs = Number.NEGATIVE_INFINITY;
  let images: readonly ContainerImage[] = [];
  let imagesAtMs = Number.NEGATIVE_INFINITY;
  let podCidr = '';
  let runtimeHandlers: readonly RuntimeHandler[] = [];
  let runtimeFeatures: RuntimeFeatures | undefined;

  const currentFacts = (): NodeFacts => ({
    ...facts,
    runtimeVersion,
    images,
    runtimeHandlers,
    runtimeFeatures,
    problem: runtimeProblem ?? networkProblem ?? options.shutdown?.(),
    pressure: options.pressure?.() ?? { memory: false, disk: false, pids: false },
    nowMs: clock.now(),
  });

  const askRuntime = async (signal: AbortSignal): Promise<void> => {
    const call = { signal, timeoutMs: config.runtimeRequestTimeoutMs };
    const wasUp = runtimeProblem === undefined && networkProblem === undefined;
    try {
      if (runtimeVersion === '') {
        const version = await runtime.version({}, call);
        runtimeVersion = `${version.runtimeName}://${plainVersion(version.runtimeVersion)}`;
      }
      const { status, runtimeHandlers: handlers, features } = await runtime.status({}, call);
      runtimeHandlers = handlers;
      runtimeFeatures = features;
      const condition = (type: string): string | undefined => {
        const found = status?.conditions.find((c) => c.type === type);
        if (found?.status) return undefined;
        return `container runtime ${type === 'NetworkReady' ? 'network not ready' : 'not ready'}: ${type}=${found?.status ?? false} reason:${found?.reason ?? ''} message:${found?.message ?? ''}`;
      };
      runtimeProblem = condition('RuntimeReady');
      networkProblem = condition('NetworkReady');
    } catch (error) {
      if (signal.aborted) return;
      if (runtimeProblem === undefined) log.warn('Container runtime does not answer', { node: name, error });
      runtimeProblem = `container runtime is down: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (!wasUp && runtimeProblem === undefined && networkProblem === undefined) options.onChange();
    if (clock.monotonic() - imagesAtMs > 60_000 && runtimeProblem === undefined) {
      imagesAtMs = clock.monotonic();
      try {
        const list = await runtime.listImages({}, call);
        images = [...list.images]
          .sort((a, b) => b.size - a.size)
          .slice(0, config.nodeStatusMaxImages < 0 ? undefined : config.nodeStatusMaxImages)
          .map((image) => ({ names: [...image.repoDigests, ...image.repoTags], sizeBytes: image.size }));
      } catch (error) {
        log.warn('Cannot list images', { node: name, error });
      }
    }
  };

  /** What the API has becomes what we know; a pod CIDR is passed on to the runtime. */
  const saw = async (seen: Node, signal: AbortSignal): Promise<void> => {
    node = seen;
    const cidr = (seen.spec?.podCIDRs ?? (seen.spec?.podCIDR ? [seen.spec.podCIDR] : [])).join(',');
    if (cidr === '' || cidr === podCidr) return;
    try {
      await runtime.updateRuntimeConfig(
        { runtimeConfig: { networkConfig: { podCidr: cidr } } },
        { signal, timeoutMs: config.runtimeRequestTimeoutMs },
      );
      podCidr = cidr;
    } catch (error) {
      log.warn('Cannot give the pod CIDR to the container runtime', { node: name, cidr, error });
    }
  };

  const register = async (signal: AbortSignal): Promise<boolean> => {
    const wanted = newNode(currentFacts());
    try {
      await saw(await nodes.create(wanted, { signal }), signal);
      log.info('Successfully registered node', { node: name });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const existing = await nodes.get(name, { signal });
      const labels = nodeLabels(currentFacts());
      const missing = Object.keys(labels).filter((key) => existing.metadata.labels?.[key] !== labels[key]);
      const patched =
        missing.length === 0
          ? existing
          : await nodes.patch(
              name,
              {
                type: 'strategic',
                patch: { metadata: { labels: Object.fromEntries(missing.map((key) => [key, labels[key]!])) } },
              },
              { signal },
            );
      log.info('Node was previously registered', { node: name });
      await saw(patched, signal);
    }
    return true;
  };

  const updateStatus = async (signal: AbortSignal): Promise<void> => {
    // Other writers (pod CIDR, taints, attached volumes) are seen here; between reports the cached object serves.
    if (node === undefined || podCidr === '') await saw(await nodes.get(name, { signal }), signal);
    if (podCidr !== '' && networkProblem !== undefined) await askRuntime(signal);
    const next = nodeStatus(currentFacts(), node?.status);
    const due = clock.monotonic() - reportedAtMs >= config.nodeStatusReportFrequencyMs;
    if (!due && !nodeStatusChanged(node?.status, next)) return;
    const before = node?.status;
    const wasReady = before?.conditions?.find((c) => c.type === 'Ready')?.status;
    const updated = await nodes.patch(
      name,
      { type: 'strategic', patch: { status: withReplacedAddresses(next) } },
      { subresource: 'status', signal },
    );
    reportedAtMs = clock.monotonic();
    await saw(updated, signal);
    tellPressure(updated, before, next);
    const isReady = next.conditions?.find((c) => c.type === 'Ready')?.status;
    if (wasReady !== isReady)
      events.event(updated, {
        type: 'Normal',
        reason: isReady === 'True' ? 'NodeReady' : 'NodeNotReady',
        message: `Node ${name} status is now: ${isReady === 'True' ? 'NodeReady' : 'NodeNotReady'}`,
      });
  };

  /** What the kubelet finds when it starts is told as well. */
  let toldPressure = false;
  const tellPressure = (seen: Node, before: NodeStatus | undefined, now: NodeStatus): void => {
    for (const type of ['MemoryPressure', 'DiskPressure', 'PIDPressure']) {
      const of = (status: NodeStatus | undefined) => status?.conditions?.find((c) => c.type === type);
      const { status, reason = '' } = of(now) ?? {};
      if (toldPressure ? of(before)?.status === status : !options.tellStart) continue;
      // The condition's KubeletHasNoDiskPressure is the event's NodeHasNoDiskPressure.
      const what = reason.replace(/^Kubelet/, 'Node');
      events.event(seen, { type: 'Normal', reason: what, message: `Node ${name} status is now: ${what}` });
    }
    toldPressure = true;
  };

  const renewLease = async (signal: AbortSignal): Promise<void> => {
    const renewTime = microTime(clock.now());
    try {
      if (lease) {
        lease = await leases.update({ ...lease, spec: { ...lease.spec, renewTime } }, { signal });
        return;
      }
      const fresh: Lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: {
          name,
          namespace: leaseNamespace,
          ...(node
            ? { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: node.metadata.uid ?? '' }] }
            : {}),
        },
        spec: { holderIdentity: name, leaseDurationSeconds: config.nodeLeaseDurationSeconds, renewTime },
      };
      lease = await leases.create(fresh, { namespace: leaseNamespace, signal });
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error)) {
        const existing = await leases.get(name, { namespace: leaseNamespace, signal });
        lease = await leases.update(
          {
            ...existing,
            spec: {
              ...existing.spec,
              holderIdentity: name,
              leaseDurationSeconds: config.nodeLeaseDurationSeconds,
              renewTime,
            },
          },
          { signal },
        );
      } else {
        // Its namespace may not be there yet on a new cluster; it was deleted, or the server is away: the next round tries again.
        if (isNotFound(error)) lease = undefined;
        throw error;
      }
    }
  };

  /** End the pauses of all loops. */
  const wakers = new Set<() => void>();

  /** Runs `work` every `everyMs`, sooner again after a failure. */
  const loop = async (
    what: string,
    everyMs: () => number,
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> => {
    let failures = 0;
    // Nodes that started together part here: each waits a part of the first interval only.
    let part = options.jitter();
    while (!signal.aborted) {
      try {
        await work(signal);
        failures = 0;
        const woken = new AbortController();
        const wake = (): void => woken.abort();
        signal.addEventListener('abort', wake, { once: true });
        wakers.add(wake);
        await clock.sleep(everyMs() * part, woken.signal);
        wakers.delete(wake);
        signal.removeEventListener('abort', wake);
        part = 1;
      } catch (error) {
        if (signal.aborted) return;
        log.warn(what, { node: name, error });
        await clock.sleep(Math.min(200 * 2 ** failures++, 7000), signal);
      }
    }
  };

  return {
    node: () => node,
    observe(seen) {
      // Before the node is registered, what is there is an earlier life's; an older state may come after our own write's answer.
      if (node === undefined || isOlder(seen, node)) return;
      node = seen;
    },
    async refresh(signal) {
      const seen = await nodes.get(name, { signal });
      if (node === undefined || !isOlder(seen, node)) node = seen;
      return node;
    },
    networkProblem: () => runtimeProblem ?? networkProblem,
    runtimeProblem: () => runtimeProblem,
    report() {
      for (const wake of [...wakers]) wake();
    },
    async run(signal) {
      await askRuntime(signal);
      if (config.registerNode) {
        let delayMs = 100;
        while (!signal.aborted) {
          try {
            if (await register(signal)) break;
          } catch (error) {
            if (signal.aborted) return;
            log.warn('Unable to register node with API server', { node: name, error });
            await clock.sleep(delayMs, signal);
            delayMs = Math.min(delayMs * 2, 7000);
          }
        }
      }
      if (options.tellStart && node) {
        events.event(node, { type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' });
        tellPressure(node, undefined, nodeStatus(currentFacts(), node.status));
      }
      options.onChange();
      reportedAtMs = clock.monotonic();
      const leaseMs = (config.nodeLeaseDurationSeconds * 1000) / 4;
      await Promise.all([
        loop('Failed to update lease', () => leaseMs * (1 + 0.04 * options.jitter()), renewLease, signal),
        loop(
          'Error updating node status, will retry',
          // Until the network is ready the node is asked often: nothing can run before.
          () => ((runtimeProblem ?? networkProblem) === undefined ? config.nodeStatusUpdateFrequencyMs : 500),
          async (s) => {
            await askRuntime(s);
            await updateStatus(s);
          },
          signal,
        ),
      ]);
    },
  };
}

/** `addresses` merges by type in a strategic patch, which two addresses of one type do not survive: replace the list. */
function withReplacedAddresses(status: ReturnType<typeof nodeStatus>): JsonObject {
  return {
    ...(status as unknown as JsonObject),
    addresses: [...((status.addresses ?? []) as unknown as JsonObject[]), { $patch: 'replace' }],
  };
}

const isOlder = (seen: Node, known: Node): boolean =>
  seen.metadata.uid === known.metadata.uid &&
  compareVersions(seen.metadata.resourceVersion ?? '', known.metadata.resourceVersion ?? '') < 0;

/** As upstream tells versions: a semantic one whole, of any other only its numbers (`1.6.20~ds1` is `1.6.20`). */
export function plainVersion(text: string): string {
  const plain = text.replace(/^v/, '');
  if (/^\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?$/.test(plain)) return plain;
  return /^\d+(\.\d+)+/.exec(plain)?.[0] ?? plain;
}

/** RFC 3339 with microseconds. */
const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');

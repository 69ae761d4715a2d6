/**
 * What nodes and pods use now: scrapes each kubelet's `/metrics/resource` while somebody asks (every 15 s until five minutes after the last
 * question), never otherwise. Two looks make a rate; the first question waits a second for the second look. Source: metrics-server's scraper and storage.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { type NodePage, type Point, parsePage } from './page.ts';

export interface Usage {
  readonly cpuNanoCores: number;
  readonly memoryBytes: number;
  readonly atMs: number;
  readonly windowMs: number;
}

export interface ResourceCollector {
  /** Fresh enough numbers of these nodes. Nodes that do not answer are left out. */
  look(nodes: readonly string[], signal: AbortSignal): Promise<void>;
  node(name: string): Usage | undefined;
  /** Container name -> usage; undefined while nothing is known of the pod. */
  pod(namespace: string, name: string): ReadonlyMap<string, Usage> | undefined;
}

export interface ResourceCollectorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The page's text. @throws when the kubelet cannot be asked. */
  page(node: string, signal: AbortSignal): Promise<string>;
  nodes(): readonly string[];
  /** Ends the looks that go on after a question. */
  readonly signal: AbortSignal;
}

const everyMs = 15_000;
const goOnMs = 300_000;
const firstPauseMs = 1100;
const timeoutMs = 10_000;
/** So many kubelets are asked at once. */
const atOnce = 32;

interface Pair {
  readonly before: NodePage | undefined;
  readonly last: NodePage;
  readonly atMs: number;
}

export function createResourceCollector(options: ResourceCollectorOptions): ResourceCollector {
  const { clock, log } = options;
  const known = new Map<string, Pair>();
  let ofPod = new Map<string, string>();
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let going: Promise<void> | undefined;

  const scrapeOne = async (node: string): Promise<void> => {
    const limit = new AbortController();
    const timer = clock.timer(timeoutMs, () => limit.abort());
    const stop = (): void => limit.abort();
    options.signal.addEventListener('abort', stop, { once: true });
    try {
      const last = parsePage(await options.page(node, limit.signal));
      const before = known.get(node);
      // A page that the kubelet had ready already says nothing new.
      if (before && before.last.node?.atMs === last.node?.atMs && last.node !== undefined) return;
      known.set(node, { before: before?.last, last, atMs: clock.monotonic() });
    } catch (error) {
      if (!options.signal.aborted) log.debug('Cannot ask a kubelet what is used', { node, error });
    } finally {
      timer.cancel();
      options.signal.removeEventListener('abort', stop);
    }
  };
  const scrape = async (nodes: readonly string[]): Promise<void> => {
    const queue = [...nodes];
    await Promise.all(
      Array.from({ length: Math.min(atOnce, queue.length) }, async () => {
        for (let node = queue.pop(); node !== undefined; node = queue.pop()) await scrapeOne(node);
      }),
    );
    const present = new Set(options.nodes());
    const index = new Map<string, string>();
    for (const [node, { last }] of known) {
      if (!present.has(node) || clock.monotonic() - known.get(node)!.atMs > goOnMs) known.delete(node);
      else for (const pod of last.pods.keys()) index.set(pod, node);
    }
    ofPod = index;
  };
  const stale = (node: string): boolean => {
    const pair = known.get(node);
    return pair === undefined || pair.before === undefined || clock.monotonic() - pair.atMs > 2 * everyMs;
  };
  const goOn = async (): Promise<void> => {
    while (!options.signal.aborted && clock.monotonic() - askedAtMs < goOnMs) {
      await clock.sleep(everyMs, options.signal);
      if (!options.signal.aborted) await scrape(options.nodes());
    }
  };

  return {
    async look(nodes, signal) {
      askedAtMs = clock.monotonic();
      const wanted = nodes.filter(stale);
      if (wanted.length > 0) {
        // An old look would make the rate of a long time ago.
        for (const node of wanted) known.delete(node);
        await scrape(wanted);
        await clock.sleep(firstPauseMs, signal);
        if (signal.aborted) return;
        await scrape(wanted);
      }
      going ??= goOn().finally(() => {
        going = undefined;
      });
    },
    node(name) {
      const pair = known.get(name);
      return pair && usage(pair.before?.node, pair.last.node);
    },
    pod(namespace, name) {
      const key = `${namespace}/${name}`;
      const pair = known.get(ofPod.get(key) ?? '');
      const points = pair?.last.pods.get(key);
      if (!pair || !points) return undefined;
      const result = new Map<string, Usage>();
      for (const [container, point] of points) {
        const own = usage(pair.before?.pods.get(key)?.get(container), point);
        if (!own) return undefined;
        result.set(container, own);
      }
      return result;
    },
  };
}

/** undefined for the first look, and for a counter that began anew. */
function usage(before: Point | undefined, last: Point | undefined): Usage | undefined {
  if (!before || !last) return undefined;
  const windowMs = last.atMs - before.atMs;
  if (windowMs <= 0 || last.cpuSeconds < before.cpuSeconds) return undefined;
  return {
    cpuNanoCores: Math.round(((last.cpuSeconds - before.cpuSeconds) * 1e12) / windowMs),
    memoryBytes: last.memoryBytes,
    atMs: last.atMs,
    windowMs,
  };
}

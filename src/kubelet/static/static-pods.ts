/**
 * Pods of manifests on the machine itself: a folder of files, or a URL. They run without an API server; the API shows a mirror of each.
 * Source: pkg/kubelet/config/{file,http,common}.go.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { JsonObject } from '../../api/json.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { errorCode } from '../../host/host-error.ts';
import type { PodHandler } from '../pod-source.ts';
import { podUid } from '../pods/pod-info.ts';

export interface StaticPodFeed {
  list(): readonly Pod[];
  get(namespace: string, name: string): Pod | undefined;
  /** The handler is told about each pod already there first. @returns stops it. */
  subscribe(handler: PodHandler): () => void;
  /** Looks again and again until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** One look; for tests. */
  look(signal: AbortSignal): Promise<void>;
}

export interface StaticPodOptions {
  readonly nodeName: string;
  readonly path: string;
  readonly url: string;
  readonly urlHeader: Readonly<Record<string, readonly string[]>>;
  readonly fileCheckFrequencyMs: number;
  readonly httpCheckFrequencyMs: number;
  /** Defaults as the API server sets them; @throws with what is wrong with the pod. */
  complete(pod: JsonObject): JsonObject;
  readonly clock: Clock;
  readonly log: Logger;
}

export const annotations = {
  source: 'kubernetes.io/config.source',
  hash: 'kubernetes.io/config.hash',
  seen: 'kubernetes.io/config.seen',
  mirror: 'kubernetes.io/config.mirror',
} as const;

export const isMirrorPod = (pod: Pod): boolean => pod.metadata.annotations?.[annotations.mirror] !== undefined;
export const isStaticPod = (pod: Pod): boolean => {
  const source = pod.metadata.annotations?.[annotations.source];
  return source !== undefined && source !== 'api' && !isMirrorPod(pod);
};

export function createStaticPodFeed(options: StaticPodOptions): StaticPodFeed {
  const { clock, log, nodeName } = options;
  let pods = new Map<string, Pod>();
  const handlers = new Set<PodHandler>();
  const complaints = new Map<string, string>();

  const complain = (where: string, error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error);
    if (complaints.get(where) === text) return;
    complaints.set(where, text);
    log.error("Can't process a manifest", { where, error });
  };

  const made = (document: unknown, source: 'file' | 'http', where: string): Pod => {
    if (typeof document !== 'object' || document === null || (document as JsonObject).kind !== 'Pod')
      throw new Error(`couldn't parse as pod: it is no object of kind Pod`);
    const raw = document as JsonObject & { metadata?: JsonObject; spec?: JsonObject };
    const uid = createHash('md5')
      .update(`${source === 'file' ? `host:${nodeName}file:${where}` : `url:${where}`}${JSON.stringify(raw)}`)
      .digest('hex');
    const id = raw.metadata?.uid ?? uid;
    const own = (raw.metadata?.annotations ?? {}) as JsonObject;
    const tolerations = [
      ...((raw.spec?.tolerations as JsonObject[] | undefined) ?? []),
      { operator: 'Exists', effect: 'NoExecute' },
    ];
    const pod = options.complete({
      ...raw,
      apiVersion: 'v1',
      metadata: {
        ...raw.metadata,
        name: `${String(raw.metadata?.name ?? '')}-${nodeName.toLowerCase()}`,
        namespace: raw.metadata?.namespace ?? 'default',
        uid: id,
        annotations: {
          ...own,
          [annotations.hash]: id,
          [annotations.source]: source,
          [annotations.seen]:
            pods.get(String(id))?.metadata.annotations?.[annotations.seen] ?? new Date(clock.now()).toISOString(),
        },
      },
      spec: { ...raw.spec, nodeName, tolerations },
      status: { phase: 'Pending' },
    } as JsonObject) as unknown as Pod;
    return Object.freeze(pod);
  };

  const fromPath = async (): Promise<Pod[]> => {
    const found: Pod[] = [];
    const add = async (path: string): Promise<void> => {
      try {
        found.push(made(parse(await readFile(path, 'utf8')), 'file', path));
        complaints.delete(path);
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') complain(path, error);
      }
    };
    try {
      if (!(await stat(options.path)).isDirectory()) await add(options.path);
      else
        for (const entry of (await readdir(options.path, { withFileTypes: true })).sort((a, b) =>
          a.name < b.name ? -1 : 1,
        ))
          if (!entry.name.startsWith('.') && !entry.isDirectory()) await add(join(options.path, entry.name));
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    return found;
  };

  const fromUrl = async (signal: AbortSignal): Promise<Pod[]> => {
    const text = await download(options.url, options.urlHeader, signal);
    const document = parse(text) as JsonObject | null;
    const items = document?.kind === 'PodList' ? ((document.items as JsonObject[] | undefined) ?? []) : [document];
    return items.map((item) => made(item && { kind: 'Pod', ...item }, 'http', options.url));
  };

  let ofPath: readonly Pod[] = [];
  let ofUrl: readonly Pod[] = [];
  const settle = (): void => {
    const next = new Map<string, Pod>();
    for (const pod of [...ofPath, ...ofUrl]) next.set(podUid(pod), pod);
    const before = pods;
    pods = next;
    for (const [uid, pod] of before) if (!next.has(uid)) for (const handler of handlers) handler.onGone(pod);
    for (const [uid, pod] of next) if (!before.has(uid)) for (const handler of handlers) handler.onPod(pod);
  };

  const loop = async (everyMs: number, look: () => Promise<void>, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      try {
        await look();
      } catch (error) {
        if (!signal.aborted) complain('static pods', error);
      }
      await clock.sleep(everyMs, signal);
    }
  };
  const lookAtPath = async (): Promise<void> => {
    ofPath = await fromPath();
    settle();
  };
  const lookAtUrl = async (signal: AbortSignal): Promise<void> => {
    ofUrl = await fromUrl(signal);
    settle();
  };

  return {
    list: () => [...pods.values()],
    get: (namespace, name) =>
      [...pods.values()].find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
    subscribe(handler) {
      handlers.add(handler);
      for (const pod of pods.values()) handler.onPod(pod);
      return () => handlers.delete(handler);
    },
    async look(signal) {
      if (options.path !== '') await lookAtPath();
      if (options.url !== '') await lookAtUrl(signal);
    },
    async run(signal) {
      await Promise.all([
        ...(options.path === '' ? [] : [loop(options.fileCheckFrequencyMs, lookAtPath, signal)]),
        ...(options.url === '' ? [] : [loop(options.httpCheckFrequencyMs, () => lookAtUrl(signal), signal)]),
      ]);
    },
  };
}

function download(
  url: string,
  headers: Readonly<Record<string, readonly string[]>>,
  signal: AbortSignal,
): Promise<string> {
  const get = url.startsWith('https:') ? httpsGet : httpGet;
  return new Promise((resolve, reject) => {
    const sent = Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, [...values]]));
    const request = get(url, { headers: sent, signal, timeout: 10_000 }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (answer.statusCode !== 200) reject(new Error(`${url}: ${answer.statusCode} ${answer.statusMessage}`));
        else if (text === '') reject(new Error(`zero-length data received from ${url}`));
        else resolve(text);
      });
    });
    request.on('timeout', () => request.destroy(new Error(`${url}: no answer within 10 s`)));
    request.on('error', reject);
  });
}

/**
 * Removes images that nobody uses: when their disk is fuller than the high threshold down to the low one, the longest unused first; and, with a
 * maximum age, those unused for longer. Source: pkg/kubelet/images/image_gc_manager.go.
 */
import type { Node } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { CriRuntime } from '../../runtime/cri.ts';
import type { Image } from '../../runtime/cri-types.ts';

export interface ImageCollectorOptions {
  readonly runtime: CriRuntime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: EventRecorder;
  readonly timeoutMs: number;
  readonly highPercent: number;
  readonly lowPercent: number;
  readonly minAgeMs: number;
  /** 0: no image is too old. */
  readonly maxAgeMs: number;
  /** Of sandboxes: a runtime that does not pin it would lose it. */
  readonly keep: readonly string[];
  imageFs(): Promise<{ readonly availableBytes: number; readonly capacityBytes: number } | undefined>;
  node(): Node | undefined;
}

export interface ImageCollector {
  /** By the thresholds. */
  collect(signal: AbortSignal): Promise<void>;
  /** Everything that is unused, however much room there is: the disk is under pressure. */
  collectAll(signal: AbortSignal): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
}

const everyMs = 300_000;

export function createImageCollector(options: ImageCollectorOptions): ImageCollector {
  const { runtime, clock, log, events, timeoutMs } = options;
  const seen = new Map<string, { readonly firstMs: number; usedMs: number }>();

  /** @returns unused images, the longest unused first. */
  const unused = async (signal: AbortSignal): Promise<Image[]> => {
    const call = { signal, timeoutMs };
    const [{ images }, { containers }] = await Promise.all([
      runtime.listImages({}, call),
      runtime.listContainers({}, call),
    ]);
    const inUse = new Set<string>();
    for (const { imageRef, imageId, image } of containers)
      for (const id of [imageRef, imageId, image?.image]) if (id) inUse.add(id);
    const now = clock.monotonic();
    const present = new Set<string>();
    const free: Image[] = [];
    for (const image of images) {
      present.add(image.id);
      let record = seen.get(image.id);
      if (!record) seen.set(image.id, (record = { firstMs: now, usedMs: now }));
      const names = [image.id, ...image.repoTags, ...image.repoDigests];
      if (names.some((name) => inUse.has(name))) record.usedMs = now;
      else if (!image.pinned && !names.some((name) => options.keep.includes(name))) free.push(image);
    }
    for (const id of seen.keys()) if (!present.has(id)) seen.delete(id);
    return free.sort((a, b) => {
      const left = seen.get(a.id)!;
      const right = seen.get(b.id)!;
      return left.usedMs - right.usedMs || left.firstMs - right.firstMs;
    });
  };

  /** @returns bytes that were freed. */
  const free = async (
    images: readonly Image[],
    wanted: number,
    minAgeMs: number,
    signal: AbortSignal,
  ): Promise<number> => {
    let freed = 0;
    for (const image of images) {
      if (freed >= wanted || signal.aborted) break;
      if (clock.monotonic() - seen.get(image.id)!.firstMs < minAgeMs) continue;
      try {
        await runtime.removeImage({ image: { image: image.id } }, { signal, timeoutMs });
        freed += image.size;
        log.info('Removed an image that nobody uses', { image: image.repoTags[0] ?? image.id, bytes: image.size });
      } catch (error) {
        log.warn('Cannot remove an image', { image: image.id, error });
      }
    }
    return freed;
  };

  const warn = (reason: string, message: string): void => {
    const node = options.node();
    if (node) events.event(node, { type: 'Warning', reason, message });
  };

  const collector: ImageCollector = {
    async collect(signal) {
      const images = await unused(signal);
      if (options.maxAgeMs > 0) {
        const old = images.filter(({ id }) => clock.monotonic() - seen.get(id)!.usedMs > options.maxAgeMs);
        await free(old, Number.POSITIVE_INFINITY, 0, signal);
      }
      const fs = await options.imageFs();
      if (!fs) return;
      if (fs.capacityBytes === 0) {
        warn('InvalidDiskCapacity', 'invalid capacity 0 on image filesystem');
        return;
      }
      const usedPercent = 100 - Math.floor((fs.availableBytes * 100) / fs.capacityBytes);
      if (usedPercent < options.highPercent) return;
      const wanted = Math.floor((fs.capacityBytes * (100 - options.lowPercent)) / 100) - fs.availableBytes;
      const freed = await free(images, wanted, options.minAgeMs, signal);
      if (freed < wanted)
        warn(
          'FreeDiskSpaceFailed',
          `Failed to garbage collect required amount of images. Attempted to free ${wanted} bytes, but only found ${freed} bytes eligible to free.`,
        );
    },
    async collectAll(signal) {
      await free(await unused(signal), Number.POSITIVE_INFINITY, 0, signal);
    },
    async run(signal) {
      while (!signal.aborted) {
        try {
          await collector.collect(signal);
        } catch (error) {
          if (signal.aborted) return;
          log.error('Image garbage collection failed', { error });
          warn('ImageGCFailed', error instanceof Error ? error.message : String(error));
        }
        await clock.sleep(everyMs, signal);
      }
    },
  };
  return collector;
}

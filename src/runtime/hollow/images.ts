/** Images of a hollow runtime: names with made-up digests that depend on the name only. */
import type { Image } from '../cri-types.ts';

export interface HollowImages {
  /** By tag (short or full), digest or id. */
  find(name: string): Image | undefined;
  /** As if it had been pulled. */
  add(name: string): Image;
  remove(name: string): void;
  list(): Image[];
}

/** @param preloaded names that are there from the start. */
export function createHollowImages(preloaded: readonly string[]): HollowImages {
  const byTag = new Map<string, Image>();
  const images: HollowImages = {
    find(name) {
      const direct = byTag.get(taggedImage(name));
      if (direct) return direct;
      for (const image of byTag.values()) if (image.id === name || image.repoDigests.includes(name)) return image;
      return undefined;
    },
    add(name) {
      const tag = taggedImage(name);
      let image = byTag.get(tag);
      if (!image) {
        const digest = fakeDigest(tag);
        image = {
          id: `sha256:${digest}`,
          repoTags: tag.includes('@') ? [] : [tag],
          repoDigests: [tag.includes('@') ? tag : `${tag.slice(0, tag.lastIndexOf(':'))}@sha256:${digest}`],
          size: 10_000_000,
          username: '',
          pinned: false,
        };
        byTag.set(tag, image);
      }
      return image;
    },
    remove(name) {
      const known = images.find(name);
      if (known) for (const [tag, image] of byTag) if (image === known) byTag.delete(tag);
    },
    list: () => [...byTag.values()],
  };
  for (const name of preloaded) images.add(name);
  return images;
}

/** `nginx` -> `docker.io/library/nginx:latest`, as containerd names images. */
function taggedImage(name: string): string {
  const first = name.split('/')[0]!;
  const qualified =
    name.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost')
      ? name
      : name.includes('/')
        ? `docker.io/${name}`
        : `docker.io/library/${name}`;
  if (qualified.includes('@')) return qualified;
  return qualified.lastIndexOf(':') > qualified.lastIndexOf('/') ? qualified : `${qualified}:latest`;
}

/** 64 hex digits that depend on the name only. */
function fakeDigest(name: string): string {
  let out = '';
  for (let round = 0; round < 8; round++) {
    let hash = 2166136261 ^ round;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
    out += (hash >>> 0).toString(16).padStart(8, '0');
  }
  return out;
}

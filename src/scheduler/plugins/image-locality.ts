/** Prefers nodes that have the pod's big images already, less so when few nodes have them. Source: plugins/imagelocality. */
import type { Container } from '../../api/types/core-v1.ts';
import { maxNodeScore, type NodeScorer, type Plugin } from '../core/framework.ts';
import type { NodeInfo } from '../core/node-info.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { PluginName } from './names.ts';

const megabyte = 1024 * 1024;
const minThreshold = 23 * megabyte;
const maxContainerThreshold = 1000 * megabyte;

export function imageLocality(): Plugin {
  return {
    name: PluginName.imageLocality,
    events: [],
    preScore(pod, _, snapshot) {
      const spec = pod.pod.spec!;
      const containers = [...(spec.initContainers ?? []), ...spec.containers];
      const images = containers.map(imageNameOf);
      // The usual case on hollow and fresh nodes: nobody has any of them.
      if (images.every((image) => snapshot.nodesWithImage(image) === 0)) return 'skip';
      return new ImageScorer(images, containers.length, snapshot);
    },
  };
}

class ImageScorer implements NodeScorer {
  private readonly images: readonly string[];
  private readonly max: number;
  private readonly snapshot: Snapshot;
  constructor(images: readonly string[], containers: number, snapshot: Snapshot) {
    this.images = images;
    this.max = maxContainerThreshold * containers;
    this.snapshot = snapshot;
  }
  score(nodes: readonly NodeInfo[], scores: Float64Array): void {
    const total = this.snapshot.nodes.length;
    for (let i = 0; i < nodes.length; i++) {
      let bytes = 0;
      for (const image of this.images) {
        const size = nodes[i]!.images.get(image);
        if (size) bytes += Math.trunc((size * this.snapshot.nodesWithImage(image)) / total);
      }
      const clamped = Math.min(Math.max(bytes, minThreshold), this.max);
      scores[i] = Math.trunc((maxNodeScore * (clamped - minThreshold)) / (this.max - minThreshold));
    }
  }
}

/** Kubelets report names with a tag; a name without one means `latest`. */
function imageNameOf({ image = '' }: Container): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}

/** A pod learns the zone and region of its node with its binding. Source: KEP-4742, plugin/pkg/admission/podtopologylabels. */
import type { JsonObject } from '../../api/json.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionPlugin } from './admission.ts';
import { isFor } from './attributes.ts';

const topologyLabels = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'] as const;

interface Labelled {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
}

export function createPodTopologyLabels(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'PodTopologyLabels',
    handles: (operation) => operation === 'CREATE',
    admit(attributes) {
      const { object } = attributes;
      if (!object) return object;
      const node = isFor(attributes, '', 'pods', 'binding')
        ? boundTo(object)
        : isFor(attributes, '', 'pods')
          ? assignedTo(object)
          : undefined;
      return node === undefined || node === '' ? object : withLabels(object, labelsOfNode(node));
    },
  };

  /** A node that is not known (yet) gives none. */
  function labelsOfNode(name: string): Readonly<Record<string, string>> {
    const own = (reader.get('', 'nodes', '', name) as Labelled | undefined)?.metadata?.labels ?? {};
    return Object.fromEntries(topologyLabels.flatMap((key) => (Object.hasOwn(own, key) ? [[key, own[key]!]] : [])));
  }
}

function boundTo(binding: JsonObject): string | undefined {
  const target = binding.target as { readonly kind?: string; readonly name?: string } | undefined;
  return target?.kind === 'Node' ? target.name : undefined;
}
const assignedTo = (pod: JsonObject): string | undefined =>
  (pod.spec as { readonly nodeName?: string } | undefined)?.nodeName;

/** The node's word counts, whatever the pod said. */
function withLabels(object: JsonObject, labels: Readonly<Record<string, string>>): JsonObject {
  if (Object.keys(labels).length === 0) return object;
  const metadata = object.metadata as JsonObject | undefined;
  return Object.freeze({
    ...object,
    metadata: Object.freeze({
      ...metadata,
      labels: Object.freeze({ ...(metadata?.labels as JsonObject | undefined), ...labels }),
    }),
  });
}

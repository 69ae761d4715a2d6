/**
 * metrics.k8s.io/v1beta1 (`kubectl top`, HorizontalPodAutoscaler): NodeMetrics and PodMetrics made from the kubelets' numbers, served by the API
 * server itself, so a cluster has it without an add-on. Source of the shapes: staging/src/k8s.io/metrics, metrics-server's pkg/api.
 */
import { encode } from '../../api/codec/index.ts';
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import { matchLabels } from '../../api/selectors/label-selector.ts';
import { parseLabelSelector } from '../../api/selectors/parse-label-selector.ts';
import { formatDuration } from '../../api/time.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
import type { ApiExtension, RequestInfo } from '../../apiserver/index.ts';
import { binaryQuantity } from '../../kubelet/eviction/eviction-message.ts';
import type { ResourceCollector, Usage } from './collector.ts';

const group = 'metrics.k8s.io';
const version = 'v1beta1';
const apiVersion = `${group}/${version}`;

export interface ResourceMetricsOptions {
  readonly collector: ResourceCollector;
  /** From the API server's cache. */
  nodes(): readonly Node[];
  pods(namespace: string): readonly Pod[];
}

const kinds = [
  { resource: 'nodes', kind: 'NodeMetrics', namespaced: false },
  { resource: 'pods', kind: 'PodMetrics', namespaced: true },
] as const;
const verbs = ['get', 'list'];

const discovery: ApiExtension['discovery'] = {
  name: group,
  priority: 100,
  versions: [
    {
      version,
      freshness: 'Current',
      resources: kinds.map(({ resource, kind, namespaced }) => ({
        resource,
        responseKind: { group, version, kind },
        scope: namespaced ? 'Namespaced' : 'Cluster',
        singularResource: '',
        verbs,
      })),
    },
  ],
};
const documents: ApiExtension['documents'] = new Map([
  [
    `/apis/${apiVersion}`,
    {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: apiVersion,
      resources: kinds.map(({ resource, kind, namespaced }) => ({
        name: resource,
        singularName: '',
        namespaced,
        kind,
        verbs,
      })),
    },
  ],
]);

export function createResourceMetricsApi(options: ResourceMetricsOptions): ApiExtension {
  const { collector } = options;
  const nodeMetrics = ({ metadata }: Node): JsonObject | undefined => {
    const used = collector.node(metadata.name ?? '');
    return used && { ...head('NodeMetrics', metadata, used), usage: amounts([used]) };
  };
  const podMetrics = ({ metadata }: Pod): JsonObject | undefined => {
    const used = collector.pod(metadata.namespace ?? '', metadata.name ?? '');
    if (!used || used.size === 0) return undefined;
    const last = [...used.values()].reduce((a, b) => (a.atMs > b.atMs ? a : b));
    const containers = [...used].map(([name, own]) => ({ name, usage: amounts([own]) }));
    return { ...head('PodMetrics', metadata, last), containers };
  };
  return {
    discovery,
    documents,
    async handle(request, info) {
      if (info.subresource !== '' || (info.resource !== 'nodes' && info.resource !== 'pods'))
        throw ApiError.notFound({ group, resource: info.resource }, info.name);
      if (info.verb !== 'get' && info.verb !== 'list')
        throw new ApiError({
          code: 405,
          reason: 'MethodNotAllowed',
          message: `${info.verb} is not supported on resources of kind "${info.resource}.${group}"`,
        });
      const ofNodes = info.resource === 'nodes';
      const all: readonly (Node | Pod)[] = ofNodes ? options.nodes() : options.pods(info.namespace);
      const chosen = choose(all, request, info);
      if (info.verb === 'get' && chosen.length === 0)
        throw ApiError.notFound({ group, resource: info.resource }, info.name);
      const hosts = ofNodes
        ? chosen.map(({ metadata }) => metadata.name ?? '')
        : [...new Set(chosen.map((pod) => (pod as Pod).spec?.nodeName ?? '').filter((name) => name !== ''))];
      await collector.look(hosts, request.signal);
      const items: JsonObject[] = [];
      for (const object of chosen) {
        const item = ofNodes ? nodeMetrics(object as Node) : podMetrics(object as Pod);
        if (item) items.push(item);
      }
      if (info.verb === 'get') {
        // Known, and nothing measured yet.
        if (!items[0]) throw ApiError.notFound({ group, resource: info.resource }, info.name);
        return json(items[0]);
      }
      const kind = ofNodes ? 'NodeMetricsList' : 'PodMetricsList';
      return json({ kind, apiVersion, metadata: {}, items });
    },
  };
}

function choose(all: readonly (Node | Pod)[], request: ApiRequest, info: RequestInfo): readonly (Node | Pod)[] {
  if (info.verb === 'get') return all.filter(({ metadata }) => metadata.name === info.name);
  const query = new URLSearchParams(request.query);
  const selector = parseLabelSelector(query.get('labelSelector') ?? '');
  const name = /^metadata\.name={1,2}(.+)$/.exec(info.fieldSelector)?.[1];
  if (info.fieldSelector !== '' && name === undefined)
    throw ApiError.badRequest(`field label not supported: ${info.fieldSelector}`);
  return all.filter(
    (object) =>
      matchLabels(selector, object.metadata.labels) &&
      (name === undefined || object.metadata.name === name) &&
      // What ended uses nothing.
      !['Succeeded', 'Failed'].includes((object as Pod).status?.phase ?? ''),
  );
}

const head = (kind: string, metadata: Node['metadata'], { atMs, windowMs }: Usage): JsonObject => ({
  kind,
  apiVersion,
  metadata: {
    name: metadata.name ?? '',
    ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
    creationTimestamp: `${new Date(atMs).toISOString().slice(0, 19)}Z`,
    ...(metadata.labels ? { labels: metadata.labels } : {}),
  },
  timestamp: `${new Date(atMs).toISOString().slice(0, 19)}Z`,
  window: formatDuration(windowMs),
});

function amounts(used: readonly Usage[]): JsonObject {
  let cpu = 0;
  let memory = 0;
  for (const { cpuNanoCores, memoryBytes } of used) {
    cpu += cpuNanoCores;
    memory += memoryBytes;
  }
  return { cpu: cpu === 0 ? '0' : `${cpu}n`, memory: binaryQuantity(memory) };
}

const json = (value: JsonObject): ApiResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: { kind: 'bytes', bytes: encode(value) },
});

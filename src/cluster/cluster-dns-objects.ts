/**
 * What the API must hold for pods to find the cluster's DNS: the Service `kube-dns` at a known address, and slices that lead to the nodes whose
 * node process answers. Pure.
 */
import { isIPv4 } from 'node:net';
import type { Node, Service } from '../api/types/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../api/types/discovery-v1.ts';
import type { ClusterRole, ClusterRoleBinding } from '../api/types/rbac-v1.ts';

/** On a node whose node process answers DNS; its value is the port. */
export const clusterDnsLabel = 'node.bireme.dev/cluster-dns';
export const clusterDnsNamespace = 'kube-system';
/** Upstream's name: tools and tests look for it. */
export const clusterDnsName = 'kube-dns';
export const managedByLabel = 'app.kubernetes.io/managed-by';
export const manager = 'bireme';
export const sliceManagerLabel = 'endpointslice.kubernetes.io/managed-by';
export const sliceManager = 'cluster-dns.bireme.dev';
export const clusterDnsRole = 'bireme:cluster-dns';

/** As the endpoint slice controller's default. */
const endpointsPerSlice = 100;

const ports = Object.freeze([
  Object.freeze({ name: 'dns', port: 53, protocol: 'UDP' }),
  Object.freeze({ name: 'dns-tcp', port: 53, protocol: 'TCP' }),
]);

/** The tenth address of the Services' range, kubeadm's choice. @throws Error for what is no IPv4 range. */
export function clusterDnsAddress(serviceCidr: string): string {
  const [base = '', bits = ''] = serviceCidr.split('/');
  if (!isIPv4(base) || !/^\d+$/.test(bits) || Number(bits) > 28)
    throw new Error(
      `There is no address for the cluster DNS in "${serviceCidr}"; give an IPv4 range of at least 16 addresses`,
    );
  const value = base.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const address = value - (value % 2 ** (32 - Number(bits))) + 10;
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** Without a selector: the slices are ours, not the endpoint slice controller's. */
export function clusterDnsService(clusterIp: string): Service {
  return {
    metadata: {
      name: clusterDnsName,
      namespace: clusterDnsNamespace,
      labels: {
        'k8s-app': 'kube-dns',
        'kubernetes.io/cluster-service': 'true',
        'kubernetes.io/name': 'KubeDNS',
        [managedByLabel]: manager,
      },
      annotations: { 'prometheus.io/scrape': 'false' },
    },
    spec: { clusterIP: clusterIp, clusterIPs: [clusterIp], ports },
  };
}

/** Does the Service that is there do what ours would? Its address cannot change, so it is not looked at. */
export function isClusterDnsService(service: Service): boolean {
  const found = service.spec?.ports ?? [];
  return (
    service.spec?.selector === undefined &&
    found.length === ports.length &&
    ports.every((p, i) => found[i]!.name === p.name && found[i]!.port === p.port && found[i]!.protocol === p.protocol)
  );
}

/** A Service of that name that somebody else made, e.g. CoreDNS', is theirs. */
export function isOurs(service: Service): boolean {
  return service.metadata.labels?.[managedByLabel] === manager;
}

/** One slice for each port in use and hundred nodes; the same nodes give the same slices. A node that is not ready is not an endpoint. */
export function clusterDnsSlices(nodes: readonly Node[], service: Service): EndpointSlice[] {
  const byPort = new Map<number, Endpoint[]>();
  const sorted = [...nodes].sort((x, y) => ((x.metadata.name ?? '') < (y.metadata.name ?? '') ? -1 : 1));
  for (const node of sorted) {
    const port = Number(node.metadata.labels?.[clusterDnsLabel]);
    const address = node.status?.addresses?.find((a) => a.type === 'InternalIP' && isIPv4(a.address))?.address;
    // A machine without a network: pods cannot reach its loopback address.
    if (!Number.isInteger(port) || port < 1 || port > 65_535 || !address || address.startsWith('127.')) continue;
    const ready = node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
    const zone = node.metadata.labels?.['topology.kubernetes.io/zone'];
    const list = byPort.get(port) ?? [];
    list.push({
      addresses: [address],
      conditions: { ready, serving: ready, terminating: false },
      ...(node.metadata.name === undefined ? {} : { nodeName: node.metadata.name }),
      ...(zone === undefined ? {} : { zone }),
    });
    byPort.set(port, list);
  }
  const out: EndpointSlice[] = [];
  for (const [port, endpoints] of byPort)
    for (let from = 0; from < endpoints.length; from += endpointsPerSlice)
      out.push({
        metadata: {
          name: `${clusterDnsName}-${port}-${from / endpointsPerSlice}`,
          namespace: clusterDnsNamespace,
          labels: { 'kubernetes.io/service-name': clusterDnsName, [sliceManagerLabel]: sliceManager },
          ownerReferences: [
            {
              apiVersion: 'v1',
              kind: 'Service',
              name: clusterDnsName,
              uid: service.metadata.uid ?? '',
              controller: true,
            },
          ],
        },
        addressType: 'IPv4',
        endpoints: endpoints.slice(from, from + endpointsPerSlice),
        ports: [
          { name: 'dns', port, protocol: 'UDP' },
          { name: 'dns-tcp', port, protocol: 'TCP' },
        ],
      });
  return out;
}

/** What the nodes' DNS reads beyond what the proxy, whose identity and caches it shares, may read by upstream's roles. */
export const clusterDnsClusterRole: ClusterRole = Object.freeze({
  metadata: Object.freeze({ name: clusterDnsRole, labels: Object.freeze({ [managedByLabel]: manager }) }),
  rules: Object.freeze([
    Object.freeze({
      apiGroups: Object.freeze(['']),
      resources: Object.freeze(['namespaces']),
      verbs: Object.freeze(['list', 'watch']),
    }),
  ]),
});

export const clusterDnsBinding: ClusterRoleBinding = Object.freeze({
  metadata: Object.freeze({ name: clusterDnsRole, labels: Object.freeze({ [managedByLabel]: manager }) }),
  roleRef: Object.freeze({ apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: clusterDnsRole }),
  subjects: Object.freeze([
    Object.freeze({ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'system:kube-proxy' }),
  ]),
});

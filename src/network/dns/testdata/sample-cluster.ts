/** A cluster for DNS tests: informers that are filled by hand, and a client that asks and shows the reply as text. */
import type { KubeObject } from '../../../api/object.ts';
import type { Namespace, Service } from '../../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../../api/types/discovery-v1.ts';
import { createIndexedCache } from '../../../client/indexed-cache.ts';
import type { EventHandler, Informer } from '../../../client/informer.ts';
import { type ClusterZone, createClusterZone } from '../answer.ts';
import { createClusterIndex } from '../cluster-index.ts';
import { createDnsService, type DnsClient, type DnsServiceOptions } from '../dns-service.ts';
import { labelsOf, nameOf, nameText } from '../name.ts';
import { recordType } from '../protocol.ts';
import { skipName } from '../query.ts';
import { expandName } from '../upstream-message.ts';

export type FakeInformer<T extends KubeObject> = Pick<Informer<T>, 'get' | 'addHandler' | 'addIndex' | 'byIndex'> & {
  set(object: T): void;
  delete(key: string): void;
};

export function createFakeInformer<T extends KubeObject>(): FakeInformer<T> {
  const cache = createIndexedCache<T>();
  const handlers = new Set<EventHandler<T>>();
  const keyOf = ({ metadata }: KubeObject): string =>
    metadata?.namespace ? `${metadata.namespace}/${metadata.name}` : `${metadata?.name}`;
  return {
    get: (key) => cache.get(key),
    addIndex: (name, fn) => cache.addIndex(name, fn),
    byIndex: (name, value) => cache.byIndex(name, value),
    addHandler(handler) {
      handlers.add(handler);
      for (const object of cache.list()) handler.onAdd?.(object, true);
      return () => handlers.delete(handler);
    },
    set(object) {
      const before = cache.set(keyOf(object), object);
      for (const h of handlers) before ? h.onUpdate?.(before, object) : h.onAdd?.(object, false);
    },
    delete(key) {
      const before = cache.delete(key);
      if (before) for (const h of handlers) h.onDelete?.(before);
    },
  };
}

export interface SampleCluster {
  readonly services: FakeInformer<Service>;
  readonly slices: FakeInformer<EndpointSlice>;
  readonly namespaces: FakeInformer<Namespace>;
  readonly zone: ClusterZone;
  readonly close: () => void;
}

export function createSampleCluster(): SampleCluster {
  const services = createFakeInformer<Service>();
  const slices = createFakeInformer<EndpointSlice>();
  const namespaces = createFakeInformer<Namespace>();
  const labels = ['cluster', 'local'];
  const { index, close } = createClusterIndex({ services, slices, namespaces }, { zone: labels, ttlSeconds: 30 });
  const zone = createClusterZone({ index, zone: labels, ttlSeconds: 30, negativeTtlSeconds: 5, serial: 7 });
  return { services, slices, namespaces, zone, close };
}

export function service(name: string, spec: Service['spec'], namespace = 'default'): Service {
  return { metadata: { name, namespace }, spec };
}

export function slice(
  of: string,
  endpoints: EndpointSlice['endpoints'],
  more: Partial<EndpointSlice> & { readonly name?: string } = {},
): EndpointSlice {
  const { name = `${of}-1`, ...rest } = more;
  return {
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    ...(endpoints ? { endpoints } : {}),
    ...rest,
  };
}

/** One of each kind. */
export function fillSampleCluster(cluster: SampleCluster): void {
  const { services, slices, namespaces } = cluster;
  for (const name of ['default', 'kube-system', 'empty']) namespaces.set({ metadata: { name } });
  const http = { name: 'http', protocol: 'TCP', port: 80 };
  services.set(
    service('web', {
      clusterIP: '10.96.1.1',
      clusterIPs: ['10.96.1.1', 'fd00::1'],
      ports: [http, { name: 'dns', protocol: 'UDP', port: 53 }],
    }),
  );
  slices.set(slice('web', [{ addresses: ['10.244.0.9'] }]));
  slices.set(slice('also', [{ addresses: ['10.244.0.9'] }]));
  services.set(service('db', { clusterIP: 'None', clusterIPs: ['None'], ports: [http] }));
  slices.set(
    slice('db', [
      { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.244.0.6'], hostname: 'db-1' },
      { addresses: ['10.244.0.7'], conditions: {} },
      { addresses: ['10.244.0.8'], hostname: 'db-2', conditions: { ready: false } },
    ]),
  );
  slices.set(slice('db', [{ addresses: ['fd00::5'], hostname: 'db-0' }], { name: 'db-6', addressType: 'IPv6' }));
  services.set(service('idle', { clusterIP: 'None', clusterIPs: ['None'], ports: [http] }));
  services.set(service('alias', { type: 'ExternalName', externalName: 'WEB.default.svc.cluster.local.' }));
  services.set(service('abroad', { type: 'ExternalName', externalName: 'www.example.com' }));
  services.set(service('numeric', { type: 'ExternalName', externalName: '192.0.2.1' }));
  services.set(service('circle', { type: 'ExternalName', externalName: 'circle.default.svc.cluster.local' }));
  services.set(service('broken', { type: 'ExternalName', externalName: 'nobody.default.svc.cluster.local' }));
  services.set(service('kube-dns', { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ports: [] }, 'kube-system'));
}

export interface QueryOptions {
  readonly id?: number;
  readonly payloadBytes?: number;
  readonly flags?: number;
  readonly class?: number;
}

/** @param name dotted, in the spelling that goes out. */
export function queryBytes(name: string, type: keyof typeof recordType | number, options: QueryOptions = {}): Buffer {
  const { id = 1, payloadBytes, flags = 0x0100 } = options;
  const labels = name.replace(/\.$/, '').split('.');
  const parts: Buffer[] = [];
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(payloadBytes === undefined ? 0 : 1, 10);
  parts.push(header);
  if (name !== '.') for (const label of labels) parts.push(Buffer.from([label.length]), Buffer.from(label, 'latin1'));
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(typeof type === 'number' ? type : recordType[type], 1);
  tail.writeUInt16BE(options.class ?? 1, 3);
  parts.push(tail);
  if (payloadBytes !== undefined) {
    const opt = Buffer.alloc(11);
    opt.writeUInt16BE(41, 1);
    opt.writeUInt16BE(payloadBytes, 3);
    parts.push(opt);
  }
  return Buffer.concat(parts);
}

const names: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(recordType).map(([name, number]) => [number, name]),
);
const codes = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** Header and records, one a line: `NOERROR aa`, `web. 30 A 10.96.1.1`, `| ...` authority, `+ ...` additional. */
export function replyText(message: Buffer): string[] {
  const flags = message.readUInt16BE(2);
  const marks = [
    ['aa', 0x0400],
    ['tc', 0x0200],
    ['ad', 0x0020],
  ] as const;
  const out = [
    [codes[flags & 15] ?? String(flags & 15), ...marks.filter(([, bit]) => flags & bit).map(([m]) => m)].join(' '),
  ];
  let at = 12;
  for (let i = 0; i < message.readUInt16BE(4); i++) at = skipName(message, at) + 4;
  for (const [section, offset] of [
    ['', 6],
    ['| ', 8],
    ['+ ', 10],
  ] as const)
    for (let i = 0; i < message.readUInt16BE(offset); i++) {
      const owner = nameText(expandName(message, at)!);
      at = skipName(message, at);
      const type = message.readUInt16BE(at);
      const start = at + 10;
      const end = start + message.readUInt16BE(at + 8);
      const text = dataText(message, type, start, end);
      out.push(
        type === recordType.OPT
          ? `${section}OPT ${message.readUInt16BE(at + 2)}`
          : `${section}${owner} ${message.readUInt32BE(at + 4)} ${names[type] ?? type} ${text}`,
      );
      at = end;
    }
  if (at !== message.length) out.push(`${message.length - at} bytes left over`);
  return out;
}

function dataText(message: Buffer, type: number, start: number, end: number): string {
  const at = (offset: number): string => nameText(expandName(message, offset)!);
  switch (type) {
    case recordType.A:
      return [...message.subarray(start, end)].join('.');
    case recordType.CNAME:
    case recordType.PTR:
    case recordType.NS:
      return at(start);
    case recordType.SRV:
      return `${message.readUInt16BE(start)} ${message.readUInt16BE(start + 2)} ${message.readUInt16BE(start + 4)} ${at(start + 6)}`;
    case recordType.TXT:
      return JSON.stringify(message.toString('latin1', start + 1, end));
    case recordType.SOA: {
      const mailbox = skipName(message, start);
      const numbers = skipName(message, mailbox);
      const values = [0, 4, 8, 12, 16].map((offset) => message.readUInt32BE(numbers + offset));
      return `${at(start)} ${at(mailbox)} ${values.join(' ')}`;
    }
    default:
      return message.subarray(start, end).toString('hex');
  }
}

/** One question to a service over the cluster's zone. */
export function createAsker(
  cluster: SampleCluster,
  options: Partial<DnsServiceOptions> = {},
): (request: Buffer, client?: Partial<DnsClient>) => Buffer | undefined {
  const dns = createDnsService({ zone: cluster.zone, isSynced: () => true, ...options });
  return (request, client = {}) => {
    let answer: Buffer | undefined;
    dns.handle(request, { transport: 'udp', mayRecurse: true, ...client }, (message) => {
      answer = Buffer.from(message);
    });
    return answer;
  };
}

export const wireName = (text: string): Uint8Array => nameOf(labelsOf(text))!;

/**
 * What the cluster's DNS answers to a question: the Kubernetes DNS specification 1.1.0, and CoreDNS where that leaves a choice. Pure: the index
 * and the question in, records out; names that are not the cluster's are left to the caller.
 */
import { addressBytes, addressKey, reverseAddress } from './address.ts';
import type { ClusterIndex } from './cluster-index.ts';
import { type Name, nameOf } from './name.ts';
import { classInternet, rcode, recordType } from './protocol.ts';
import { addressRecord, authorityRecord, type DnsRecord, nameRecord, serviceRecord, textRecord } from './records.ts';
import { failure, type Reply } from './reply.ts';
import { type EndpointEntry, endpointName, type PortEntry, type ServiceEntry } from './service-entry.ts';

export type Answer =
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** Not a name of the cluster: upstream resolvers know. */
  | { readonly kind: 'forward' }
  /** An alias of a name outside: `reply` is complete but for the records of `target`. */
  | { readonly kind: 'chase'; readonly reply: Reply; readonly target: Name };

export interface Question {
  /** Lower case. */
  readonly labels: readonly string[];
  readonly type: number;
  readonly class: number;
}

export interface ClusterZone {
  readonly index: ClusterIndex;
  /** Labels of the cluster domain. */
  readonly labels: readonly string[];
  readonly ttlSeconds: number;
  readonly authority: DnsRecord;
  readonly version: DnsRecord;
  /** Labels of the name server's own Service. */
  readonly server: readonly string[];
}

export const schemaVersion = '1.1.0';
/** The version of the schema changes with the software; CoreDNS' choice. */
const versionTtlSeconds = 28_800;
/** Aliases of aliases inside the cluster are followed so far: more is a circle. */
const aliasDepthMax = 8;
const none: readonly DnsRecord[] = Object.freeze([]);

export function createClusterZone(options: {
  readonly index: ClusterIndex;
  readonly zone: readonly string[];
  readonly ttlSeconds: number;
  readonly negativeTtlSeconds: number;
  /** A number that grows, e.g. seconds since the epoch at the start. */
  readonly serial: number;
}): ClusterZone {
  const { index, zone, ttlSeconds, negativeTtlSeconds, serial } = options;
  const name = nameOf(zone);
  const server = nameOf(['ns', 'dns', ...zone]);
  const mailbox = nameOf(['hostmaster', ...zone]);
  if (zone.length === 0 || !name || !server || !mailbox)
    throw new Error(`The cluster domain "${zone.join('.')}" is not a domain name`);
  return {
    index,
    labels: zone,
    ttlSeconds,
    authority: authorityRecord(name, { server, mailbox }, { serial, ttlSeconds: negativeTtlSeconds }),
    version: textRecord(schemaVersion, versionTtlSeconds),
    server: ['kube-dns', 'kube-system', 'svc', ...zone],
  };
}

export function answerQuestion(zone: ClusterZone, question: Question): Answer {
  const { labels, type } = question;
  if (question.class !== classInternet) return reply(failure(rcode.refused));
  // Zone transfers and the like are for name servers; nobody is one to us.
  if (type === recordType.AXFR || type === recordType.IXFR) return reply(failure(rcode.refused));
  const depth = labels.length - zone.labels.length;
  if (depth >= 0 && endsWith(labels, zone.labels)) return answerInZone(zone, question, depth, 0);
  if (labels[labels.length - 1] === 'arpa') return answerReverse(zone, question);
  return forward;
}

const forward: Answer = Object.freeze({ kind: 'forward' });

/** @param depth how many labels stand before the zone's. */
function answerInZone(zone: ClusterZone, question: Question, depth: number, aliases: number): Answer {
  const { index } = zone;
  const { labels, type } = question;
  const kind = labels[depth - 1];
  if (depth === 0) return answerApex(zone, type);
  if (kind === 'dns-version' && depth === 1) return type === recordType.TXT ? found(zone.version) : noData(zone);
  if (kind === 'dns' && depth <= 2 && (depth === 1 || labels[0] === 'ns')) return answerServer(zone, type, depth);
  if (kind !== 'svc' && kind !== 'pod') return noName(zone);
  if (depth === 1) return noData(zone);
  const namespace = labels[depth - 2]!;
  if (!index.hasNamespace(namespace)) return noName(zone);
  if (depth === 2) return noData(zone);
  const name = labels[depth - 3]!;
  if (kind === 'pod') return depth === 3 ? answerPod(zone, name, type) : noName(zone);
  if (depth > 5) return noName(zone);
  const entry = index.service(namespace, name);
  if (!entry) return noName(zone);
  if (depth === 3)
    return entry.kind === 'externalName'
      ? answerAlias(zone, question, entry, aliases)
      : answerService(zone, entry, type);
  if (entry.kind === 'externalName') return noName(zone);
  if (depth === 4) return answerEndpoint(zone, entry, labels[0]!, type);
  return answerPort(zone, entry, { port: labels[0]!, protocol: labels[1]! }, type);
}

function answerApex(zone: ClusterZone, type: number): Answer {
  if (type === recordType.SOA) return found({ ...zone.authority, owner: undefined });
  if (type !== recordType.NS) return noData(zone);
  const entry = zone.index.service('kube-system', 'kube-dns');
  const server = entry?.name ?? nameOf(['ns', 'dns', ...zone.labels])!;
  const addresses = entry ? [...entry.v4, ...entry.v6].map((r) => ({ ...r, owner: server })) : none;
  return {
    kind: 'reply',
    reply: success([nameRecord('NS', undefined, server, zone.ttlSeconds)], addresses),
  };
}

/** `ns.dns`: the name of the server in the SOA. */
function answerServer(zone: ClusterZone, type: number, depth: number): Answer {
  if (depth === 1) return noData(zone);
  const entry = zone.index.service('kube-system', 'kube-dns');
  return ofType(zone, entry?.v4 ?? none, entry?.v6 ?? none, type);
}

/** `a-b-c-d.namespace.pod`: any address in an existing namespace, without looking whether there is such a pod (CoreDNS' `pods insecure`). */
function answerPod(zone: ClusterZone, label: string, type: number): Answer {
  const dashes = label.split('-').length - 1;
  const text = label.replaceAll('-', dashes === 3 && !label.includes('--') ? '.' : ':');
  const address = addressBytes(text);
  if (!address) return noName(zone);
  const record = addressRecord(undefined, address, zone.ttlSeconds);
  return type === record.type ? found(record) : noData(zone);
}

function answerService(zone: ClusterZone, entry: ServiceEntry, type: number): Answer {
  // The specification: a headless Service without ready endpoints has no name.
  if (entry.kind === 'headless' && entry.endpoints.length === 0) return noName(zone);
  if (type === recordType.SRV) return answerServiceRecords(zone, entry, anyPort);
  return ofType(zone, entry.v4, entry.v6, type);
}

function answerEndpoint(zone: ClusterZone, entry: ServiceEntry, hostname: string, type: number): Answer {
  let v4: DnsRecord[] | undefined;
  let v6: DnsRecord[] | undefined;
  let first: EndpointEntry | undefined;
  for (let i = 0; i < entry.endpoints.length; i++) {
    const endpoint = entry.endpoints[i]!;
    if (endpoint.hostname !== hostname) continue;
    first ??= endpoint;
    if (endpoint.record.data.length === 4) (v4 ??= []).push(endpoint.record);
    else (v6 ??= []).push(endpoint.record);
  }
  if (!first) return noName(zone);
  if (type === recordType.SRV)
    return answerServiceRecords(
      zone,
      { ...entry, kind: 'headless', endpoints: entry.endpoints.filter((e) => e.hostname === hostname) },
      anyPort,
    );
  return ofType(zone, v4 ?? none, v6 ?? none, type);
}

interface PortWish {
  readonly port: string;
  readonly protocol: string;
}
const anyPort: PortWish = Object.freeze({ port: '', protocol: '' });

/** `_port._proto.service`: SRV by the specification; the addresses too, as CoreDNS. */
function answerPort(zone: ClusterZone, entry: ServiceEntry, wish: PortWish, type: number): Answer {
  const wanted: PortWish = { port: withoutUnderscore(wish.port), protocol: withoutUnderscore(wish.protocol) };
  const endpoints =
    entry.kind === 'headless' ? entry.endpoints.filter((e) => e.ports.some((p) => fits(p, wanted))) : [];
  if (endpoints.length === 0 && !entry.ports.some((p) => fits(p, wanted))) return noName(zone);
  if (type === recordType.SRV) return answerServiceRecords(zone, entry, wanted);
  if (entry.kind !== 'headless') return ofType(zone, entry.v4, entry.v6, type);
  const records = endpoints.map((e) => e.record);
  return ofType(
    zone,
    records.filter((r) => r.data.length === 4),
    records.filter((r) => r.data.length === 16),
    type,
  );
}

/**
 * One SRV for each port (and endpoint, when headless) and the targets' addresses. Weights are CoreDNS': equal, summing to about 100 over ports and
 * addresses, though a target with two addresses is there once.
 */
function answerServiceRecords(zone: ClusterZone, entry: ServiceEntry, wish: PortWish): Answer {
  const targets = new Map<string, { readonly name: Name; readonly port: number }>();
  const additionals: DnsRecord[] = [];
  let total = 0;
  if (entry.kind === 'headless') {
    for (const endpoint of entry.endpoints) {
      const name = endpointName(endpoint, entry);
      if (!name) continue;
      const before = total;
      for (const port of endpoint.ports) {
        if (!fits(port, wish)) continue;
        targets.set(`${endpoint.hostname}:${port.port}`, { name, port: port.port });
        total++;
      }
      if (total > before) additionals.push({ ...endpoint.record, owner: name });
    }
  } else {
    const addresses = [...entry.v4, ...entry.v6];
    for (const port of entry.ports) {
      if (!fits(port, wish)) continue;
      targets.set(`:${port.port}`, { name: entry.name, port: port.port });
      total += addresses.length;
    }
    for (const record of addresses) additionals.push({ ...record, owner: entry.name });
  }
  if (total === 0) return noData(zone);
  const weight = Math.max(1, Math.floor(100 / total));
  const answers: DnsRecord[] = [];
  for (const { name, port } of targets.values())
    answers.push(serviceRecord({ priority: 0, weight, port }, name, zone.ttlSeconds));
  return { kind: 'reply', reply: success(answers, additionals) };
}

/** The alias, and what it stands for when that is the cluster's to say: most resolvers in containers do not ask again themselves. */
function answerAlias(zone: ClusterZone, question: Question, entry: ServiceEntry, aliases: number): Answer {
  const alias = entry.alias!;
  if (question.type === recordType.CNAME) return found(alias);
  const labels = entry.aliasLabels;
  const depth = labels.length - zone.labels.length;
  if (depth < 0 || !endsWith(labels, zone.labels))
    return { kind: 'chase', reply: success([alias], none), target: alias.target! };
  if (aliases >= aliasDepthMax) return reply(failure(rcode.serverFailure));
  const inner = answerInZone(zone, { ...question, labels }, depth, aliases + 1);
  if (inner.kind === 'forward') return inner;
  const own = inner.reply;
  if (own.rcode === rcode.serverFailure) return inner;
  const answers = [alias, ...own.answers.map((r) => (r.owner === undefined ? { ...r, owner: alias.target } : r))];
  return { ...inner, reply: { ...own, answers } };
}

/** Names of addresses. Those that are not the cluster's are asked upstream (CoreDNS' `fallthrough in-addr.arpa ip6.arpa`). */
function answerReverse(zone: ClusterZone, { labels, type }: Question): Answer {
  const address = reverseAddress(labels);
  if (!address) return forward;
  const names = zone.index.pointers(addressKey(address));
  if (names.length === 0) return forward;
  if (type !== recordType.PTR) return noData(zone);
  const records = names.map((name) => nameRecord('PTR', undefined, name, zone.ttlSeconds));
  return { kind: 'reply', reply: success(records, none) };
}

function ofType(zone: ClusterZone, v4: readonly DnsRecord[], v6: readonly DnsRecord[], type: number): Answer {
  const records = type === recordType.A ? v4 : type === recordType.AAAA ? v6 : none;
  return records.length > 0 ? { kind: 'reply', reply: success(records, none) } : noData(zone);
}

function success(answers: readonly DnsRecord[], additionals: readonly DnsRecord[]): Reply {
  return { rcode: rcode.noError, authoritative: true, answers, authorities: none, additionals };
}

const reply = (value: Reply): Answer => ({ kind: 'reply', reply: value });
const found = (record: DnsRecord): Answer => reply(success([record], none));

/** There is no such name, nor any below it. */
const noName = (zone: ClusterZone): Answer => negative(zone, rcode.nameError);
/** The name is there, but has nothing of this type. */
const noData = (zone: ClusterZone): Answer => negative(zone, rcode.noError);

function negative(zone: ClusterZone, code: number): Answer {
  return reply({
    rcode: code,
    authoritative: true,
    answers: none,
    authorities: [zone.authority],
    additionals: none,
  });
}

function fits(port: PortEntry, wish: PortWish): boolean {
  return (wish.port === '' || port.name === wish.port) && (wish.protocol === '' || port.protocol === wish.protocol);
}

const withoutUnderscore = (label: string): string => (label.startsWith('_') ? label.slice(1) : label);

function endsWith(labels: readonly string[], zone: readonly string[]): boolean {
  const offset = labels.length - zone.length;
  for (let i = zone.length - 1; i >= 0; i--) if (labels[offset + i] !== zone[i]) return false;
  return true;
}

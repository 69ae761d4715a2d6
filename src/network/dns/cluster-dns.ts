/** The cluster's DNS on one node: informers, service and sockets put together. */

import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Random } from '../../base/random.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import type { InformerFactory } from '../../client/informer.ts';
import { createClusterZone } from './answer.ts';
import { createClusterIndex } from './cluster-index.ts';
import { startDnsServer } from './dns-server.ts';
import { createDnsService, type DnsCounts } from './dns-service.ts';
import { exchangeOverSockets } from './exchange.ts';
import { createForwarder, type Forwarder } from './forwarder.ts';
import { labelsOf, nameOf } from './name.ts';
import { recordType } from './protocol.ts';
import type { UpstreamAddress } from './resolv-conf.ts';
import type { UpstreamQuestion } from './upstream-message.ts';

export interface ClusterDnsOptions {
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** Where to listen. Pods' answers must come from this very address, so it may not be 0.0.0.0. */
  readonly address: string;
  /** Another is taken when it is not free. */
  readonly port: number;
  readonly clusterDomain: string;
  /** Asked again and again: a machine goes from one network to another. None: the last ones stay. */
  readonly upstreams: () => readonly UpstreamAddress[];
  /** Addresses that lead back to us, e.g. the Service's: never forwarded to. */
  readonly ownAddresses: readonly string[];
  readonly mayRecurse: (address: string) => boolean;
  /** Of records of the cluster. Default 30, as kubeadm configures CoreDNS. */
  readonly ttlSeconds?: number;
  /** Of "no such name": short, since what is missing is often about to be made. Default 5, CoreDNS' own. */
  readonly negativeTtlSeconds?: number;
}

export interface ClusterDns {
  readonly port: number;
  /** Resolves at the end; rejects when a socket fails. */
  run(signal: AbortSignal): Promise<void>;
}

export const defaultDnsPort = 10_053;
const countIntervalMs = 1000;
const upstreamCheckIntervalMs = 10_000;

/** Resolves when the port is open; names of the cluster get SERVFAIL until the informers are complete. */
export async function startClusterDns(options: ClusterDnsOptions): Promise<ClusterDns> {
  const { informers, clock, random, log, metrics, address } = options;
  const zoneLabels = labelsOf(options.clusterDomain);
  const ttlSeconds = options.ttlSeconds ?? 30;
  const services = informers.informer(resources.services);
  const slices = informers.informer(resources.endpointSlices);
  const namespaces = informers.informer(resources.namespaces, { metadataOnly: true });
  const { index, close } = createClusterIndex({ services, slices, namespaces }, { zone: zoneLabels, ttlSeconds });
  const zone = createClusterZone({
    index,
    zone: zoneLabels,
    ttlSeconds,
    negativeTtlSeconds: options.negativeTtlSeconds ?? 5,
    serial: Math.floor(clock.now() / 1000) >>> 0,
  });
  const forwarder = createForwarder({ upstreams: [], exchange: exchangeOverSockets, clock, random });
  let looped = false;
  const loop = {
    question: loopQuestion(random),
    isLooped: () => looped,
    seen: () => {
      if (!looped)
        log.error('A resolver forwards to this one: names outside the cluster are refused until that is mended');
      looped = true;
    },
  };
  const service = createDnsService({
    zone,
    isSynced: () => services.synced && slices.synced && namespaces.synced,
    forwarder,
    loop,
  });
  const listening = { address, handle: service.handle, mayRecurse: options.mayRecurse, clock };
  const server = await startDnsServer({ ...listening, port: options.port }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    log.warn('The port of the cluster DNS is taken, another one is used', { port: options.port });
    return startDnsServer({ ...listening, port: 0 });
  });
  log.info('Cluster DNS listens', { address, port: server.port });

  return {
    port: server.port,
    async run(signal) {
      const stopped = untilAborted(signal);
      const counting = countEvery(service.counts, forwarder, metrics, clock, signal);
      const state = { isLooped: () => looped, forget: () => (looped = false) };
      const watching = followUpstreams(options, forwarder, loop.question, state, signal);
      try {
        await Promise.race([stopped, server.failed]);
      } finally {
        forwarder.close();
        await server.stop();
        close();
      }
      await Promise.all([counting, watching]);
    },
  };
}

/** A name that nobody else asks for, in the form of CoreDNS' loop check. */
function loopQuestion(random: Random): UpstreamQuestion {
  const label = (): string => String(1 + random.below(2 ** 31));
  return {
    name: nameOf([label(), label()])!,
    type: recordType.HINFO,
    dnssecOk: false,
    checkingDisabled: false,
  };
}

/** Whenever there are others they are asked whether they forward to us, and while they do, again and again. */
async function followUpstreams(
  { upstreams, ownAddresses, clock, log }: ClusterDnsOptions,
  forwarder: Forwarder,
  question: UpstreamQuestion,
  state: { readonly isLooped: () => boolean; readonly forget: () => void },
  signal: AbortSignal,
): Promise<void> {
  let current: string | undefined;
  while (!signal.aborted) {
    const next = upstreams().filter((u) => !ownAddresses.includes(u.address));
    const text = next.map((u) => `${u.address}:${u.port}`).join(' ');
    const isNew = current === undefined || (text !== '' && text !== current);
    if (isNew) {
      current = text;
      forwarder.setUpstreams(next);
      if (text === '') log.warn('There is no resolver to forward other names to');
      else log.info('Other names are forwarded', { upstreams: text });
    }
    if (isNew || state.isLooped()) {
      state.forget();
      await forwarder.probe(question);
    }
    await clock.sleep(upstreamCheckIntervalMs, signal);
  }
}

/** The hot path counts in plain numbers; here they become metrics, under CoreDNS' names. */
async function countEvery(
  counts: DnsCounts,
  forwarder: Forwarder,
  metrics: MetricsRegistry,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const requests = metrics.counter({ name: 'coredns_dns_requests_total', help: 'Queries', labels: ['proto'] });
  const responses = metrics.counter({ name: 'coredns_dns_responses_total', help: 'Replies', labels: ['rcode'] });
  const hits = metrics.counter({ name: 'coredns_cache_hits_total', help: 'Forwarded names found in the cache' });
  const forwards = metrics.counter({ name: 'coredns_proxy_request_total', help: 'Queries to upstream resolvers' });
  const told = { udp: 0, tcp: 0, hits: 0, exchanges: 0, replies: new Map<number, number>() };
  while (!signal.aborted) {
    await clock.sleep(countIntervalMs, signal);
    requests.increment({ proto: 'udp' }, counts.udp - told.udp);
    requests.increment({ proto: 'tcp' }, counts.tcp - told.tcp);
    hits.increment({}, counts.cacheHits - told.hits);
    const { exchanges } = forwarder.counts;
    forwards.increment({}, exchanges - told.exchanges);
    for (const [code, count] of counts.replies) {
      responses.increment({ rcode: rcodeNames[code] ?? String(code) }, count - (told.replies.get(code) ?? 0));
      told.replies.set(code, count);
    }
    Object.assign(told, { udp: counts.udp, tcp: counts.tcp, hits: counts.cacheHits, exchanges });
  }
}

const rcodeNames: Readonly<Record<number, string>> = Object.freeze({
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  16: 'BADVERS',
});

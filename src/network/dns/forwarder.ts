/**
 * Names that are not the cluster's: asked of upstream resolvers one after the other, the last good one first, each question once however many
 * clients ask it, and kept as long as its records allow. Clock, chance and the exchange of messages come from outside.
 */
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { rcode } from './protocol.ts';
import type { UpstreamAddress } from './resolv-conf.ts';
import {
  bare,
  questionKey,
  readUpstreamAnswer,
  type UpstreamAnswer,
  type UpstreamQuestion,
  writeUpstreamQuery,
} from './upstream-message.ts';

/**
 * Sends a query and waits for what comes back from that address; `accept` says whether a datagram is the answer (others are dropped: they
 * may be forged). Rejects when none comes before `signal` aborts.
 */
export type Exchange = (
  upstream: UpstreamAddress,
  query: Buffer,
  options: {
    readonly transport: 'udp' | 'tcp';
    readonly accept: (message: Buffer) => boolean;
    readonly signal: AbortSignal;
  },
) => Promise<Buffer>;

export interface ForwarderOptions {
  readonly upstreams: readonly UpstreamAddress[];
  readonly exchange: Exchange;
  readonly clock: Clock;
  readonly random: Random;
  /** No answer is kept longer. Default 30, kubeadm's `cache 30`. */
  readonly ttlMaxSeconds?: number;
  /** Answers kept. Default 10,000, as CoreDNS'. */
  readonly entriesMax?: number;
  /** Bytes of answers kept. Default 16 MiB. */
  readonly bytesMax?: number;
}

export interface KeptAnswer {
  readonly answer: UpstreamAnswer;
  /** Seconds since it came: what its TTLs have lost. */
  readonly ageSeconds: number;
}

export interface Forwarder {
  /** What is known already, without waiting. */
  cached(question: UpstreamQuestion): KeptAnswer | undefined;
  /** Never rejects: when no resolver answers the answer is SERVFAIL. */
  resolve(question: UpstreamQuestion): Promise<KeptAnswer>;
  /** Others from now on; what the ones before said is forgotten: in another network the same name may be another host. */
  setUpstreams(upstreams: readonly UpstreamAddress[]): void;
  /** One query past cache and sharing, to every upstream: whether an answer came is of no interest. */
  probe(question: UpstreamQuestion): Promise<void>;
  /** Ends what is under way. */
  close(): void;
  readonly counts: { readonly exchanges: number; readonly failures: number; readonly entries: number };
}

/** One resolver gets so long; all of them together `totalMs`: clients give up after five seconds. */
const attemptMs = 2000;
const totalMs = 4800;
/** After a failure others are asked first for so long. */
const sickMs = 10_000;
/** A failure is remembered so long, or every client's retry would hit the resolvers again (RFC 2308 7; CoreDNS). */
const failureTtlSeconds = 5;

interface Entry {
  readonly answer: UpstreamAnswer;
  readonly storedAtMs: number;
  readonly untilMs: number;
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  const { exchange, clock, random, ttlMaxSeconds = 30, entriesMax = 10_000, bytesMax = 16 << 20 } = options;
  let upstreams = options.upstreams;
  const entries = new Map<string, Entry>();
  let bytes = 0;
  const underWay = new Map<string, Promise<KeptAnswer>>();
  const sickUntilMs = new Map<UpstreamAddress, number>();
  const closing = new AbortController();
  let exchanges = 0;
  let failures = 0;

  const drop = (key: string, entry: Entry): void => {
    entries.delete(key);
    bytes -= entry.answer.bytes.length;
  };
  const find = (key: string): KeptAnswer | undefined => {
    const entry = entries.get(key);
    if (!entry) return undefined;
    const nowMs = clock.monotonic();
    if (nowMs < entry.untilMs)
      return { answer: entry.answer, ageSeconds: Math.floor((nowMs - entry.storedAtMs) / 1000) };
    drop(key, entry);
    return undefined;
  };
  const keep = (key: string, answer: UpstreamAnswer): void => {
    const seconds =
      answer.rcode === rcode.serverFailure ? failureTtlSeconds : Math.min(answer.ttlSeconds, ttlMaxSeconds);
    if (seconds <= 0 || answer.truncated) return;
    const before = entries.get(key);
    if (before) drop(key, before);
    const storedAtMs = clock.monotonic();
    entries.set(key, { answer, storedAtMs, untilMs: storedAtMs + seconds * 1000 });
    bytes += answer.bytes.length;
    // The oldest go first: none lives longer than ttlMaxSeconds anyway.
    for (const [oldest, entry] of entries) {
      if (entries.size <= entriesMax && bytes <= bytesMax) break;
      drop(oldest, entry);
    }
  };

  /** Rejects when nothing came in time. */
  const ask = async (
    upstream: UpstreamAddress,
    question: UpstreamQuestion,
    transport: 'udp' | 'tcp',
    signal: AbortSignal,
  ): Promise<UpstreamAnswer> => {
    const id = random.below(65_536);
    let answer: UpstreamAnswer | undefined;
    exchanges++;
    await exchange(upstream, writeUpstreamQuery(id, question), {
      transport,
      signal,
      accept(message) {
        answer = readUpstreamAnswer(message, id, question);
        return answer !== undefined;
      },
    });
    if (!answer) throw new Error(`The resolver ${upstream.address} did not answer the question`);
    // Too much for a datagram: the whole of it comes over TCP.
    return answer.truncated && transport === 'udp' ? ask(upstream, question, 'tcp', signal) : answer;
  };

  const askInTime = async (
    upstream: UpstreamAddress,
    question: UpstreamQuestion,
    ms: number,
  ): Promise<UpstreamAnswer> => {
    const attempt = new AbortController();
    const end = (): void => attempt.abort();
    const timer = clock.timer(ms, end);
    closing.signal.addEventListener('abort', end, { once: true });
    if (closing.signal.aborted) end();
    try {
      return await ask(upstream, question, 'udp', attempt.signal);
    } finally {
      timer.cancel();
      closing.signal.removeEventListener('abort', end);
    }
  };

  const byHealth = (): readonly UpstreamAddress[] => {
    const nowMs = clock.monotonic();
    const isSick = (u: UpstreamAddress): boolean => (sickUntilMs.get(u) ?? 0) > nowMs;
    return [...upstreams.filter((u) => !isSick(u)), ...upstreams.filter(isSick)];
  };

  const resolveUpstream = async (question: UpstreamQuestion): Promise<UpstreamAnswer> => {
    const deadlineMs = clock.monotonic() + totalMs;
    let last: UpstreamAnswer | undefined;
    for (const upstream of byHealth()) {
      const leftMs = deadlineMs - clock.monotonic();
      if (leftMs <= 0 || closing.signal.aborted) break;
      try {
        const answer = await askInTime(upstream, question, Math.min(attemptMs, leftMs));
        sickUntilMs.delete(upstream);
        last = answer;
        // Another resolver may be able to say what this one cannot.
        if (answer.rcode !== rcode.serverFailure && answer.rcode !== rcode.refused) break;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        failures++;
        sickUntilMs.set(upstream, clock.monotonic() + sickMs);
      }
    }
    return last ?? bare(question, rcode.serverFailure);
  };

  return {
    cached: (question) => find(questionKey(question)),
    resolve(question) {
      const key = questionKey(question);
      const known = find(key);
      if (known) return Promise.resolve(known);
      const shared = underWay.get(key);
      if (shared) return shared;
      const task = (async (): Promise<KeptAnswer> => {
        try {
          const answer = await resolveUpstream(question);
          keep(key, answer);
          return { answer, ageSeconds: 0 };
        } finally {
          underWay.delete(key);
        }
      })();
      underWay.set(key, task);
      return task;
    },
    setUpstreams(next) {
      upstreams = next;
      sickUntilMs.clear();
      entries.clear();
      bytes = 0;
    },
    async probe(question) {
      await Promise.allSettled(upstreams.map((upstream) => askInTime(upstream, question, attemptMs)));
    },
    close: () => closing.abort(),
    get counts() {
      return { exchanges, failures, entries: entries.size };
    },
  };
}

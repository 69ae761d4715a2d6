/** One message of a client becomes one reply: at once for names of the cluster and what is in the cache, later for what must be asked upstream. */
import { answerQuestion, type ClusterZone } from './answer.ts';
import { writeForwarded } from './forwarded-reply.ts';
import type { Forwarder, KeptAnswer } from './forwarder.ts';
import { type Name, nameOf, nameText } from './name.ts';
import { ednsPayloadBytes, flag, messageLengthMax, plainPayloadBytes, rcode, recordType } from './protocol.ts';
import { type Query, readQuery } from './query.ts';
import { failure, type Reply, replyToProblem, writeReply } from './reply.ts';
import { recordsOf, type UpstreamQuestion } from './upstream-message.ts';

export interface DnsClient {
  readonly transport: 'udp' | 'tcp';
  /** May it ask for names outside the cluster? */
  readonly mayRecurse: boolean;
}

export interface DnsCounts {
  udp: number;
  tcp: number;
  cluster: number;
  forwarded: number;
  cacheHits: number;
  ignored: number;
  /** By response code. */
  readonly replies: Map<number, number>;
}

export interface DnsService {
  /** @param reply called at most once; its message is only valid until it returns. */
  handle(request: Buffer, client: DnsClient, reply: (message: Buffer) => void): void;
  readonly counts: DnsCounts;
}

export interface DnsServiceOptions {
  readonly zone: ClusterZone;
  /** False while the index is not complete: names of the cluster get SERVFAIL, or a name that exists would be denied. */
  readonly isSynced: () => boolean;
  /** Absent: there is no resolver to forward to. */
  readonly forwarder?: Forwarder;
  /** A query that only we send: when it comes back our resolvers forward to us. */
  readonly loop?: { readonly question: UpstreamQuestion; readonly isLooped: () => boolean; readonly seen: () => void };
  /** Clients that wait for an upstream answer at one time. Default 1000, kubeadm's `max_concurrent`. */
  readonly waitingMax?: number;
}

export function createDnsService(options: DnsServiceOptions): DnsService {
  const { zone, forwarder, isSynced, loop, waitingMax = 1000 } = options;
  const out = Buffer.alloc(messageLengthMax);
  const counts: DnsCounts = {
    udp: 0,
    tcp: 0,
    cluster: 0,
    forwarded: 0,
    cacheHits: 0,
    ignored: 0,
    replies: new Map(),
  };
  let waiting = 0;
  let turn = 0;

  const limitOf = (query: Query, { transport }: DnsClient): number =>
    transport === 'tcp'
      ? messageLengthMax
      : query.payloadBytes === 0
        ? plainPayloadBytes
        : Math.min(query.payloadBytes, ednsPayloadBytes);
  const count = (code: number): void => {
    counts.replies.set(code, (counts.replies.get(code) ?? 0) + 1);
  };

  return {
    counts,
    handle(request, client, reply) {
      if (client.transport === 'udp') counts.udp++;
      else counts.tcp++;
      const query = readQuery(request);
      if (!query) {
        counts.ignored++;
        return;
      }
      const send = (value: Reply): void => {
        count(value.rcode);
        turn = (turn + 1) & 0xffff;
        reply(out.subarray(0, writeReply(value, query, request, out, limitOf(query, client), turn)));
      };
      const sendForwarded = (kept: KeptAnswer): void => {
        count(kept.answer.rcode);
        reply(out.subarray(0, writeForwarded(kept, query, request, out, limitOf(query, client))));
      };
      /** A client that waits is counted; one too many is told so at once. */
      const ask = (question: UpstreamQuestion, then: (kept: KeptAnswer) => void): void => {
        if (!forwarder || waiting >= waitingMax) {
          send(failure(forwarder ? rcode.refused : rcode.serverFailure));
          return;
        }
        const known = forwarder.cached(question);
        if (known) {
          counts.cacheHits++;
          then(known);
          return;
        }
        waiting++;
        // It never rejects; what `then` throws is a mistake of ours and must end the process.
        void forwarder.resolve(question).then((kept) => {
          waiting--;
          then(kept);
        });
      };

      if (query.problem !== 'none') {
        send(replyToProblem(query));
        return;
      }
      const answer = answerQuestion(zone, query);
      if (answer.kind === 'reply') {
        counts.cluster++;
        send(isSynced() ? answer.reply : failure(rcode.serverFailure));
        return;
      }
      const name: Name | undefined = answer.kind === 'chase' ? answer.target : nameOf(query.labels);
      if (!name) {
        send(failure(rcode.formatError));
        return;
      }
      if (answer.kind === 'chase' && (!client.mayRecurse || !forwarder)) {
        send(answer.reply);
        return;
      }
      if (answer.kind === 'forward') {
        counts.forwarded++;
        if (loop && query.type === recordType.HINFO && nameText(name) === nameText(loop.question.name)) loop.seen();
        // A meta type or a transfer is no question for a cache between clients and resolvers.
        if (!client.mayRecurse || loop?.isLooped() || query.type === recordType.OPT) {
          send(failure(rcode.refused));
          return;
        }
      }
      const question: UpstreamQuestion = {
        name,
        type: query.type,
        dnssecOk: query.dnssecOk,
        checkingDisabled: (query.flags & flag.checkingDisabled) !== 0,
      };
      if (answer.kind === 'forward') {
        ask(question, sendForwarded);
        return;
      }
      const begun = answer.reply;
      ask(question, ({ answer: upstream, ageSeconds }) => {
        if (upstream.rcode !== rcode.noError && upstream.rcode !== rcode.nameError) send(failure(rcode.serverFailure));
        else send({ ...begun, rcode: upstream.rcode, answers: [...begun.answers, ...recordsOf(upstream, ageSeconds)] });
      });
    },
  };
}

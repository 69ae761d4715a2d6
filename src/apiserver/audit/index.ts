/**
 * The audit log: who did what and what came of it, by a policy, as lines of audit.k8s.io/v1 Events. A request whose events must be written first waits for
 * them (`blocking`), fails without them (`blocking-strict`), or does not care (`batch`). Source: apiserver/pkg/audit, plugin/pkg/audit/{log,buffered}.
 */
import { encodeText } from '../../api/codec/index.ts';
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import { formatMicroTime } from '../../api/time.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import type { RequestInfo } from '../request-info.ts';
import { type AuditPolicy, recordingOf } from './policy.ts';
import { AuditTrail } from './trail.ts';

export { AuditPolicyError, readAuditPolicy } from './policy.ts';
export type { AuditTrail } from './trail.ts';

/** Where the lines go. */
export interface AuditSink {
  /** Whole lines, each ended by a newline. Rejects when they were not written. */
  write(lines: string): Promise<void>;
}

export interface AuditOptions {
  readonly policy: AuditPolicy;
  readonly sink: AuditSink;
  readonly mode: 'blocking' | 'blocking-strict' | 'batch';
  /** For `batch`. */
  readonly batch?: { readonly bufferMax: number; readonly sizeMax: number; readonly maxWaitMs: number };
}

export interface Auditor {
  /** @returns undefined for a request that is not recorded. */
  begin(request: ApiRequest, info: RequestInfo, user: UserInfo | undefined, auditId: string): AuditTrail | undefined;
  /** Writes what is left. */
  close(): Promise<void>;
}

export interface AuditorSurroundings {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

export function createAuditor(options: AuditOptions, { clock, log, metrics }: AuditorSurroundings): Auditor {
  const { policy, sink, mode } = options;
  const events = metrics.counter({
    name: 'apiserver_audit_event_total',
    help: 'Counter of audit events generated and sent to the audit backend.',
  });
  const errors = metrics.counter<'plugin'>({
    name: 'apiserver_audit_error_total',
    help: 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
    labels: ['plugin'],
  });
  const byLevel = metrics.counter<'level'>({
    name: 'apiserver_audit_level_total',
    help: 'Counter of policy levels for audit events (1 per request).',
    labels: ['level'],
  });
  const rejected = metrics.counter({
    name: 'apiserver_audit_requests_rejected_total',
    help: 'Counter of apiserver requests rejected due to an error in audit logging backend.',
  });
  const failed = (error: unknown, count: number): void => {
    for (let i = 0; i < count; i++) errors.increment({ plugin: 'log' });
    log.error('Cannot write audit events', { events: count, error });
  };
  const batch = options.batch ?? { bufferMax: 10_000, sizeMax: 1, maxWaitMs: 0 };
  let waiting: string[] = [];
  let timer: Timer | undefined;
  let flushing: Promise<void> | undefined;
  const flush = (): Promise<void> => {
    timer?.cancel();
    timer = undefined;
    return (flushing ??= (async () => {
      while (waiting.length > 0) {
        const lines = waiting;
        waiting = [];
        await sink.write(lines.join('')).catch((error: unknown) => failed(error, lines.length));
      }
    })().finally(() => {
      flushing = undefined;
    }));
  };
  const later = (line: string): void => {
    if (waiting.length >= batch.bufferMax) {
      failed(new Error('audit buffer queue blocked'), 1);
      return;
    }
    waiting.push(line);
    if (waiting.length >= batch.sizeMax) void flush();
    else timer ??= clock.timer(batch.maxWaitMs, () => void flush());
  };
  const now = (): string => formatMicroTime(clock.now());
  const emit = (event: JsonObject): Promise<void> | undefined => {
    events.increment({});
    const line = `${encodeText(event)}\n`;
    if (mode === 'batch') {
      later(line);
      return undefined;
    }
    return sink.write(line).catch((error: unknown) => {
      failed(error, 1);
      if (mode === 'blocking-strict' && event.stage === 'RequestReceived') {
        rejected.increment({});
        throw ApiError.internal(new Error('failed to store audit event'));
      }
    });
  };
  return {
    begin(request, info, user, auditId) {
      const recording = recordingOf(policy, info, user);
      byLevel.increment({ level: recording.level });
      if (recording.level === 'None') return undefined;
      return new AuditTrail({ request, info, user, auditId, recording, now, emit });
    },
    async close() {
      await flush();
    },
  };
}

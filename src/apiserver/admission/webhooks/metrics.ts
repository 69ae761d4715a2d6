/** Counts and times webhooks under upstream's names. Source: apiserver/pkg/admission/metrics. */
import type { MetricsRegistry } from '../../../base/metrics.ts';

export interface WebhookOutcome {
  readonly name: string;
  readonly type: 'admit' | 'validating';
  readonly operation: string;
  readonly durationMs: number;
  readonly rejected: boolean;
  readonly code: number;
  /** Why it was rejected. */
  readonly errorType?: 'calling_webhook_error' | 'apiserver_internal_error' | 'no_error';
}

export interface WebhookMetrics {
  observe(outcome: WebhookOutcome): void;
  failedOpen(name: string, type: WebhookOutcome['type']): void;
}

export function createWebhookMetrics(metrics: MetricsRegistry): WebhookMetrics {
  const durations = metrics.histogram<'name' | 'type' | 'operation' | 'rejected'>({
    name: 'apiserver_admission_webhook_admission_duration_seconds',
    help: 'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    labels: ['name', 'type', 'operation', 'rejected'],
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25],
  });
  const requests = metrics.counter<'name' | 'type' | 'operation' | 'code' | 'rejected'>({
    name: 'apiserver_admission_webhook_request_total',
    help: 'Admission webhook request total, identified by name and broken out for each admission type (validating or mutating) and operation.',
    labels: ['name', 'type', 'operation', 'code', 'rejected'],
  });
  const rejections = metrics.counter<'name' | 'type' | 'operation' | 'error_type' | 'rejection_code'>({
    name: 'apiserver_admission_webhook_rejection_count',
    help: 'Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation.',
    labels: ['name', 'type', 'operation', 'error_type', 'rejection_code'],
  });
  const open = metrics.counter<'name' | 'type'>({
    name: 'apiserver_admission_webhook_fail_open_count',
    help: 'Admission webhook fail open count, identified by name and broken out for each admission type (validating or mutating).',
    labels: ['name', 'type'],
  });
  return {
    observe({ name, type, operation, durationMs, rejected, code, errorType }) {
      durations.observe({ name, type, operation, rejected: String(rejected) }, durationMs / 1000);
      requests.increment({ name, type, operation, code: String(Math.min(code, 600)), rejected: String(rejected) });
      if (errorType)
        rejections.increment({ name, type, operation, error_type: errorType, rejection_code: String(code) });
    },
    failedOpen: (name, type) => open.increment({ name, type }),
  };
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetricsRegistry } from '../base/metrics.ts';
import { parseRequestInfo } from './request-info.ts';
import { createRequestMetrics } from './request-metrics.ts';

test('request metrics: names that callers make up are no series', async () => {
  const registry = createMetricsRegistry();
  const metrics = createRequestMetrics(registry, ({ resource }) => resource === 'pods');
  const seen = (method: string, path: string, code: number): void =>
    metrics.observe(
      parseRequestInfo(method, path, new URLSearchParams()),
      { method, dryRun: null, headers: {} },
      code,
      1,
    );
  seen('GET', '/api/v1/namespaces/a/pods', 200);
  for (let i = 0; i < 100; i++) {
    seen('GET', `/apis/group-${i}/v${i}/things-${i}`, 404);
    seen(`METHOD${i}`, '/healthz', 405);
    seen(`METHOD${i}`, `/api/v1/things-${i}`, 404);
  }
  const text = await registry.text();
  const series = text.split('\n').filter((line) => line.startsWith('apiserver_request_total{'));
  assert.equal(series.length, 4, series.join('\n'));
  assert.match(text, /apiserver_request_total\{[^}]*resource="pods"[^}]*\} 1/);
  assert.match(text, /apiserver_request_total\{verb="LIST",group="",version="",resource=""[^}]*\} 100/);
  assert.match(
    text,
    /apiserver_request_sli_duration_seconds_bucket\{verb="LIST",group="",version="v1",resource="pods"[^}]*le="0.05"\} 1\n/,
  );
  assert.doesNotMatch(text, /METHOD|things-|group-/);
});

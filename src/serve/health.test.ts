import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HealthCheck, health } from './health.ts';

const checks: readonly HealthCheck[] = [
  { name: 'ping', check: () => undefined },
  { name: 'etcd', check: async () => 'connection refused' },
  { name: 'informer-sync', on: ['readyz'], check: () => undefined },
];

async function ask(url: string, using = checks): Promise<string> {
  const [path = '', query] = url.split('?');
  const response = await health(path, new URLSearchParams(query), using, () => undefined);
  if (response === undefined) return 'not a health check';
  return `${response.status} ${response.body.kind === 'bytes' ? Buffer.from(response.body.bytes).toString() : ''}`;
}

const cases: readonly (readonly [string, string])[] = [
  ['/livez/ping', '200 ok'],
  ['/livez/etcd', '500 internal server error: connection refused\n'],
  ['/livez/informer-sync', '404 404 page not found\n'],
  ['/readyz/informer-sync', '200 ok'],
  ['/livez', '500 [+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n'],
  ['/livez?exclude=etcd', '200 ok'],
  ['/livez?exclude=etcd&verbose', '200 [+]ping ok\n[+]etcd excluded: ok\nlivez check passed\n'],
  [
    '/livez?exclude=etcd&exclude=x&verbose',
    '200 [+]ping ok\n[+]etcd excluded: ok\nwarn: some health checks cannot be excluded: no matches for "x"\nlivez check passed\n',
  ],
  ['/livez/', '404 404 page not found\n'],
  ['/metrics', 'not a health check'],
];
for (const [url, want] of cases) test(`health: ${url}`, async () => assert.equal(await ask(url), want));

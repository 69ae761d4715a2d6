import assert from 'node:assert/strict';
import { test } from 'node:test';
import { movedTo, pageOf } from './mux.ts';
import { Refused } from './refused.ts';

const mux = '404 404 page not found\n';
const restful = '404 404: Page Not Found';
const method = '405 405: Method Not Allowed';

/** What upstream's kubelet v1.36.3 answered to the same requests. */
for (const [request, wanted] of [
  ['GET /', mux],
  ['GET /foo', mux],
  ['GET /constructor', mux],
  ['GET /healthz', 'healthz'],
  ['POST /healthz', 'healthz'],
  ['GET /healthz/syncloop', 'healthz syncloop'],
  ['GET /healthz/foo', mux],
  ['GET /pods', 'pods'],
  ['GET /pods/', 'pods'],
  ['GET /pods/foo', restful],
  ['POST /pods', method],
  ['HEAD /pods', method],
  ['GET /runningpods', '> /runningpods/'],
  ['GET /runningpods/', 'runningpods'],
  ['POST /configz', 'configz'],
  ['GET /configz/', mux],
  ['GET /stats', '> /stats/'],
  ['GET /stats/', restful],
  ['GET /stats/container', restful],
  ['POST /stats/summary', 'stats summary'],
  ['GET /stats/summary/', 'stats summary'],
  ['GET /metrics/', mux],
  ['GET /metrics/foo', mux],
  ['GET /metrics/resource', 'metrics resource'],
  ['GET /metrics/resource/', mux],
  ['GET /logs', '> /logs/'],
  ['GET /logs/a/b', 'logs a b'],
  ['POST /logs/', method],
  ['GET /containerLogs', restful],
  ['GET /containerLogs/d/p/', restful],
  ['GET /containerLogs/d/p/c', 'containerLogs d p c'],
  ['GET /containerLogs/d/p/c/e', restful],
  ['POST /containerLogs/d/p/c', method],
  ['GET /exec', restful],
  ['GET /exec/d/p', restful],
  ['PUT /exec/d/p/c', method],
  ['POST /exec/d/p/u/c', 'exec d p u c'],
  ['GET /portForward/d/p/u', 'portForward d p u'],
  ['POST /run/d/p', restful],
  ['GET /run/d/p/c', method],
  ['GET /checkpoint', '> /checkpoint/'],
  ['GET /checkpoint/d/p/c', method],
  ['GET /checkpoint/d/p%2Fq/c', method],
  ['GET //pods', '> /pods'],
  ['GET /a/../pods/', '> /pods/'],
  ['GET /..', '> /'],
] as const)
  test(`kubelet server: ${request} is ${JSON.stringify(wanted)}`, () => {
    const [verb = '', path = ''] = request.split(' ');
    assert.equal(answer(verb, path, true), wanted);
  });

test('kubelet server: without debugging handlers logs and exec are refused, pods and statistics are not', () => {
  assert.equal(answer('GET', '/containerLogs/d/p/c', false), '405 Debug endpoints are disabled.\n');
  assert.equal(answer('GET', '/pods', false), 'pods');
});

test('kubelet server: segments are decoded after they were counted', () =>
  assert.deepEqual(pageOf('GET', '/containerLogs/d/p%2Fq/c', { debugging: true }).rest, ['d', 'p/q', 'c']));

function answer(verb: string, path: string, debugging: boolean): string {
  const moved = movedTo(path);
  if (moved !== undefined) return `> ${moved}`;
  try {
    const { name, rest } = pageOf(verb, path, { debugging });
    return [name, ...rest].join(' ');
  } catch (error) {
    assert.ok(error instanceof Refused);
    return `${error.status} ${error.message}`;
  }
}

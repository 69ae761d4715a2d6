import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import type { JsonObject } from '../api/json.ts';
import { silentLogger } from '../base/console-log.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createClient } from './create-client.ts';
import { createEventRecorder } from './event-recorder.ts';
import { createInProcessTransport } from './in-process-transport.ts';
import { createFakeApiServer, failure } from './testdata/fake-api-server.ts';

const pod = (name = 'web') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'ns', uid: 'u', resourceVersion: '7' },
});

function setUp() {
  const clock = createVirtualClock();
  const server = createFakeApiServer();
  const client = createClient(createInProcessTransport(server.handler, { clock }));
  const recorder = createEventRecorder(client, {
    clock,
    random: createSeededRandom(1),
    log: silentLogger,
    component: 'kubelet',
    host: 'node-1',
  });
  const stored = async (): Promise<JsonObject[]> => {
    const response = await server.handler({
      method: 'GET',
      path: '/api/v1/events',
      query: '',
      headers: {},
      remoteAddress: '',
      signal: new AbortController().signal,
    });
    return response.body.kind === 'object' ? (response.body.object.value().items as JsonObject[]) : [];
  };
  return { clock, server, recorder, stored };
}

test('events: the fields that kubectl describe shows', async () => {
  const { clock, recorder, stored } = setUp();
  recorder.event(pod(), { type: 'Normal', reason: 'Pulled', message: 'Image is here' });
  await clock.settle();
  const [{ metadata, ...event }] = (await stored()) as [JsonObject];
  assert.match(String((metadata as JsonObject).name), /^web\.[0-9a-f]{16}$/);
  assert.deepEqual(event, {
    involvedObject: { kind: 'Pod', namespace: 'ns', name: 'web', uid: 'u', apiVersion: 'v1', resourceVersion: '7' },
    type: 'Normal',
    reason: 'Pulled',
    message: 'Image is here',
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 1,
    source: { component: 'kubelet', host: 'node-1' },
    reportingComponent: 'kubelet',
    reportingInstance: 'node-1',
  });
  await recorder.stop();
});

test('events: the same again is counted, not repeated', async () => {
  const { clock, recorder, stored } = setUp();
  for (let i = 0; i < 3; i++) {
    recorder.event(pod(), { type: 'Warning', reason: 'BackOff', message: 'Back-off' });
    await clock.advance(1000);
  }
  const events = await stored();
  assert.deepEqual(
    events.map((e) => [e.count, e.firstTimestamp, e.lastTimestamp]),
    [[3, '2026-01-01T00:00:00Z', '2026-01-01T00:00:02Z']],
  );
  await recorder.stop();
});

test('events: from the tenth different message of a kind on they are combined', async () => {
  const { clock, recorder, stored } = setUp();
  for (let i = 0; i < 15; i++)
    recorder.event(pod(), { type: 'Normal', reason: 'SuccessfulCreate', message: `Created ${i}` });
  await clock.settle();
  const events = await stored();
  assert.equal(events.length, 10);
  assert.deepEqual(
    events.filter((e) => String(e.message).startsWith('(combined')).map((e) => [e.message, e.count]),
    [['(combined from similar events): Created 14', 6]],
  );
  await recorder.stop();
});

test('events: a source is held to 25 about one object, others are not', async () => {
  const { clock, recorder, server } = setUp();
  for (let i = 0; i < 100; i++) recorder.event(pod(), { type: 'Normal', reason: `R${i}`, message: 'm' });
  recorder.event(pod('other'), { type: 'Normal', reason: 'R', message: 'm' });
  await clock.settle();
  assert.equal(server.requests.length, 26);
  await clock.advance(300_000);
  recorder.event(pod(), { type: 'Normal', reason: 'Late', message: 'm' });
  await clock.settle();
  assert.equal(server.requests.length, 27);
  await recorder.stop();
});

test('events: with an action they are a series, counted at the first repeat and at the end', async () => {
  const { clock, recorder, server, stored } = setUp();
  const say = (): void =>
    recorder
      .withComponent('default-scheduler')
      .event(pod(), { type: 'Warning', reason: 'FailedScheduling', action: 'Scheduling', message: '0/1 nodes' });
  say();
  await clock.settle();
  const [first] = await stored();
  assert.deepEqual(
    [first!.eventTime, first!.action, first!.reportingComponent, first!.reportingInstance, first!.series, first!.count],
    [
      '2026-01-01T00:00:00.000000Z',
      'Scheduling',
      'default-scheduler',
      'default-scheduler-node-1',
      undefined,
      undefined,
    ],
  );
  for (let i = 0; i < 4; i++) {
    await clock.advance(1000);
    say();
  }
  await clock.settle();
  assert.deepEqual((await stored())[0]!.series, { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' });
  const writes = server.requests.filter((r) => !r.startsWith('GET')).length;
  assert.equal(writes, 2);
  await clock.advance(13 * 60_000);
  assert.deepEqual((await stored())[0]!.series, { count: 5, lastObservedTime: '2026-01-01T00:00:04.000000Z' });
  await recorder.stop();
  assert.equal(clock.pendingTimers, 0);
});

test('events: a refused event is dropped, later ones still go out', async () => {
  const { clock, recorder, server, stored } = setUp();
  server.intercept = () => failure(ApiError.forbidden({ group: '', resource: 'events' }, '', 'namespace is ending'));
  recorder.event(pod(), { type: 'Normal', reason: 'A', message: 'm' });
  await clock.settle();
  server.intercept = undefined;
  recorder.event(pod(), { type: 'Normal', reason: 'B', message: 'm' });
  await clock.settle();
  assert.deepEqual(
    (await stored()).map((e) => e.reason),
    ['B'],
  );
  await recorder.stop();
});

test('events: an event whose first form is gone is written anew with the count', async () => {
  const { clock, recorder, server, stored } = setUp();
  const say = (): void => recorder.event(pod(), { type: 'Normal', reason: 'A', message: 'm' });
  say();
  await clock.settle();
  const { name } = (await stored())[0]!.metadata as { name: string };
  server.remove(`/api/v1/namespaces/ns/events/${name}`);
  say();
  await clock.settle();
  assert.deepEqual(
    (await stored()).map((e) => e.count),
    [2],
  );
  await recorder.stop();
});

test('events: nothing is recorded after the stop', async () => {
  const { clock, recorder, server } = setUp();
  await recorder.stop();
  recorder.event(pod(), { type: 'Normal', reason: 'A', message: 'm' });
  await clock.settle();
  assert.deepEqual(server.requests, []);
});

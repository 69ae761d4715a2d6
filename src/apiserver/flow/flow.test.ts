import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import type { FlowSchema } from '../../api/types/flowcontrol-v1.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import { alwaysAllow } from '../authorization/union.ts';
import { parseRequestInfo } from '../request-info.ts';
import { type Answer, startTestServer, type TestServer } from '../testdata/test-server.ts';
import { compileSchemas, schemaFor } from './classify.ts';
import { Deadlines } from './deadlines.ts';
import { type LevelSettings, PriorityLevel, type Seating } from './priority-level.ts';

const never = new AbortController().signal;

describe('flow: classification', () => {
  const schema = (name: string, precedence: number, subject: object, rules: object): FlowSchema =>
    ({
      metadata: { name, uid: name },
      spec: {
        priorityLevelConfiguration: { name: 'level' },
        matchingPrecedence: precedence,
        rules: [{ subjects: [subject], ...rules }],
      },
    }) as FlowSchema;
  const group = (name: string) => ({ kind: 'Group', group: { name } });
  const all = {
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  };
  const schemas = compileSchemas(
    [
      schema('late', 100, group('*'), { ...all, nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }] }),
      schema('b-same', 50, group('devs'), all),
      schema('a-same', 50, group('devs'), all),
      schema('account', 10, { kind: 'ServiceAccount', serviceAccount: { namespace: 'ns', name: '*' } }, all),
      schema(
        'one',
        5,
        { kind: 'User', user: { name: 'jane' } },
        {
          resourceRules: [{ verbs: ['get'], apiGroups: ['apps'], resources: ['deployments/scale'], namespaces: ['x'] }],
        },
      ),
      schema('health', 1, group('*'), {
        nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/logs/*'] }],
      }),
      {
        ...schema('dangling', 0, group('*'), all),
        spec: { ...schema('', 0, group('*'), all).spec!, priorityLevelConfiguration: { name: 'none' } },
      },
    ],
    new Set(['level']),
  );
  for (const [user, groups, method, path, wanted] of [
    ['jane', [], 'GET', '/apis/apps/v1/namespaces/x/deployments/d/scale', 'one'],
    ['jane', [], 'GET', '/apis/apps/v1/namespaces/y/deployments/d/scale', 'late'],
    ['jane', [], 'PUT', '/apis/apps/v1/namespaces/x/deployments/d/scale', 'late'],
    ['jane', [], 'GET', '/apis/apps/v1/namespaces/x/deployments/d', 'late'],
    ['joe', ['devs'], 'GET', '/api/v1/nodes', 'a-same'],
    ['system:serviceaccount:ns:x', [], 'GET', '/api/v1/nodes', 'account'],
    ['system:serviceaccount:ns2:x', [], 'GET', '/api/v1/nodes', 'late'],
    ['joe', [], 'GET', '/healthz', 'health'],
    ['joe', [], 'GET', '/healthz/etcd', 'health'],
    ['joe', [], 'GET', '/logs/a', 'health'],
    ['joe', [], 'GET', '/version', 'late'],
  ] as const)
    test(`${user} ${method} ${path} falls under ${wanted}`, () => {
      const info = parseRequestInfo(method, path, new URLSearchParams());
      assert.equal(schemaFor(schemas, { name: user, groups: [...groups, '*'] }, info)?.name, wanted);
    });
});

describe('flow: seats and queues', () => {
  const limited = (over: Partial<LevelSettings> = {}): LevelSettings => ({
    exempt: false,
    shares: 1,
    lendablePercent: 0,
    borrowingLimitPercent: undefined,
    queuing: { queues: 4, handSize: 1, lengthMax: 2 },
    ...over,
  });
  const levelOf = (settings: LevelSettings, nominal: number, clock = createVirtualClock(), borrow = false) => {
    const level = new PriorityLevel('l', 'u', settings, clock, () => borrow);
    level.nominal = nominal;
    return level;
  };
  const enter = (level: PriorityLevel, flow = 'f') =>
    level.enter(
      () => flow,
      1000,
      () => never,
    );

  test('a full level queues, then refuses', async () => {
    const level = levelOf(limited(), 1);
    assert.equal(enter(level), 'seated');
    const waiting = [enter(level), enter(level)];
    assert.ok(waiting.every((each) => each instanceof Promise));
    assert.equal(enter(level), 'queue-full');
    level.leave();
    assert.equal(await waiting[0], 'seated');
    level.leave();
    assert.equal(await waiting[1], 'seated');
    assert.deepEqual([level.executing, level.waiting], [1, 0]);
  });
  test('without queues it refuses at once; an exempt one never does', () => {
    const level = levelOf(limited({ queuing: undefined }), 1);
    assert.deepEqual([enter(level), enter(level)], ['seated', 'concurrency-limit']);
    const exempt = levelOf(limited({ exempt: true }), 0);
    assert.deepEqual([enter(exempt), enter(exempt)], ['seated', 'seated']);
  });
  test('flows take turns: a busy one does not starve another', async () => {
    const level = levelOf(limited({ queuing: { queues: 64, handSize: 4, lengthMax: 50 } }), 1);
    enter(level);
    const order: string[] = [];
    const wait = async (flow: string): Promise<void> => {
      const seating: Seating = await enter(level, flow);
      assert.equal(seating, 'seated');
      order.push(flow);
    };
    const busy = Array.from({ length: 20 }, () => wait('busy'));
    const quiet = wait('quiet');
    for (let i = 0; i < 21; i++) {
      level.leave();
      await Promise.race([quiet, ...busy]);
      await Promise.resolve();
    }
    await Promise.all([quiet, ...busy]);
    assert.ok(order.indexOf('quiet') <= 5, `it came after ${order.indexOf('quiet')}`);
  });
  test('who waits too long, or goes away, is let go', async () => {
    const clock = createVirtualClock();
    const level = levelOf(limited(), 1, clock);
    enter(level);
    const late = enter(level);
    const leaving = new AbortController();
    const gone = level.enter(
      () => 'f',
      1000,
      () => leaving.signal,
    );
    leaving.abort();
    assert.equal(await gone, 'cancelled');
    await clock.advance(1000);
    assert.equal(await late, 'time-out');
    assert.equal(level.waiting, 0);
  });
  test('idle seats of others are borrowed up to the limit', () => {
    const level = levelOf(limited({ borrowingLimitPercent: 100, queuing: undefined }), 2, createVirtualClock(), true);
    const got = Array.from({ length: 5 }, () => enter(level));
    assert.deepEqual(got, ['seated', 'seated', 'seated', 'seated', 'concurrency-limit']);
    assert.equal(levelOf(limited({ lendablePercent: 50 }), 10).guaranteed, 5);
  });
});

describe('flow: deadlines', () => {
  test('in the order they came, the answered ones not at all, short ones by themselves', async () => {
    const clock = createVirtualClock();
    const deadlines = new Deadlines(clock, 1000);
    const expired: string[] = [];
    const start = (name: string, ms?: number) => deadlines.start(ms, () => expired.push(name));
    start('a');
    await clock.advance(100);
    const answered = start('b');
    start('c');
    start('short', 50);
    start('longer than the server', 5000);
    answered.done();
    await clock.advance(60);
    assert.deepEqual(expired, ['short']);
    await clock.advance(840);
    assert.deepEqual(expired, ['short', 'a']);
    await clock.advance(200);
    assert.deepEqual(expired, ['short', 'a', 'c', 'longer than the server']);
  });
});

describe('flow: the server', () => {
  const flows = '/apis/flowcontrol.apiserver.k8s.io/v1';
  const serving = async (
    use: (api: TestServer & { hold(): Promise<Answer>; release(): void; metrics(): Promise<string> }) => Promise<void>,
    user: UserInfo = { name: 'joe', groups: ['devs'] },
  ): Promise<void> => {
    const metrics = createMetricsRegistry();
    const held: (() => void)[] = [];
    const api = await startTestServer({
      metrics,
      requestsInFlightMax: 2,
      requestTimeoutMs: 8000,
      security: () => ({
        authenticate: () => user,
        authorizer: alwaysAllow,
        admission: [
          {
            name: 'Slow',
            handles: () => true,
            validate: ({ name }) => (name === 'slow' ? new Promise((resolve) => held.push(resolve)) : undefined),
          },
        ],
      }),
    });
    try {
      await api.create('/api/v1/namespaces', { metadata: { name: 'd' } });
      const slow = { metadata: { name: 'slow' } };
      await use({
        ...api,
        hold: () => api.send('POST', '/api/v1/namespaces/d/configmaps?dryRun=All', slow),
        release: () => {
          for (const one of held.splice(0)) one();
        },
        metrics: () => metrics.text(),
      });
    } finally {
      for (const one of held) one();
      await api.stop();
    }
  };
  const level = (over: JsonObject = {}) => ({
    metadata: { name: 'narrow' },
    spec: {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 1, borrowingLimitPercent: 0, limitResponse: { type: 'Reject' }, ...over },
    },
  });
  const flowSchema = (name = 'narrow') => ({
    metadata: { name: 'devs' },
    spec: {
      priorityLevelConfiguration: { name },
      matchingPrecedence: 2,
      rules: [
        {
          subjects: [{ kind: 'Group', group: { name: 'devs' } }],
          resourceRules: [{ verbs: ['*'], apiGroups: [''], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
        },
      ],
    },
  });
  const settle = async (clock: VirtualClock): Promise<void> => {
    for (let i = 0; i < 20; i++) await clock.yield();
  };
  test('answers carry the uids, also refusals', () =>
    serving(async (api) => {
      const plain = await api.send('GET', '/api/v1/namespaces/d');
      assert.equal(plain.headers['x-kubernetes-pf-flowschema-uid'], undefined);
      const levelUid = ((await api.create(`${flows}/prioritylevelconfigurations`, level())).metadata as { uid: string })
        .uid;
      const schemaUid = ((await api.create(`${flows}/flowschemas`, flowSchema())).metadata as { uid: string }).uid;
      for (const path of ['/api/v1/namespaces/d', '/api/v1/namespaces/none']) {
        const { headers } = await api.send('GET', path);
        assert.equal(headers['x-kubernetes-pf-flowschema-uid'], schemaUid);
        assert.equal(headers['x-kubernetes-pf-prioritylevel-uid'], levelUid);
      }
    }));
  test('beyond the seats: 429 with Retry-After', () =>
    serving(async (api) => {
      await api.create(`${flows}/prioritylevelconfigurations`, level());
      await api.create(`${flows}/flowschemas`, flowSchema());
      const holding = [api.hold(), api.hold()];
      await settle(api.clock);
      const refused = await api.send('GET', '/api/v1/namespaces/d');
      assert.deepEqual(
        [refused.status, refused.text, refused.headers['retry-after']],
        [429, 'Too many requests, please try again later.\n', '1'],
      );
      // Other flows go on.
      assert.equal((await api.send('GET', '/apis/apps/v1/deployments')).status, 200);
      assert.match(
        await api.metrics(),
        /apiserver_flowcontrol_rejected_requests_total{priority_level="narrow",flow_schema="devs",reason="concurrency-limit"} 1/,
      );
      api.release();
      await Promise.all(holding);
      assert.equal((await api.send('GET', '/api/v1/namespaces/d')).status, 200);
    }));
  test("a request's time: the server's, or a shorter one of the caller's", () =>
    serving(async (api) => {
      const late = { status: 504, message: 'Timeout: request did not complete within the allotted timeout' };
      const both = [
        api.hold(),
        api.send('POST', '/api/v1/namespaces/d/configmaps?timeout=3s&dryRun=All', { metadata: { name: 'slow' } }),
      ];
      await settle(api.clock);
      await api.clock.advance(3000);
      const short = await both[1]!;
      assert.deepEqual({ status: short.status, message: short.body.message }, late);
      await api.clock.advance(5000);
      const long = await both[0]!;
      assert.deepEqual({ status: long.status, message: long.body.message }, late);
      api.release();
      assert.equal((await api.send('GET', '/api/v1/namespaces/d?timeout=x')).status, 400);
    }));
  test('a FlowSchema that leads nowhere says so, and no more once its level is there', () =>
    serving(async (api) => {
      const condition = async () => {
        const { body } = await api.send('GET', `${flows}/flowschemas/devs`);
        return (body.status as { conditions?: { status: string; reason: string; message: string }[] }).conditions?.[0];
      };
      await api.create(`${flows}/flowschemas`, flowSchema());
      await settle(api.clock);
      assert.deepEqual(
        [(await condition())?.status, (await condition())?.message],
        [
          'True',
          'This FlowSchema references the PriorityLevelConfiguration object named "narrow" but there is no such object',
        ],
      );
      await api.create(`${flows}/prioritylevelconfigurations`, level());
      await settle(api.clock);
      assert.deepEqual([(await condition())?.status, (await condition())?.reason], ['False', 'Found']);
    }));
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import { createMetricsRegistry } from '../../../base/metrics.ts';
import { startTestServer, type TestServer } from '../../testdata/test-server.ts';
import type { WebhookCall } from '../../webhook/client.ts';

type Review = { request: JsonObject & { uid: string; object: JsonObject | null; name?: string } };
/** What a webhook answers: fields of the response, or a failure of the call. */
type Reply = JsonObject | Error | Promise<JsonObject>;
type Webhooks = Readonly<Record<string, (request: Review['request'], call: WebhookCall) => Reply>>;

interface Setting extends TestServer {
  readonly asked: { readonly path: string; readonly request: Review['request']; readonly version: string }[];
  readonly metrics: () => Promise<string>;
}

const base = '/apis/admissionregistration.k8s.io/v1';
const maps = '/api/v1/namespaces/d/configmaps';

/** The API server with webhooks that are functions, found by the path of their URL. */
async function hooked(webhooks: Webhooks, use: (setting: Setting) => Promise<void>): Promise<void> {
  const asked: Setting['asked'] = [];
  const metrics = createMetricsRegistry();
  const api = await startTestServer({
    metrics,
    webhooks: {
      async call(call) {
        const path = new URL(call.config.url!).pathname.slice(1);
        const { request, apiVersion } = call.body as unknown as Review & { apiVersion: string };
        asked.push({ path, request, version: apiVersion });
        const reply = await webhooks[path]!(request, call);
        if (reply instanceof Error) throw reply;
        if (reply.whole) return reply.whole as JsonObject;
        return { kind: 'AdmissionReview', apiVersion, response: { uid: request.uid, ...reply } };
      },
    },
  });
  try {
    await api.create('/api/v1/namespaces', { metadata: { name: 'd', labels: { team: 'a' } } });
    await use({ ...api, asked, metrics: () => metrics.text() });
  } finally {
    await api.stop();
  }
}

const rule = (over: object = {}) => ({
  operations: ['*'],
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['configmaps'],
  ...over,
});
const hook = (name: string, over: object = {}) => ({
  name: `${name}.example.com`,
  clientConfig: { url: `https://hooks.example.com/${name}` },
  rules: [rule()],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  ...over,
});
const configure = (api: TestServer, kind: 'mutating' | 'validating', name: string, ...webhooks: object[]) =>
  api.create(`${base}/${kind}webhookconfigurations`, { metadata: { name }, webhooks });
const patch = (...operations: object[]): JsonObject => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});
const add = (key: string, value = 'yes') => patch({ op: 'add', path: `/data/${key}`, value });
const map = (name: string, data: object = { a: 'b' }) => ({ metadata: { name }, data });
const said = (answer: { status: number; body: Readonly<Record<string, unknown>> }): string =>
  `${answer.status} ${String(answer.body.message ?? '')}`;
const dataOf = (answer: { body: Readonly<Record<string, unknown>> }) => answer.body.data;

describe('webhooks: mutating', () => {
  test('one after the other, by the name of their configuration, each sees what the one before made', () =>
    hooked({ one: () => add('one'), two: () => add('two'), three: () => ({ allowed: true }) }, async (api) => {
      await configure(api, 'mutating', 'b', hook('two'));
      await configure(api, 'mutating', 'a', hook('one'), hook('three'));
      const answer = await api.send('POST', maps, map('x'));
      assert.deepEqual(dataOf(answer), { a: 'b', one: 'yes', two: 'yes' });
      assert.deepEqual(
        api.asked.map(({ path, request }) => [path, Object.keys((request.object as { data: object }).data).length]),
        [
          ['one', 1],
          ['three', 2],
          ['two', 2],
        ],
      );
    }));
  test('the request as upstream describes it', () =>
    hooked({ one: () => ({ allowed: true }) }, async (api) => {
      await configure(api, 'mutating', 'a', hook('one'));
      await api.send('POST', `${maps}?fieldManager=me`, map('x'));
      await api.send('PUT', `${maps}/x?dryRun=All`, map('x', { c: 'd' }));
      await api.send('DELETE', `${maps}/x`);
      const [create, update, gone] = api.asked.map(({ request }) => request);
      const { uid, object, ...rest } = create!;
      assert.match(uid, /^[0-9a-f-]{36}$/);
      assert.equal((object as { kind: string }).kind, 'ConfigMap');
      const group = { group: '', version: 'v1' };
      assert.deepEqual(rest, {
        kind: { ...group, kind: 'ConfigMap' },
        resource: { ...group, resource: 'configmaps' },
        requestKind: { ...group, kind: 'ConfigMap' },
        requestResource: { ...group, resource: 'configmaps' },
        name: 'x',
        namespace: 'd',
        operation: 'CREATE',
        userInfo: { username: 'tester', groups: ['system:masters'] },
        oldObject: null,
        dryRun: false,
        options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' },
      });
      assert.deepEqual(
        [update!.operation, update!.dryRun, (update!.oldObject as { data: object }).data],
        ['UPDATE', true, { a: 'b' }],
      );
      assert.deepEqual(
        [gone!.operation, gone!.object, (gone!.oldObject as { data: object }).data],
        ['DELETE', null, { a: 'b' }],
      );
    }));
  test('what a patch makes is decoded and defaulted as a request is', () =>
    hooked(
      {
        one: () =>
          patch({
            op: 'add',
            path: '/spec/containers/-',
            value: { name: 'side', image: 'i', ports: [{ containerPort: 1 }], unknown: 1 },
          }),
      },
      async (api) => {
        await configure(api, 'mutating', 'a', hook('one', { rules: [rule({ resources: ['pods'] })] }));
        const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
        const { body } = await api.send('POST', '/api/v1/namespaces/d/pods', pod);
        const { containers } = body.spec as { containers: Record<string, unknown>[] };
        assert.deepEqual(
          [containers[1]!.imagePullPolicy, containers[1]!.ports, containers[1]!.unknown],
          ['Always', [{ containerPort: 1, protocol: 'TCP' }], undefined],
        );
      },
    ));
  test('asked again only when something changed after them, and they want to be', () =>
    hooked(
      {
        first: (request) =>
          (request.object as { data: Record<string, string> }).data.second ? add('again') : { allowed: true },
        never: () => ({ allowed: true }),
        second: () => add('second'),
      },
      async (api) => {
        const again = { reinvocationPolicy: 'IfNeeded' };
        await configure(api, 'mutating', 'a', hook('first', again), hook('never'), hook('second', again));
        const answer = await api.send('POST', maps, map('x'));
        assert.deepEqual(
          api.asked.map(({ path }) => path),
          ['first', 'never', 'second', 'first', 'second'],
        );
        assert.deepEqual(dataOf(answer), { a: 'b', again: 'yes', second: 'yes' });
      },
    ));
  test('bad answers', () =>
    hooked(
      {
        one: ({ name }) => {
          switch (name) {
            case 'absent':
              return { whole: { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' } };
            case 'other-uid':
              return { uid: 'x', allowed: true };
            case 'other-kind':
              return { whole: { kind: 'Review', apiVersion: 'admission.k8s.io/v1', response: {} } };
            case 'no-type':
              return { allowed: true, patch: 'W10=' };
            case 'no-patch':
              return { allowed: true, patchType: 'JSONPatch' };
            case 'undecodable':
              return { allowed: true, patchType: 'JSONPatch', patch: 'e30=' };
            case 'unappliable':
              return patch({ op: 'remove', path: '/data/none' });
            default:
              return patch({ op: 'add', path: '/data', value: 1 });
          }
        },
      },
      async (api) => {
        await configure(api, 'mutating', 'a', hook('one'));
        const failed = '500 Internal error occurred: failed calling webhook "one.example.com": ';
        for (const [name, wanted] of [
          ['absent', `${failed}received invalid webhook response: webhook response was absent`],
          [
            'no-type',
            `${failed}received invalid webhook response: webhook returned response.patch but not response.patchType`,
          ],
          [
            'no-patch',
            `${failed}received invalid webhook response: webhook returned response.patchType but not response.patch`,
          ],
          ['unappliable', /^500 Internal error occurred: .*none/],
          ['bad-type', /^500 Internal error occurred: .*cannot unmarshal/],
          ['other-uid', /expected response.uid="[0-9a-f-]+", got "x"$/],
          ['undecodable', /^500 .*received undecodable patch in webhook response: /],
        ] as const) {
          const got = said(await api.send('POST', maps, map(name)));
          if (typeof wanted === 'string') assert.equal(got, wanted);
          else assert.match(got, wanted);
        }
      },
    ));
});

describe('webhooks: validating', () => {
  test('a no, in the words of the webhook', () =>
    hooked(
      {
        one: ({ name }) =>
          name === 'silent'
            ? { allowed: false }
            : name === 'reason'
              ? { allowed: false, status: { reason: 'Because', code: 402 } }
              : {
                  allowed: false,
                  status: { message: 'not this', code: 403, reason: 'Forbidden', details: { kind: 'x' } },
                },
      },
      async (api) => {
        await configure(api, 'validating', 'a', hook('one'));
        const by = 'admission webhook "one.example.com" denied the request';
        assert.equal(said(await api.send('POST', maps, map('silent'))), `400 ${by} without explanation`);
        assert.equal(said(await api.send('POST', maps, map('reason'))), `402 ${by}: Because`);
        const { body } = await api.send('POST', maps, map('words'));
        assert.deepEqual(body, {
          kind: 'Status',
          apiVersion: 'v1',
          metadata: {},
          status: 'Failure',
          message: `${by}: not this`,
          reason: 'Forbidden',
          details: { kind: 'x' },
          code: 403,
        });
        assert.match(
          await api.metrics(),
          /apiserver_admission_webhook_rejection_count{name="one.example.com",type="validating",operation="CREATE",error_type="no_error",rejection_code="403"} 1/,
        );
      },
    ));
  test('all at once; warnings and the failure policy', () => {
    const both = Promise.withResolvers<JsonObject>();
    return hooked(
      {
        one: () => both.promise,
        two: () => {
          both.resolve({ allowed: true });
          return { allowed: true, warnings: ['careful'], auditAnnotations: { k: 'v' } };
        },
        open: () => new Error('Post "https://x": dial tcp: connection refused'),
      },
      async (api) => {
        await configure(api, 'validating', 'a', hook('one'), hook('two'), hook('open', { failurePolicy: 'Ignore' }));
        const answer = await api.send('POST', maps, map('x'));
        assert.equal(answer.status, 201);
        assert.equal(answer.headers.warning, '299 - "careful"');
        assert.match(await api.metrics(), /fail_open_count{name="open.example.com",type="validating"} 1/);
      },
    );
  });
  test('a webhook that cannot be asked, and the time it is given', () =>
    hooked(
      {
        one: (_, { timeoutMs }) =>
          timeoutMs === 3000
            ? new ApiError({
                code: 500,
                message: 'an error on the server ("x") has prevented the request from succeeding',
              })
            : new Error(`${timeoutMs}`),
      },
      async (api) => {
        await configure(api, 'validating', 'a', hook('one', { timeoutSeconds: 3 }));
        assert.equal(
          said(await api.send('POST', maps, map('x'))),
          '500 Internal error occurred: failed calling webhook "one.example.com": failed to call webhook: an error on the server ("x") has prevented the request from succeeding',
        );
      },
    ));
  test('a patch, or a dry run where there would be side effects, is refused', () =>
    hooked({ one: () => add('x'), two: () => ({ allowed: true }) }, async (api) => {
      await configure(api, 'validating', 'a', hook('one', { objectSelector: { matchLabels: { a: 'b' } } }));
      await configure(api, 'validating', 'b', hook('two', { sideEffects: 'NoneOnDryRun' }));
      const labelled = { ...map('x'), metadata: { name: 'x', labels: { a: 'b' } } };
      assert.match(said(await api.send('POST', maps, labelled)), /validating webhook may not return response\.patch$/);
      assert.equal((await api.send('POST', `${maps}?dryRun=All`, map('y'))).status, 201);
    }));
  test('deletions of a collection are asked about one by one', () =>
    hooked({ one: ({ name }) => ({ allowed: name !== 'stays' }) }, async (api) => {
      await api.create(maps, map('goes'));
      await api.create(maps, map('stays'));
      await configure(api, 'validating', 'a', hook('one', { rules: [rule({ operations: ['DELETE'] })] }));
      assert.equal((await api.send('DELETE', maps)).status, 400);
      assert.equal((await api.send('GET', `${maps}/goes`)).status, 404);
      assert.equal((await api.send('GET', `${maps}/stays`)).status, 200);
    }));
});

describe('webhooks: who is asked', () => {
  const asks = async (over: object, act: (api: Setting) => Promise<unknown>): Promise<number> => {
    let count = 0;
    await hooked({ one: () => ({ allowed: true }) }, async (api) => {
      await configure(api, 'validating', 'a', hook('one', over));
      await act(api);
      count = api.asked.length;
    });
    return count;
  };
  const create = (api: TestServer) => api.create(maps, map('x'));
  for (const [name, over, wanted] of [
    ['the rule names it', {}, 1],
    ['another operation', { rules: [rule({ operations: ['UPDATE', 'DELETE'] })] }, 0],
    ['another group', { rules: [rule({ apiGroups: ['apps'] })] }, 0],
    ['all resources', { rules: [rule({ resources: ['*'] })] }, 1],
    ['subresources alone', { rules: [rule({ resources: ['*/status', 'configmaps/*'] })] }, 1],
    ['subresources of others', { rules: [rule({ resources: ['*/status'] })] }, 0],
    ['namespaced', { rules: [rule({ scope: 'Namespaced' })] }, 1],
    ['cluster-scoped', { rules: [rule({ scope: 'Cluster' })] }, 0],
    ['labels of the namespace', { namespaceSelector: { matchLabels: { team: 'a' } } }, 1],
    ['other labels of the namespace', { namespaceSelector: { matchLabels: { team: 'b' } } }, 0],
    ['labels of the object', { objectSelector: { matchLabels: { x: 'y' } } }, 0],
    ['labels it must not have', { objectSelector: { matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] } }, 1],
  ] as const)
    test(name, async () => assert.equal(await asks(over, create), wanted));
  test('namespaces are cluster-scoped and judged by their own labels', async () => {
    const over = {
      rules: [rule({ resources: ['namespaces'], scope: 'Cluster' })],
      namespaceSelector: { matchLabels: { watched: 'yes' } },
    };
    const act = async (api: TestServer) => {
      await api.create('/api/v1/namespaces', { metadata: { name: 'n1', labels: { watched: 'yes' } } });
      await api.create('/api/v1/namespaces', { metadata: { name: 'n2' } });
    };
    assert.equal(await asks(over, act), 1);
  });
  test('never about the configurations themselves', async () => {
    const over = { rules: [rule({ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] })] };
    const act = (api: TestServer) => configure(api, 'mutating', 'other', hook('other'));
    assert.equal(await asks(over, act), 0);
  });
  test('in another version of the same objects, converted both ways', () =>
    hooked({ one: () => patch({ op: 'add', path: '/metadata/labels', value: { seen: 'yes' } }) }, async (api) => {
      const old = rule({ apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['horizontalpodautoscalers'] });
      await configure(api, 'mutating', 'a', hook('one', { rules: [old] }));
      await configure(api, 'mutating', 'b', hook('exact', { rules: [old], matchPolicy: 'Exact' }));
      const answer = await api.send('POST', '/apis/autoscaling/v2/namespaces/d/horizontalpodautoscalers', {
        metadata: { name: 'h' },
        spec: {
          scaleTargetRef: { kind: 'Deployment', name: 'x', apiVersion: 'apps/v1' },
          maxReplicas: 3,
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
          ],
        },
      });
      assert.equal(answer.status, 201, answer.text);
      const { request } = api.asked[0]!;
      assert.equal(api.asked.length, 1);
      assert.deepEqual((request.kind as { version: string }).version, 'v1');
      assert.deepEqual((request.requestKind as { version: string }).version, 'v2');
      assert.equal(
        (request.object as { spec: { targetCPUUtilizationPercentage: number } }).spec.targetCPUUtilizationPercentage,
        70,
      );
      assert.deepEqual((answer.body.metadata as { labels: object }).labels, { seen: 'yes' });
      assert.equal(answer.body.apiVersion, 'autoscaling/v2');
    }));
  test('about connections', () =>
    hooked({ one: () => ({ allowed: false, status: { message: 'no' } }) }, async (api) => {
      await configure(
        api,
        'validating',
        'a',
        hook('one', { rules: [rule({ operations: ['CONNECT'], resources: ['pods/exec', 'services/proxy'] })] }),
      );
      const denied = '400 admission webhook "one.example.com" denied the request: no';
      assert.equal(said(await api.send('GET', '/api/v1/namespaces/d/pods/p/exec?command=a&command=b&stdin=1')), denied);
      assert.equal(said(await api.send('GET', '/api/v1/namespaces/d/services/s:80/proxy/x/y')), denied);
      const [exec, proxy] = api.asked.map(({ request }) => request);
      assert.deepEqual(exec!.object, { kind: 'PodExecOptions', apiVersion: 'v1', stdin: true, command: ['a', 'b'] });
      assert.deepEqual([exec!.subResource, exec!.name, exec!.options], ['exec', 'p', null]);
      assert.deepEqual(proxy!.object, { kind: 'ServiceProxyOptions', apiVersion: 'v1', path: '/x/y' });
    }));
  test('matchConditions decide, and one that fails counts by the policy', () =>
    hooked({ one: () => ({ allowed: false }) }, async (api) => {
      const only = (expression: string): object => hook('one', { matchConditions: [{ name: 'c', expression }] });
      await configure(api, 'validating', 'a', only("object.metadata.name != 'x'"));
      assert.equal(said(await api.send('POST', maps, map('x'))), '201 ');
      assert.match(said(await api.send('POST', maps, map('y'))), /denied the request/);
      await configure(api, 'validating', 'b', only("object.data.missing == 'x'"));
      assert.match(
        said(await api.send('POST', maps, map('z'))),
        /^403 configmaps "z" is forbidden: expression 'object.data.missing == 'x'' resulted in error: no such key/,
      );
    }));
});

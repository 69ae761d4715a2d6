import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import type { Logger } from '../../base/log.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { createMemoryStore } from '../../store/memory/memory-store.ts';
import { type BootstrapConfig, bootstrap, bootstrapObjects, firstServiceAddress, runPostStart } from './index.ts';
import { createStoredObjects } from './stored-objects.ts';

const nothing = (): void => undefined;
const quiet: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, with: () => quiet };
const config: BootstrapConfig = { serviceCidrs: ['10.96.0.0/12'], securePort: 6443, clientCa: pem('A') };

function pem(text: string): string {
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
}

function world(seed = 1) {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const random = createSeededRandom(seed);
  const stored = createStoredObjects({ store, clock, random });
  const at = (group: string, resource: string, namespace: string, name: string): string =>
    stored.key(group, resource, namespace, name);
  const read = async (...path: [string, string, string, string]): Promise<JsonObject | undefined> =>
    (await stored.get(at(...path)))?.object;
  const write = async (
    path: [string, string, string, string],
    edit: (object: JsonObject) => JsonObject,
  ): Promise<void> => {
    const found = await stored.get(at(...path));
    assert.ok(found);
    assert.ok(await stored.put(at(...path), edit(found.object), found.revision));
  };
  const run = (changes: Partial<BootstrapConfig> = {}): Promise<number> =>
    bootstrap({ store, clock, random, config: { ...config, ...changes } });
  return { clock, store, random, stored, read, write, run };
}
const rbac = 'rbac.authorization.k8s.io';

test('bootstrap: a new cluster gets every object in two transactions, a second run writes nothing', async () => {
  const { store, run, read } = world();
  const count = await run();
  assert.equal(count, bootstrapObjects(config, 0).length);
  assert.ok(count > 170, String(count));
  assert.equal(await store.currentRevision(), 3);
  assert.equal(await run(), 0);
  const namespace = await read('', 'namespaces', '', 'kube-system');
  const { uid, creationTimestamp } = (namespace?.metadata ?? {}) as JsonObject;
  assert.match(String(uid), /^[0-9a-f-]{36}$/);
  assert.equal(creationTimestamp, '2026-01-01T00:00:00Z');
});

test('bootstrap: every object is in the version it is stored in, and its kind is the resource', () => {
  for (const { group, resource, object } of bootstrapObjects(config, 0)) {
    const apiVersion = String(object.apiVersion);
    const version = apiVersion.includes('/') ? apiVersion.slice(apiVersion.indexOf('/') + 1) : apiVersion;
    const schema = builtinSchema.resource(group, version, resource);
    assert.ok(schema, `${apiVersion} ${resource}`);
    assert.deepEqual([schema.kind, schema.storageVersion], [object.kind, { group, version }]);
  }
});

test('bootstrap: no placeholder is left', async () => {
  const text = JSON.stringify(
    bootstrapObjects({ ...config, requestHeader: { clientCa: pem('F'), allowedNames: ['front-proxy-client'] } }, 0),
  );
  assert.deepEqual(text.match(/<[a-z]+>/g), null);
});

test("bootstrap: configuration's values are filled in", async () => {
  const { run, read } = world();
  await run({ serviceCidrs: ['10.0.0.0/16'], securePort: 7443 });
  const service = ((await read('', 'services', 'default', 'kubernetes'))?.spec ?? {}) as JsonObject;
  assert.deepEqual(
    [service.clusterIP, service.ports],
    ['10.0.0.1', [{ name: 'https', protocol: 'TCP', port: 443, targetPort: 7443 }]],
  );
  assert.deepEqual((await read('networking.k8s.io', 'servicecidrs', '', 'kubernetes'))?.spec, {
    cidrs: ['10.0.0.0/16'],
  });
  assert.ok(await read('networking.k8s.io', 'ipaddresses', '', '10.0.0.1'));
  assert.deepEqual((await read('', 'configmaps', 'kube-system', 'extension-apiserver-authentication'))?.data, {
    'client-ca-file': pem('A'),
  });
});

for (const [cidr, want] of [
  ['10.96.0.0/12', '10.96.0.1'],
  ['10.0.3.7/16', '10.0.0.1'],
  ['fd00:10:96::/112', 'fd00:10:96::1'],
  ['2001:db8:0:0:1::/64', '2001:db8::1'],
] as const)
  test(`service address: the first of ${cidr} is ${want}`, () => assert.equal(firstServiceAddress(cidr), want));
for (const cidr of ['10.96.0.0', '10.96.0.0/33', 'x/8', ''])
  test(`service address: "${cidr}" is refused`, () =>
    assert.throws(() => firstServiceAddress(cidr), /Not a service address range/));

test('bootstrap: a role that lost a rule gets it back, one that gained a rule keeps it', async () => {
  const { run, read, write } = world();
  await run();
  const extra = { verbs: ['get'], apiGroups: ['example.com'], resources: ['things'] };
  const path: [string, string, string, string] = [rbac, 'clusterroles', '', 'system:kube-scheduler'];
  const before = ((await read(...path))?.rules ?? []) as readonly JsonObject[];
  await write(path, (role) => ({ ...role, rules: [extra, ...before.slice(1)] }));
  assert.equal(await run(), 1);
  const after = ((await read(...path))?.rules ?? []) as readonly JsonObject[];
  assert.deepEqual(after[0], extra);
  assert.ok(after.length >= before.length);
  assert.equal(await run(), 0);
});

test('bootstrap: a role that its owner protects stays as it is', async () => {
  const { run, write } = world();
  await run();
  await write([rbac, 'clusterroles', '', 'system:kube-scheduler'], (role) => ({
    ...role,
    metadata: {
      ...(role.metadata as JsonObject),
      annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' },
    },
    rules: [],
  }));
  assert.equal(await run(), 0);
});

test("bootstrap: aggregated rules are the controller's, a missing selector is added", async () => {
  const { run, read, write } = world();
  await run();
  const rules = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }];
  await write([rbac, 'clusterroles', '', 'view'], (role) => ({ ...role, rules }));
  assert.equal(await run(), 0);
  await write([rbac, 'clusterroles', '', 'view'], (role) => ({
    ...role,
    aggregationRule: { clusterRoleSelectors: [] },
  }));
  assert.equal(await run(), 1);
  const role = await read(rbac, 'clusterroles', '', 'view');
  assert.deepEqual(role?.rules, rules);
  assert.equal(((role?.aggregationRule ?? {}) as { clusterRoleSelectors: unknown[] }).clusterRoleSelectors.length, 1);
});

test('bootstrap: a binding of another role is replaced, a missing subject added', async () => {
  const { run, read, write } = world();
  await run();
  const path: [string, string, string, string] = [rbac, 'clusterrolebindings', '', 'cluster-admin'];
  await write(path, (binding) => ({ ...binding, subjects: [{ kind: 'User', apiGroup: rbac, name: 'me' }] }));
  assert.equal(await run(), 1);
  assert.equal((((await read(...path))?.subjects ?? {}) as unknown[]).length, 2);
  await write(path, (binding) => ({ ...binding, roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'view' } }));
  const uid = (((await read(...path))?.metadata ?? {}) as JsonObject).uid;
  assert.equal(await run(), 1);
  const replaced = await read(...path);
  assert.equal(((replaced?.roleRef ?? {}) as JsonObject).name, 'cluster-admin');
  assert.notEqual(((replaced?.metadata ?? {}) as JsonObject).uid, uid);
});

test('bootstrap: deleted objects come back; a flow schema is mended unless its owner says no', async () => {
  const { run, store, stored, write } = world();
  await run();
  const key = stored.key('scheduling.k8s.io', 'priorityclasses', '', 'system-node-critical');
  await store.txn({ compare: [], success: [{ type: 'delete', key }] });
  const schema: [string, string, string, string] = ['flowcontrol.apiserver.k8s.io', 'flowschemas', '', 'probes'];
  await write(schema, (object) => ({ ...object, spec: { ...(object.spec as JsonObject), matchingPrecedence: 9 } }));
  assert.equal(await run(), 2);
  await write(schema, (object) => ({
    ...object,
    metadata: { ...(object.metadata as JsonObject), annotations: { 'apf.kubernetes.io/autoupdate-spec': 'false' } },
    spec: { ...(object.spec as JsonObject), matchingPrecedence: 9 },
  }));
  assert.equal(await run(), 0);
});

test('bootstrap: two API servers at once write each object once', async () => {
  const { run, store } = world();
  const counts = await Promise.all([run(), run(), run()]);
  assert.equal(
    counts.reduce((sum, each) => sum + each, 0),
    bootstrapObjects(config, 0).length,
  );
  assert.equal(await store.currentRevision(), 3);
});

test('bootstrap: during a rotation both client authorities are trusted', async () => {
  const { run, read } = world();
  await run();
  await run({ clientCa: pem('B') });
  await run({ clientCa: pem('A') });
  const { data } = (await read('', 'configmaps', 'kube-system', 'extension-apiserver-authentication')) as {
    data: Record<string, string>;
  };
  assert.equal(data['client-ca-file'], pem('A') + pem('B'));
});

test("post-start: two servers' addresses are endpoints; one that leaves or dies drops out", async () => {
  const { clock, store, random, read } = world();
  const ips = async (): Promise<string[]> => {
    const slice = await read('discovery.k8s.io', 'endpointslices', 'default', 'kubernetes');
    const endpoints = await read('', 'endpoints', 'default', 'kubernetes');
    const [subset] = (endpoints?.subsets ?? []) as unknown as { addresses: { ip: string }[] }[];
    const fromSlice = ((slice?.endpoints ?? []) as unknown as { addresses: string[] }[]).flatMap(
      (each) => each.addresses,
    );
    assert.deepEqual(subset?.addresses.map((each) => each.ip) ?? [], fromSlice);
    return fromSlice;
  };
  const server = (advertiseAddress: string) => {
    const stop = new AbortController();
    const options = {
      store,
      clock,
      random,
      log: quiet,
      advertiseAddress,
      securePort: 6443,
      hostname: advertiseAddress,
    };
    return { stop, ended: runPostStart(options, stop.signal) };
  };
  const [a, b] = [server('192.0.2.1'), server('192.0.2.2')];
  await clock.advance(11_000);
  assert.deepEqual(await ips(), ['192.0.2.1', '192.0.2.2']);
  b.stop.abort();
  await b.ended;
  assert.deepEqual(await ips(), ['192.0.2.1']);
  const c = server('192.0.2.3');
  await clock.advance(11_000);
  assert.deepEqual(await ips(), ['192.0.2.1', '192.0.2.3']);
  // The third dies: nobody renews its key.
  const { kvs } = await store.range({ key: '/registry/masterleases/192.0.2.3' });
  c.stop.abort();
  await c.ended;
  const lease = await store.leaseGrant(15);
  await store.txn({
    compare: [],
    success: [{ type: 'put', key: '/registry/masterleases/192.0.2.3', value: kvs[0]!.value, lease }],
  });
  await clock.advance(11_000);
  assert.deepEqual(await ips(), ['192.0.2.1', '192.0.2.3']);
  await clock.advance(21_000);
  assert.deepEqual(await ips(), ['192.0.2.1']);
  a.stop.abort();
  await a.ended;
  assert.equal(clock.pendingTimers, 0);
});

test('post-start: the identity Lease is renewed, one of a server long gone is collected', async () => {
  const { clock, store, random, stored } = world();
  const stop = new AbortController();
  const options = { store, clock, random, log: quiet, advertiseAddress: '192.0.2.1', securePort: 6443 };
  const dead = new AbortController();
  const ended = runPostStart({ ...options, hostname: 'dead' }, dead.signal);
  await clock.advance(1_000);
  dead.abort();
  await ended;
  const running = runPostStart({ ...options, hostname: 'h' }, stop.signal);
  const leases = async (): Promise<string[]> => {
    const { kvs } = await store.range({ key: '/registry/leases/kube-system/', end: '/registry/leases/kube-system0' });
    return kvs.map((kv) => String((stored.parse(kv).spec as JsonObject).renewTime));
  };
  await clock.advance(15_000);
  assert.deepEqual((await leases()).sort(), ['2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:11.000000Z']);
  await clock.advance(3_700_000);
  assert.equal((await leases()).length, 1);
  stop.abort();
  await running;
});

test('flow control: a default that somebody deletes comes back within a minute', async () => {
  const { store, clock, random, read, stored } = world();
  await bootstrap({ store, clock, random, config });
  const stop = new AbortController();
  const options = { store, clock, random, log: quiet, advertiseAddress: '192.0.2.1', securePort: 6443, hostname: 'h' };
  const ended = runPostStart(options, stop.signal);
  const path = ['flowcontrol.apiserver.k8s.io', 'flowschemas', '', 'service-accounts'] as const;
  await store.txn({ compare: [], success: [{ type: 'delete', key: stored.key(...path) }] });
  await clock.advance(30_000);
  assert.equal(await read(...path), undefined);
  await clock.advance(40_000);
  assert.equal((await read(...path))?.kind, 'FlowSchema');
  stop.abort();
  await ended;
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { JsonValue } from '../../api/json.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { createMemoryStore } from '../../store/memory/memory-store.ts';
import type { Store } from '../../store/store.ts';
import { startTestServer } from '../testdata/test-server.ts';
import { createEncryption, EncryptionConfigError, readEncryptionConfiguration } from './index.ts';

const random = createSeededRandom(11);
const secretOf = (name: string, bytes = 32): string =>
  createHash('sha512').update(name).digest().subarray(0, bytes).toString('base64');
const provider = (kind: string, ...keys: readonly string[]): JsonValue => ({
  [kind]: { keys: keys.map((name) => ({ name, secret: secretOf(name) })) },
});
const identity: JsonValue = { identity: {} };
type Rule = readonly [resources: readonly string[], ...providers: JsonValue[]];
const configuration = (...rules: readonly Rule[]): JsonValue => ({
  apiVersion: 'apiserver.config.k8s.io/v1',
  kind: 'EncryptionConfiguration',
  resources: rules.map(([resources, ...providers]) => ({ resources, providers })),
});
const encryption = (...rules: readonly Rule[]) =>
  createEncryption(readEncryptionConfiguration(configuration(...rules)), (n) => random.bytes(n));

const at = '/registry/secrets/default/s';
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');

async function stored(store: Store, key: string): Promise<string> {
  const { kvs } = await store.range({ key });
  return text(kvs[0]!.value);
}

const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { password: 'hunter2' } };

for (const kind of ['aescbc', 'aesgcm', 'secretbox'])
  test(`encryption: ${kind} keeps what it wrote and nobody else reads it`, () => {
    const transformer = encryption([['secrets'], provider(kind, 'k1')]);
    const sealed = transformer.toStorage(bytes('the value'), at);
    assert.ok(text(sealed).startsWith(`k8s:enc:${kind}:v1:k1:`));
    assert.doesNotMatch(text(sealed), /the value/);
    assert.notDeepEqual(transformer.toStorage(bytes('the value'), at), sealed, 'a nonce is used once');
    assert.equal(text(transformer.fromStorage(sealed, at)), 'the value');
    assert.equal(transformer.isStale?.(at), false);
    const changed = Uint8Array.from(sealed);
    changed[sealed.length - 1]! ^= 1;
    if (kind !== 'aescbc')
      assert.throws(() => transformer.fromStorage(changed, at), /^TransformError: unable to transform key/);
    assert.throws(
      () => encryption([['secrets'], provider(kind, 'k2')]).fromStorage(sealed, at),
      /no matching prefix found/,
    );
    assert.throws(() => transformer.fromStorage(sealed.subarray(0, 30), at), /^TransformError/);
  });

test('encryption: an aesgcm value that is copied to another object does not open', () => {
  const transformer = encryption([['secrets'], provider('aesgcm', 'k1')]);
  const sealed = transformer.toStorage(bytes('x'), at);
  assert.throws(() => transformer.fromStorage(sealed, '/registry/secrets/default/other'), /unable to transform key/);
});

test('encryption: keys of all lengths that AES has', () => {
  for (const length of [16, 24, 32])
    for (const kind of ['aescbc', 'aesgcm']) {
      const keys = { keys: [{ name: 'k', secret: secretOf('k', length) }] };
      const transformer = encryption([['secrets'], { [kind]: keys }]);
      assert.equal(text(transformer.fromStorage(transformer.toStorage(bytes('x'), at), at)), 'x');
    }
});

test('encryption: two keys of one name, while one takes the place of the other', () => {
  const other = { aescbc: { keys: [{ name: 'k', secret: secretOf('new') }] } };
  const old = { aescbc: { keys: [{ name: 'k', secret: secretOf('old') }] } };
  const sealed = encryption([['secrets'], old]).toStorage(bytes('x'.repeat(64)), at);
  const transformer = encryption([['secrets'], other, old]);
  assert.equal(text(transformer.fromStorage(sealed, at)), 'x'.repeat(64));
  assert.equal(transformer.isStale?.(at), true);
});

test('encryption: identity reads what is not encrypted and leaves the rest to the others, wherever it stands', () => {
  const sealed = encryption([['secrets'], provider('secretbox', 'k1')]).toStorage(bytes('{"a":1}'), at);
  const away = encryption([['secrets'], identity, provider('secretbox', 'k1')]);
  assert.equal(text(away.fromStorage(sealed, at)), '{"a":1}');
  assert.equal(away.isStale?.(at), true);
  assert.equal(text(away.toStorage(bytes('{}'), at)), '{}');
  const towards = encryption([['secrets'], provider('secretbox', 'k1'), identity]);
  assert.equal(text(towards.fromStorage(bytes('{"a":1}'), at)), '{"a":1}');
  assert.equal(towards.isStale?.(at), true);
  assert.throws(() => encryption([['secrets'], identity]).fromStorage(sealed, at), /unable to transform key/);
});

test('encryption: which rule is for a resource', () => {
  const transformer = encryption(
    [['secrets', 'pandas.example.com'], provider('aescbc', 'exact')],
    [['*.apps'], provider('aescbc', 'group')],
    [['*.'], provider('aescbc', 'core')],
    [['*.*'], provider('aescbc', 'all')],
  );
  const keyFor = (key: string): string =>
    /^k8s:enc:aescbc:v1:(\w+):/.exec(text(transformer.toStorage(bytes('{}'), key)))?.[1] ?? 'none';
  assert.deepEqual(
    [
      at,
      '/registry/deployments/default/d',
      '/registry/configmaps/default/c',
      '/registry/services/specs/default/s',
      '/registry/minions/n',
      '/registry/events/default/e',
      '/registry/example.com/pandas/default/p',
      '/registry/example.com/lions/default/l',
      '/registry/clusterroles/r',
      '/registry/ranges/serviceips',
      'foreign',
    ].map(keyFor),
    ['exact', 'group', 'core', 'core', 'core', 'core', 'exact', 'all', 'all', 'none', 'none'],
  );
});

test('encryption: the store has no secret in clear, and an update that changes nothing moves it to the first key', async () => {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const before = await startTestServer({
    store,
    clock,
    transformer: encryption([['secrets'], provider('secretbox', 'k1')]),
  });
  const path = '/api/v1/namespaces/default/secrets';
  await before.create(path, secret);
  await before.create('/api/v1/namespaces/default/configmaps', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'c' },
  });
  assert.match(await stored(store, '/registry/secrets/default/s'), /^k8s:enc:secretbox:v1:k1:/);
  assert.doesNotMatch(await stored(store, '/registry/secrets/default/s'), /hunter2|aHVudGVyMg/);
  assert.match(await stored(store, '/registry/configmaps/default/c'), /^\{"kind":"ConfigMap"/);
  await before.server.stop();

  const after = await startTestServer({
    store,
    clock,
    transformer: encryption([['secrets'], provider('aesgcm', 'k2'), provider('secretbox', 'k1')]),
  });
  const read = await after.send('GET', `${path}/s`);
  assert.deepEqual(read.body.data, { password: 'aHVudGVyMg==' });
  assert.equal((await after.send('GET', path)).status, 200);
  const same = await after.send('PUT', `${path}/s`, read.body);
  assert.equal(same.status, 200);
  assert.match(await stored(store, '/registry/secrets/default/s'), /^k8s:enc:aesgcm:v1:k2:/);
  const { resourceVersion } = same.body.metadata as { resourceVersion: string };
  const again = await after.send('PUT', `${path}/s`, same.body);
  assert.equal((again.body.metadata as { resourceVersion: string }).resourceVersion, resourceVersion, 'once is enough');
  await after.stop();
});

test('encryption: a server without the key does not start, and says which value it cannot read', async () => {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const first = await startTestServer({
    store,
    clock,
    transformer: encryption([['secrets'], provider('secretbox', 'k1')]),
  });
  await first.create('/api/v1/namespaces/default/secrets', secret);
  await first.server.stop();
  for (const transformer of [encryption([['secrets'], provider('secretbox', 'k2')]), undefined])
    await assert.rejects(startTestServer({ store, clock, ...(transformer ? { transformer } : {}) }), {
      name: 'TransformError',
      message: /^unable to transform key "\/registry\/secrets\/default\/s": /,
    });
  await store.close();
});

test('encryption: a value that cannot be read later does not end the server, which goes on once it is gone', async () => {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  const server = await startTestServer({
    store,
    clock,
    transformer: encryption([['secrets'], provider('secretbox', 'k1')]),
  });
  await server.create('/api/v1/namespaces/default/secrets', secret);
  const foreign = encryption([['secrets'], provider('secretbox', 'k9')]).toStorage(
    bytes('{}'),
    '/registry/secrets/default/x',
  );
  await store.txn({ compare: [], success: [{ type: 'put', key: '/registry/secrets/default/x', value: foreign }] });
  await clock.advance(2_000);
  assert.equal((await server.send('GET', '/api/v1/namespaces/default/secrets?resourceVersion=0')).status, 200);
  await store.txn({ compare: [], success: [{ type: 'delete', key: '/registry/secrets/default/x' }] });
  await clock.advance(2_000);
  const list = await server.send('GET', '/api/v1/namespaces/default/secrets');
  assert.equal((list.body.items as readonly object[]).length, 1);
  await server.stop();
});

const good = provider('aescbc', 'k');
for (const [name, root, message] of [
  ['another kind', { apiVersion: 'v1', kind: 'Config' }, /^got unexpected config type: v1, Kind=Config/],
  ['no rules', configuration(), /at least one resources is required/],
  ['no resources', configuration([[], good]), /resources\[0\]\.resources: Required value/],
  ['no providers', configuration([['secrets']]), /resources\[0\]\.providers: Required value/],
  ['capital letters', configuration([['Secrets'], good]), /should not contain capital letters/],
  ['a star alone', configuration([['*'], good]), /use '\*\.' to encrypt all/],
  ['a resource in all groups', configuration([['secrets.*'], good]), /encrypting the same resource across groups/],
  ['events of the newer group', configuration([['events.events.k8s.io'], good]), /Use 'events' instead/],
  ['a resource twice', configuration([['secrets', 'secrets'], good]), /cannot be specified multiple times/],
  ['overlapping resources', configuration([['secrets', '*.'], good]), /overlapping resources/],
  [
    'a masked rule',
    configuration([['*.'], good], [['secrets'], good]),
    /resource "secrets" is masked by earlier rule "\*\."/,
  ],
  ['two providers in one', configuration([['secrets'], { identity: {}, aescbc: {} }]), /more than one provider/],
  ['no provider', configuration([['secrets'], {}]), /does not contain any of the expected providers/],
  ['a key service', configuration([['secrets'], { kms: { name: 'k' } }]), /no key management services/],
  ['no keys', configuration([['secrets'], { aescbc: {} }]), /at least one keys is required/],
  [
    'a key without a name',
    configuration([['secrets'], { aescbc: { keys: [{ secret: secretOf('k') }] } }]),
    /name is a mandatory field/,
  ],
  [
    'a short key',
    configuration([['secrets'], { secretbox: { keys: [{ name: 'k', secret: secretOf('k', 16) }] } }]),
    /"REDACTED": secret is not of the expected length, got 16, expected one of \[32\]/,
  ],
  [
    'no base64',
    configuration([['secrets'], { aescbc: { keys: [{ name: 'k', secret: 'se cret' }] } }]),
    /"REDACTED": secrets must be base64 encoded/,
  ],
  [
    'an unknown field',
    configuration([['secrets'], { aescbc: { keys: [{ name: 'k', secret: secretOf('k'), iv: '' }] } }]),
    /unknown field "resources\[0\]\.providers\[0\]\.aescbc\.keys\[0\]\.iv"/,
  ],
] as const)
  test(`encryption: ${name} is refused without telling a secret`, () => {
    assert.throws(
      () => readEncryptionConfiguration(root as JsonValue),
      (error) =>
        error instanceof EncryptionConfigError && message.test(error.message) && !error.message.includes('se cret'),
    );
  });

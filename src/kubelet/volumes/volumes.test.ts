import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, Volume } from '../../api/types/core-v1.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import type { ObjectSource } from '../object-source.ts';
import { createTokenManager, type TokenManager } from './token-manager.ts';
import { volumeContent } from './volume-content.ts';

const pod: Pod = {
  metadata: { name: 'p', namespace: 'ns', uid: 'u', labels: { a: 'b' } },
  spec: { serviceAccountName: 'sa', containers: [{ name: 'c' }] },
};

test('token manager: asks for a token bound to the pod, renews at 80% of its life, lives on the old one when renewing fails', async () => {
  const clock = createVirtualClock();
  const asked: unknown[] = [];
  let fails = false;
  const client = {
    resource: () => ({
      createSubresource: async (name: string, subresource: string, body: { spec: { expirationSeconds: number } }) => {
        asked.push([name, subresource, body.spec]);
        if (fails) throw new Error('no answer');
        const expirationTimestamp = new Date(clock.now() + body.spec.expirationSeconds * 1000).toISOString();
        return { status: { token: `t${asked.length}`, expirationTimestamp } };
      },
    }),
  } as unknown as Client;
  const tokens = createTokenManager({ client, clock, random: createSeededRandom(1) });
  const ask = () => tokens.token(pod, { audience: undefined, expirationSeconds: 3600 });
  assert.equal(await ask(), 't1');
  assert.deepEqual(asked[0], [
    'sa',
    'token',
    { audiences: [], expirationSeconds: 3600, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' } },
  ]);
  await clock.advance(2_800_000);
  assert.equal(await ask(), 't1');
  await clock.advance(100_000);
  assert.equal(await ask(), 't2');
  fails = true;
  await clock.advance(3_000_000);
  assert.equal(await ask(), 't2');
  await clock.advance(700_000);
  await assert.rejects(ask(), /no answer/);
  tokens.forget('u');
});

const objects: ObjectSource = {
  configMap: async (_, name) =>
    name === 'cm' ? { metadata: { name }, data: { a: '1', b: '2' }, binaryData: { bin: 'AAE=' } } : undefined,
  secret: async (_, name) => (name === 's' ? { metadata: { name }, data: { pw: 'cHc=' } } : undefined),
  runtimeClass: async () => undefined,
  claim: async () => undefined,
  volume: async () => undefined,
  services: () => [],
};
const tokens: TokenManager = { token: async () => 'TOKEN', forget: () => undefined };

async function content(volume: Omit<Volume, 'name'>, spec: object = {}): Promise<Record<string, string> | undefined> {
  const files = await volumeContent(
    { ...pod, spec: { ...pod.spec!, ...spec } },
    { name: 'v', ...volume },
    {
      objects,
      tokens,
      nodeName: 'n',
      nodeIPs: [],
      podIPs: [],
      allocatable: {},
      fresh: false,
    },
  );
  return (
    files &&
    Object.fromEntries(
      [...files].map(([path, f]) => [
        path,
        `${Buffer.from(f.bytes).toString('latin1')} ${f.mode.toString(8)}${f.uid === undefined ? '' : ` uid ${f.uid}`}`,
      ]),
    )
  );
}

for (const [name, volume, want, spec] of [
  [
    'all keys of a ConfigMap, binary ones too',
    { configMap: { name: 'cm' } },
    { a: '1 644', b: '2 644', bin: '\0\u0001 644' },
  ],
  [
    'chosen keys with paths and modes',
    {
      configMap: {
        name: 'cm',
        defaultMode: 0o600,
        items: [
          { key: 'a', path: 'x/y' },
          { key: 'b', path: 'z', mode: 0o444 },
        ],
      },
    },
    { 'x/y': '1 600', z: '2 444' },
  ],
  ['an optional ConfigMap that is missing is empty', { configMap: { name: 'no', optional: true } }, {}],
  [
    'an optional key that is missing is left out',
    { configMap: { name: 'cm', optional: true, items: [{ key: 'no', path: 'x' }] } },
    {},
  ],
  ['a secret', { secret: { secretName: 's' } }, { pw: 'pw 644' }],
  [
    'the downward API',
    { downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
    { l: 'a="b" 644' },
  ],
  [
    'a projected volume as admission adds it',
    {
      projected: {
        sources: [
          { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
          { configMap: { name: 'cm', items: [{ key: 'a', path: 'ca.crt' }] } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
        ],
      },
    },
    { token: 'TOKEN 644', 'ca.crt': '1 644', namespace: 'ns 644' },
  ],
  [
    "a token for one user is that user's alone",
    { projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
    { token: 'TOKEN 600 uid 7' },
    { securityContext: { runAsUser: 7 } },
  ],
  [
    'a token with an fsGroup is 0600 and gets the group',
    { projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
    { token: 'TOKEN 600' },
    { securityContext: { fsGroup: 8 } },
  ],
  [
    "a token with an fsGroup is the one user's all the same",
    { projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
    { token: 'TOKEN 600 uid 7' },
    { securityContext: { runAsUser: 7, fsGroup: 8 } },
  ],
  ['another kind of volume', { emptyDir: {} }, undefined],
] as const)
  test(`volume content: ${name}`, async () =>
    assert.deepEqual(await content(volume as Omit<Volume, 'name'>, spec ?? {}), want));

for (const [volume, message] of [
  [{ configMap: { name: 'no' } }, 'MountVolume.SetUp failed for volume "v" : configmap "no" not found'],
  [
    { configMap: { name: 'cm', items: [{ key: 'k', path: 'p' }] } },
    'MountVolume.SetUp failed for volume "v" : references non-existent config key: k',
  ],
  [{ secret: { secretName: 'no' } }, 'MountVolume.SetUp failed for volume "v" : secret "no" not found'],
  [
    { secret: { secretName: 's', items: [{ key: 'k', path: 'p' }] } },
    'MountVolume.SetUp failed for volume "v" : references non-existent secret key: k',
  ],
] as const)
  test(`volume content: refuses: ${message}`, () =>
    assert.rejects(content(volume as Omit<Volume, 'name'>), { message, reason: 'FailedMount' }));

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detachedSignature } from '../../api/bootstrap-token.ts';
import { resources } from '../../api/types/resources.ts';
import { createBench } from '../testdata/controller-bench.ts';
import { createBootstrapSigner } from './bootstrap-signer.ts';
import { createTokenCleaner } from './token-cleaner.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const token = (id: string, over: Readonly<Record<string, string>> = {}) => ({
  metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
  type: 'bootstrap.kubernetes.io/token',
  data: Object.fromEntries(
    Object.entries({
      'token-id': id,
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-signing': 'true',
      ...over,
    }).map(([name, value]) => [name, base64(value)]),
  ),
});

const info = (data: Readonly<Record<string, string>>) => ({
  metadata: { name: 'cluster-info', namespace: 'kube-public' },
  data,
});

const signature = (id: string, content = 'CONFIG'): string =>
  detachedSignature(content, { id, secret: '0123456789abcdef' });

test('bootstrap signer: every token that may sign signs, and its signature goes with it', async () => {
  const bench = createBench();
  bench.put(resources.configMaps, info({ kubeconfig: 'CONFIG', other: 'kept' }));
  bench.put(resources.secrets, token('aaaaaa'));
  bench.put(resources.secrets, token('bbbbbb', { 'usage-bootstrap-signing': 'false' }));
  bench.put(resources.secrets, token('cccccc', { expiration: '1999-01-01T00:00:00Z' }));
  bench.put(resources.secrets, token('dddddd', { 'token-id': 'eeeeee' }));
  bench.start(createBootstrapSigner());
  await bench.clock.settle();
  const data = () => bench.get(resources.configMaps, 'kube-public', 'cluster-info')?.data;
  assert.deepEqual(data(), {
    kubeconfig: 'CONFIG',
    other: 'kept',
    'jws-kubeconfig-aaaaaa': signature('aaaaaa'),
  });
  bench.put(resources.configMaps, info({ ...data(), kubeconfig: 'NEW' }));
  await bench.clock.settle();
  assert.equal(data()?.['jws-kubeconfig-aaaaaa'], signature('aaaaaa', 'NEW'));
  bench.remove(resources.secrets, 'kube-system', 'bootstrap-token-aaaaaa');
  await bench.clock.settle();
  assert.deepEqual(data(), { kubeconfig: 'NEW', other: 'kept' });
  await bench.stop();
});

test('bootstrap signer: the signature is what go-jose makes of it', () => {
  // From upstream's cluster-bootstrap/token/jws/jws_test.go.
  assert.equal(
    detachedSignature('Hello from the other side. I must have called a thousand times.', {
      id: 'joshua',
      secret: 'my voice is my passcode',
    }),
    'eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8',
  );
});

test('token cleaner: a token goes when it expires and not before; one without an end stays', async () => {
  const bench = createBench();
  const inAnHour = new Date(bench.clock.now() + 3_600_000).toISOString();
  bench.put(resources.secrets, token('aaaaaa', { expiration: inAnHour }));
  bench.put(resources.secrets, token('bbbbbb'));
  bench.put(resources.secrets, token('cccccc', { expiration: 'tomorrow' }));
  bench.start(createTokenCleaner());
  await bench.clock.settle();
  const there = (): string[] =>
    ['aaaaaa', 'bbbbbb', 'cccccc'].filter((id) => bench.get(resources.secrets, 'kube-system', `bootstrap-token-${id}`));
  assert.deepEqual(there(), ['aaaaaa', 'bbbbbb'], 'what is no time counts as past');
  await bench.clock.advance(3_599_000);
  assert.deepEqual(there(), ['aaaaaa', 'bbbbbb']);
  await bench.clock.advance(2_000);
  assert.deepEqual(there(), ['bbbbbb']);
  await bench.stop();
});

/** The published package is a bundle: what works from the sources by Node's named exports of CommonJS must work in it too. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { bundle, repository } from '../scripts/bundle.ts';
import { createRealClock } from '../src/base/real-clock.ts';

test('bundle: the CRI and etcd clients, which import gRPC late, get as far as the socket', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'bireme-bundle-'));
  t.after(() => rm(folder, { recursive: true }));
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'));
  await bundle({ cri: 'src/runtime/cri-client.ts', etcd: 'src/store/etcd/wire.ts' }, folder);
  const load = (name: string) => import(pathToFileURL(join(folder, `${name}.js`)).href);

  const { createCriClient } = (await load('cri')) as typeof import('../src/runtime/cri-client.ts');
  const runtime = createCriClient({ endpoint: `unix://${join(folder, 'none.sock')}`, clock: createRealClock() });
  t.after(() => runtime.close());
  await assert.rejects(runtime.version({ version: '' }, { timeoutMs: 10_000 }), { code: 'UNAVAILABLE' });

  const { loadWire } = (await load('etcd')) as typeof import('../src/store/etcd/wire.ts');
  const channel = (await loadWire(createRealClock())).connect('http://127.0.0.1:1', undefined);
  t.after(() => channel.close());
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { findCommand, requires } from '../../../test/requirements.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { type StoreHarness, storeContract } from '../contract.ts';
import { storeProperty } from '../property.contract.ts';
import { type Store, StoreError } from '../store.ts';
import { openEtcdStore } from './etcd-store.ts';
import { type EtcdProcess, startEtcd } from './testdata/etcd-process.ts';

const clock = createRealClock();
let server: Promise<EtcdProcess> | undefined;
const shared = (): Promise<EtcdProcess> => (server ??= startEtcd());
after(async () => (await server)?.end());
const skip = (t: TestContext): boolean => !requires(t, { commands: ['etcd'] });

const connect = async (etcd: EtcdProcess): Promise<Store> => openEtcdStore({ endpoints: [etcd.endpoint], clock });
const open = async (): Promise<StoreHarness> => {
  const store = await connect(await shared());
  await store.txn({ compare: [], success: [{ type: 'delete', key: '\0', end: '\0' }] });
  return { store, advance: (ms) => clock.sleep(ms), end: () => store.close() };
};
storeContract('etcd', open, { skip, keepsDeletionAtCompaction: false });
storeProperty('etcd', open, { runs: 15, skip });

test('etcd store: a watch is taken up again after etcd was away, without a gap or a duplicate', {
  timeout: 30_000,
}, async (t) => {
  if (skip(t)) return;
  const etcd = await startEtcd();
  try {
    const store = await connect(etcd);
    const write = (key: string) => store.txn({ compare: [], success: [{ type: 'put', key, value: Buffer.from(key) }] });
    const stop = new AbortController();
    const seen: string[] = [];
    const first = await store.currentRevision();
    const watching = (async () => {
      for await (const { events } of store.watch({
        key: '\0',
        end: '\0',
        startRevision: first + 1,
        signal: stop.signal,
      })) {
        for (const { kv } of events) seen.push(kv.key);
        if (seen.includes('c')) return;
      }
    })();
    await write('a');
    while (seen.length < 1) await clock.sleep(10);
    await etcd.stop();
    await assert.rejects(
      write('lost'),
      (error: unknown) => error instanceof StoreError && error.code === 'unavailable',
    );
    await etcd.start();
    for (const key of ['b', 'c'])
      for (let done = false; !done; )
        done = await write(key).then(
          () => true,
          () => clock.sleep(100).then(() => false),
        );
    await watching;
    assert.deepEqual(seen, ['a', 'b', 'c']);
    stop.abort();
    await store.close();
  } finally {
    await etcd.end();
  }
});

test('etcd store: an endpoint that does not answer is refused in the time given', async () => {
  await assert.rejects(
    openEtcdStore({ endpoints: ['http://127.0.0.1:1'], clock, timeoutMs: 500 }),
    (error: unknown) => error instanceof StoreError && error.code === 'unavailable',
  );
});

test('etcd store: a read goes to the next endpoint when one does not answer', async (t) => {
  if (skip(t)) return;
  const { endpoint } = await shared();
  const store = await openEtcdStore({ endpoints: ['http://127.0.0.1:1', endpoint], clock, timeoutMs: 2000 });
  await store.txn({ compare: [], success: [{ type: 'put', key: 'a', value: Buffer.from('x') }] });
  await store.close();
});

test('etcd store: speaks TLS with a client certificate, and is refused without one', { timeout: 30_000 }, async (t) => {
  if (!requires(t, { commands: ['etcd', 'openssl'] })) return;
  const folder = mkdtempSync(join(tmpdir(), 'bireme-etcd-tls-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync(findCommand('openssl')!, args, { cwd: folder, stdio: 'ignore' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=ca', '-days', '1');
  writeFileSync(file('server.ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
  writeFileSync(file('client.ext'), 'extendedKeyUsage=clientAuth\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', `${name}.ext`];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signed);
  }
  const read = (name: string): string => readFileSync(file(name), 'utf8');
  const client = { ca: read('ca.crt'), cert: read('client.crt'), key: read('client.key') };
  const etcd = await startEtcd({
    caFile: file('ca.crt'),
    certFile: file('server.crt'),
    keyFile: file('server.key'),
    client,
  });
  try {
    const store = await openEtcdStore({ endpoints: [etcd.endpoint], clock, tls: client });
    assert.equal(await store.currentRevision(), 1);
    await store.close();
    const unavailable = (error: unknown): boolean => error instanceof StoreError && error.code === 'unavailable';
    const without = { endpoints: [etcd.endpoint], clock, tls: { ca: client.ca }, timeoutMs: 1000 };
    await assert.rejects(openEtcdStore(without), unavailable);
    const otherName = {
      endpoints: [etcd.endpoint.replace('127.0.0.1', 'localhost')],
      clock,
      tls: client,
      timeoutMs: 1000,
    };
    await assert.rejects(openEtcdStore(otherName), unavailable, 'the certificate names the address only');
  } finally {
    await etcd.end();
  }
});

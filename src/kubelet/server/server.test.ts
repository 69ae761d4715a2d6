import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ApiRequest } from '../../api/exchange.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import type { CriRuntime } from '../../runtime/cri.ts';
import { fetchPodRuntimeStatus } from '../containers/runtime-status.ts';
import { createPodDispatcher } from '../pod-source.ts';
import { startHollowNode } from '../testdata/hollow-node.ts';
import { type LogOptions, parseLine, readContainerLog } from './container-log.ts';
import { hollowLogReader } from './hollow-log.ts';
import { createKubeletHandler } from './kubelet-handler.ts';
import { createInProcessLogClient } from './log-client.ts';
import { rotateLog } from './log-rotation.ts';

const all: LogOptions = {
  follow: false,
  tailLines: undefined,
  sinceMs: undefined,
  timestamps: false,
  limitBytes: undefined,
};
const log = [
  '2026-01-01T00:00:01.000000001Z stdout F one',
  '2026-01-01T00:00:02.000000001Z stderr F two',
  '2026-01-01T00:00:03.000000001Z stdout P thr',
  '2026-01-01T00:00:03.000000002Z stdout F ee',
  '2026-01-01T00:00:04.000000001Z stdout F ',
  '2026-01-01T00:00:05.000000001Z stdout F last with  blanks ',
  '',
].join('\n');

async function read(text: string, options: Partial<LogOptions> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bireme-log-'));
  try {
    const path = join(folder, '0.log');
    await writeFile(path, text);
    const parts: Uint8Array[] = [];
    const context = { clock: createRealClock(), signal: new AbortController().signal, running: () => false };
    for await (const part of readContainerLog(path, { ...all, ...options }, context)) parts.push(part);
    return Buffer.concat(parts).toString();
  } finally {
    await rm(folder, { recursive: true });
  }
}

for (const [name, options, want] of [
  ['everything, parts joined', {}, 'one\ntwo\nthree\n\nlast with  blanks \n'],
  ['the last two lines', { tailLines: 2 }, '\nlast with  blanks \n'],
  ['no lines', { tailLines: 0 }, ''],
  ['more lines than there are', { tailLines: 100 }, 'one\ntwo\nthree\n\nlast with  blanks \n'],
  ['since a moment', { sinceMs: Date.parse('2026-01-01T00:00:04Z') }, '\nlast with  blanks \n'],
  [
    'with stamps, one for a line in parts',
    { tailLines: 4, timestamps: true },
    '2026-01-01T00:00:03.000000001Z three\n2026-01-01T00:00:04.000000001Z \n2026-01-01T00:00:05.000000001Z last with  blanks \n',
  ],
  ['at most so many bytes', { limitBytes: 6 }, 'one\ntw'],
  ['one stream', { stream: 'Stderr' }, 'two\n'],
] as const)
  test(`container log: ${name}`, async () => assert.equal(await read(log, options), want));

test('container log: lines longer than a block, and a torn last line is not shown', async () => {
  const long = 'x'.repeat(200_000);
  assert.equal(await read(`2026-01-01T00:00:01Z stdout F ${long}\n2026-01-01T00:00:02Z stdout F torn`), `${long}\n`);
  assert.equal(
    await read(`2026-01-01T00:00:01Z stdout F ${long}\n2026-01-01T00:00:02Z stdout F b\n`, { tailLines: 1 }),
    'b\n',
  );
});
test('container log: what is no log line is left out', () => {
  assert.equal(parseLine(Buffer.from('garbage')), undefined);
  assert.equal(parseLine(Buffer.from('t stdout F'))?.text.toString(), '');
});
test('container log: a missing file is an empty log', async () => {
  const context = { clock: createRealClock(), signal: new AbortController().signal, running: () => false };
  for await (const _ of readContainerLog('/nonexistent/x.log', all, context)) assert.fail('nothing to read');
});
test('container log: following sees appended lines and a rotated file, and ends with the container', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bireme-log-'));
  const keepAlive = setInterval(() => undefined, 1000);
  try {
    const path = join(folder, '0.log');
    const line = (text: string): string => `2026-01-01T00:00:01Z stdout F ${text}\n`;
    await writeFile(path, line('1'));
    let running = true;
    const seen: string[] = [];
    const context = { clock: createRealClock(), signal: new AbortController().signal, running: () => running };
    for await (const part of readContainerLog(path, { ...all, follow: true }, context)) {
      const text = Buffer.from(part).toString().trim();
      if (text === '') continue;
      seen.push(text);
      if (text === '1') await appendFile(path, line('2'));
      if (text === '2') {
        await rename(path, join(folder, 'old'));
        await writeFile(path, line('3'));
      }
      if (text === '3') running = false;
    }
    assert.deepEqual(seen, ['1', '2', '3']);
  } finally {
    clearInterval(keepAlive);
    await rm(folder, { recursive: true });
  }
});

test("kubelet server: logs of a hollow node in process, with upstream's refusals; who may ask", async () => {
  const node = await startHollowNode();
  const informers = createInformerFactory(node.client, {
    clock: node.clock,
    random: createSeededRandom(2),
    log: silentLogger,
  });
  try {
    node.createPod('web');
    node.createPod('waits', {}, { annotations: { 'hollow.bireme.dev/pull-error': 'nope' } });
    const pods = createPodDispatcher(informers).source('n1');
    const handler = createKubeletHandler({
      nodeName: 'n1',
      client: node.client,
      pods,
      runtimeStatus: (uid) => fetchPodRuntimeStatus(node.runtime, uid, { timeoutMs: 1000 }),
      readLog: hollowLogReader(node.runtime, node.clock),
      clock: node.clock,
      log: silentLogger,
      metrics: createMetricsRegistry(),
    });
    await node.clock.advance(100);
    const client = createInProcessLogClient((name) => (name === 'n1' ? handler : undefined));
    const logs = async (pod: string, container: string, query = '') => {
      const stream = await client.containerLogs({
        node: 'n1',
        namespace: 'default',
        pod,
        container,
        query: new URLSearchParams(query),
        signal: new AbortController().signal,
      });
      const parts: Uint8Array[] = [];
      for await (const part of stream) parts.push(part);
      return Buffer.concat(parts).toString();
    };
    assert.equal(await logs('web', 'app'), 'Hollow container app started\n');
    for (const [pod, container, query, message] of [
      ['none', 'app', '', 'pod "none" does not exist'],
      ['web', 'none', '', 'container "none" not found in pod "web"'],
      ['web', 'app', 'previous=true', 'previous terminated container "app" in pod "web" not found'],
      ['waits', 'app', '', 'container "app" in pod "waits" is waiting to start: nope'],
    ] as const)
      await assert.rejects(logs(pod, container, query), { message });

    const request = (over: Partial<ApiRequest>): ApiRequest => ({
      method: 'GET',
      path: '/pods',
      query: '',
      headers: {},
      remoteAddress: 'test',
      signal: new AbortController().signal,
      ...over,
    });
    assert.equal((await handler(request({}))).status, 401);
    assert.equal((await handler(request({ path: '/healthz' }))).status, 401);
    const master = { commonName: 'a', organizations: ['system:masters'] };
    assert.equal((await handler(request({ peer: master }))).status, 200);
    assert.equal((await handler(request({ peer: master, path: '/healthz' }))).status, 200);
    assert.equal(
      (await handler(request({ peer: { ...master, verificationError: 'unknown authority' } }))).status,
      401,
      'a certificate that does not verify is none',
    );
    assert.equal((await handler(request({ peer: master, path: '/%' }))).status, 400);
    // The small API server stores the review as it is: nothing says that it is allowed.
    assert.equal(
      (await handler(request({ path: '/metrics', peer: { commonName: 'b', organizations: [] } }))).status,
      403,
    );
  } finally {
    await informers.stop();
    await node.stop();
  }
});

test('log rotation: a log that grew too long is renamed and reopened; so many old ones stay; a refusal puts the name back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bireme-log-'));
  try {
    const path = join(folder, '0.log');
    let now = Date.UTC(2026, 0, 1);
    let refuses = false;
    const runtime = {
      reopenContainerLog: async () => {
        if (refuses) throw new Error('no');
        await writeFile(path, '');
        return {};
      },
    } as unknown as CriRuntime;
    const clock = { ...createRealClock(), now: () => (now += 1000) };
    const options = { runtime, clock, log: silentLogger, maxSizeBytes: 10, maxFiles: 3, timeoutMs: 1000 };
    await writeFile(path, 'short');
    assert.equal(await rotateLog('c', path, options), false);
    for (let i = 0; i < 4; i++) {
      await writeFile(path, `${i} and more than ten bytes`);
      assert.equal(await rotateLog('c', path, options), true);
    }
    assert.deepEqual((await readdir(folder)).sort(), ['0.log', '0.log.20260101-000003', '0.log.20260101-000004']);
    refuses = true;
    await writeFile(path, 'more than ten bytes');
    await assert.rejects(rotateLog('c', path, options), /no/);
    assert.equal(await readFile(path, 'utf8'), 'more than ten bytes');
  } finally {
    await rm(folder, { recursive: true });
  }
});

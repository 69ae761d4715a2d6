import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Container, Pod, Probe } from '../../api/types/core-v1.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import type { EventRecorder } from '../../client/events.ts';
import { CriError, type CriRuntime } from '../../runtime/cri.ts';
import type { PodRuntimeStatus } from '../containers/runtime-status.ts';
import { probeOnce } from './probe-request.ts';
import { createProbeManager } from './prober.ts';

const signal = new AbortController().signal;
const pod: Pod = { metadata: { name: 'p', namespace: 'ns', uid: 'u' }, spec: { containers: [] } };

async function withServer(
  body: (probe: (over: Probe) => ReturnType<typeof probeOnce>, port: number) => Promise<void>,
): Promise<void> {
  const clock = createRealClock();
  const alive = setInterval(() => undefined, 1000);
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    if (url.pathname === '/redirect')
      response.writeHead(302, { location: url.searchParams.get('to') ?? '/' }).end('gone');
    else if (url.pathname === '/header') response.writeHead(request.headers['x-a'] === 'b' ? 200 : 400).end();
    else if (url.pathname === '/slow') return;
    else response.writeHead(Number(url.pathname.slice(1)) || 200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const container: Container = { name: 'c', ports: [{ name: 'web', containerPort: port }] };
    await body(
      (probe) =>
        probeOnce(
          probe,
          { pod, container, containerId: 'id', podIP: '127.0.0.1' },
          { runtime: {} as CriRuntime, clock, signal },
        ),
      port,
    );
  } finally {
    server.closeAllConnections();
    server.close();
    clearInterval(alive);
  }
}

test('probe: HTTP by number and name, codes, headers, redirects, timeouts; TCP', () =>
  withServer(async (probe, port) => {
    const get = (path: string, over: Probe = {}) => probe({ httpGet: { path, port: 'web' }, ...over });
    assert.deepEqual(await probe({ httpGet: { path: '/200', port } }), { ok: true });
    assert.deepEqual(await get('399'), { ok: true });
    assert.deepEqual(await get('/500'), { ok: false, output: 'HTTP probe failed with statuscode: 500' });
    assert.deepEqual(await probe({ httpGet: { path: '/header', port, httpHeaders: [{ name: 'X-A', value: 'b' }] } }), {
      ok: true,
    });
    assert.deepEqual(await get('/redirect?to=/503'), { ok: false, output: 'HTTP probe failed with statuscode: 503' });
    assert.deepEqual(await get('/redirect?to=/200'), { ok: true });
    assert.deepEqual(await get('/redirect?to=http%3A%2F%2F0.0.0.0%2F'), {
      ok: true,
      warning: 'Probe terminated redirects, Response body: gone',
    });
    const slow = await get('/slow', { timeoutSeconds: 0.05 });
    assert.match(slow.ok ? '' : slow.output, /context deadline exceeded/);
    assert.deepEqual(await probe({ tcpSocket: { port } }), { ok: true });
    assert.deepEqual(await probe({ tcpSocket: { port: 1 } }), {
      ok: false,
      output: 'dial tcp 127.0.0.1:1: connect: connection refused',
    });
    assert.deepEqual(await get('/', { httpGet: { port: 'none' } }), {
      ok: false,
      output: "couldn't find port: none",
      unknown: true,
    });
  }));

/** A prober in virtual time whose exec probes answer from a list; the last answer stays. */
function prober(container: Omit<Container, 'name'>, answers: Record<string, (number | 'timeout' | 'error')[]>) {
  const clock = createVirtualClock();
  const asked: string[] = [];
  const events: string[] = [];
  const woken: number[] = [];
  const recorder = {
    event: (_: unknown, e: { reason: string; message: string }) => void events.push(`${e.reason}: ${e.message}`),
  } as unknown as EventRecorder;
  const runtime = {
    execSync: async ({ cmd }: { cmd: string[] }) => {
      const name = cmd[0]!;
      asked.push(`${name}@${clock.monotonic() / 1000}`);
      const list = answers[name]!;
      const answer = list.length > 1 ? list.shift()! : list[0]!;
      if (answer === 'timeout') throw new CriError('ExecSync', 'DEADLINE_EXCEEDED', 'too slow');
      if (answer === 'error') throw new CriError('ExecSync', 'UNAVAILABLE', 'away');
      return { stdout: Buffer.from(answer === 0 ? '' : 'bad'), stderr: new Uint8Array(), exitCode: answer };
    },
  } as unknown as CriRuntime;
  const stop = new AbortController();
  const manager = createProbeManager({
    runtime,
    clock,
    events: recorder,
    log: silentLogger,
    wake: () => woken.push(clock.monotonic() / 1000),
    signal: stop.signal,
  });
  const spec: Container = { name: 'c', ...container };
  const status = {
    uid: 'u',
    sandboxes: [],
    containers: [{ id: 'id', name: 'c', state: 'running', startedAtMs: clock.now() }],
  } as unknown as PodRuntimeStatus;
  manager.update({ ...pod, spec: { containers: [spec] } }, status);
  return { clock, asked, events, woken, manager, spec };
}
const exec = (name: string, more: Probe = {}): Probe => ({ exec: { command: [name] }, periodSeconds: 10, ...more });

test('prober: readiness needs successThreshold successes, and failureThreshold failures to lose it', async () => {
  const p = prober(
    { readinessProbe: exec('r', { initialDelaySeconds: 5, successThreshold: 2, failureThreshold: 2 }) },
    { r: [0, 0, 1, 0, 1, 1, 1] },
  );
  const ready: string[] = [];
  for (let t = 0; t < 70; t += 10) {
    await p.clock.advance(10_000);
    ready.push(p.manager.readiness('id', p.spec).ready ? 'y' : 'n');
  }
  assert.deepEqual(p.asked.slice(0, 3), ['r@5', 'r@15', 'r@25']);
  assert.equal(ready.join(''), 'nyyyynn');
  assert.deepEqual(p.woken, [15, 55]);
  assert.equal(p.events[0], 'Unhealthy: Readiness probe failed: bad');
  p.manager.close?.();
  await p.clock.settle();
  assert.equal(p.clock.pendingTimers, 0);
});
test('prober: liveness fails after failureThreshold and asks no more', async () => {
  const p = prober({ livenessProbe: exec('l', { failureThreshold: 3 }) }, { l: [0, 1, 'timeout', 1] });
  await p.clock.advance(25_000);
  assert.equal(p.manager.failed('id'), undefined);
  await p.clock.advance(30_000);
  assert.equal(p.manager.failed('id'), 'liveness');
  assert.equal(p.asked.length, 4);
  assert.match(p.events[1]!, /timed out after 1s/);
  p.manager.stop('u');
  assert.equal(p.manager.failed('id'), undefined);
});
test('prober: the others wait for the startup probe', async () => {
  const p = prober(
    { startupProbe: exec('s', { failureThreshold: 10 }), livenessProbe: exec('l'), readinessProbe: exec('r') },
    { s: [1, 1, 0], l: [0], r: [0] },
  );
  await p.clock.advance(15_000);
  assert.deepEqual(p.manager.readiness('id', p.spec), { ready: false, started: false });
  assert.deepEqual(p.asked, ['s@0', 's@10']);
  await p.clock.advance(20_000);
  assert.deepEqual(p.manager.readiness('id', p.spec), { ready: true, started: true });
  assert.ok(!p.asked.some((a) => a.startsWith('s@3')), 'a passed startup probe is not asked again');
  p.manager.close?.();
});
test('prober: a probe that cannot be made counts as nothing and is tried three times at once', async () => {
  const p = prober({ livenessProbe: exec('l', { failureThreshold: 1 }) }, { l: ['error'] });
  await p.clock.advance(1000);
  assert.deepEqual(p.asked, ['l@0', 'l@0', 'l@0']);
  assert.equal(p.manager.failed('id'), undefined);
  p.manager.close?.();
});

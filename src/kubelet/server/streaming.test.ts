import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import type { ApiRequest } from '../../api/exchange.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { CriError } from '../../runtime/cri.ts';
import { startStreamingBackend } from '../../serve/testdata/streaming-backend.ts';
import type { PodRuntimeStatus } from '../containers/runtime-status.ts';
import { Refused } from './refused.ts';
import { type StreamingOptions, streamingAnswer } from './streaming.ts';

const pod = { metadata: { name: 'p', namespace: 'd', uid: 'u' }, spec: {} } as unknown as Pod;
const status = {
  uid: 'u',
  sandboxes: [
    { id: 's0', ready: false },
    { id: 's1', ready: true },
  ],
  containers: [
    { id: 'c1', name: 'app', state: 'running' },
    { id: 'c2', name: 'over', state: 'exited' },
  ],
} as unknown as PodRuntimeStatus;

const asking = (query: string, headers: Record<string, string> = {}): ApiRequest => ({
  method: 'POST',
  path: '',
  query,
  headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', ...headers },
  remoteAddress: 'test',
  signal: new AbortController().signal,
});

function options(port: number, asked: unknown[], streaming = true): StreamingOptions {
  const answer = (kind: string) => async (request: object) => {
    asked.push({ kind, ...request });
    return { url: `http://127.0.0.1:${port}/${kind}/token` };
  };
  return {
    pods: { get: (_, name) => (name === 'p' ? pod : undefined) },
    runtimeStatus: async () => status,
    clock: createRealClock(),
    ...(streaming
      ? { streaming: { exec: answer('exec'), attach: answer('attach'), portForward: answer('portforward') } }
      : {}),
  };
}

test("kubelet streams: the runtime is asked for its place, and the caller's bytes go there", async () => {
  const backend = await startStreamingBackend({});
  try {
    const asked: unknown[] = [];
    const answer = await streamingAnswer(
      ['exec', 'd', 'p', 'u', 'app'],
      asking('command=sh&command=-c&input=1&output=1&error=1&tty=1'),
      options(backend.port, asked),
    );
    assert.deepEqual(asked, [
      { kind: 'exec', containerId: 'c1', cmd: ['sh', '-c'], tty: true, stdin: true, stdout: true, stderr: false },
    ]);
    assert.equal(backend.requests[0]?.line, 'POST /exec/token');
    assert.ok(answer.body.kind === 'upgrade');
    const [caller, socket] = duplexPair();
    answer.body.take(socket, Buffer.from('early'));
    let got = '';
    while (!got.endsWith('early')) got += String((await once(caller, 'data'))[0]);
    assert.match(got, /^HTTP\/1\.1 101 Switching Protocols\r\n.*\r\n\r\nearly$/s);
    caller.destroy();
    socket.destroy();
  } finally {
    await backend.stop();
  }
});

test('kubelet streams: attach and port-forward name the container, and the sandbox that is ready', async () => {
  const backend = await startStreamingBackend({});
  try {
    const asked: unknown[] = [];
    const webSocket = { upgrade: 'websocket', 'sec-websocket-key': 'k' };
    await streamingAnswer(['attach', 'd', 'p', 'app'], asking('output=1'), options(backend.port, asked));
    await streamingAnswer(['portForward', 'd', 'p'], asking('port=80,81', webSocket), options(backend.port, asked));
    assert.deepEqual(asked, [
      { kind: 'attach', containerId: 'c1', tty: false, stdin: false, stdout: true, stderr: false },
      { kind: 'portforward', podSandboxId: 's1', port: [80, 81] },
    ]);
  } finally {
    await backend.stop();
  }
});

test('kubelet streams: what is refused, in upstream words', async () => {
  const webSocket = { upgrade: 'websocket' };
  for (const [parts, request, wanted, hollow] of [
    [['exec', 'd', 'none', 'app'], asking('output=1'), '404 pod does not exist'],
    [['exec', 'd', 'p', 'other', 'over'], asking('output=1'), '500 container not found ("over")'],
    [['portForward', 'd', 'p', 'other'], asking(''), '404 pod not found'],
    [['exec', 'd', 'p', 'over'], asking('output=1'), '500 container not found ("over")'],
    [['exec', 'd', 'p', 'app'], asking('command=ls'), '400 you must specify at least 1 of stdin, stdout, stderr'],
    [['exec', 'd', 'p', 'app'], asking('output=1', { upgrade: 'h2c' }), '500 Upgrade request required\n'],
    [['portForward', 'd', 'p'], asking('', webSocket), '400 query parameter "port" is required'],
    [['portForward', 'd', 'p'], asking('port=0', webSocket), '400 invalid port "0"'],
    [['exec', 'd', 'p', 'app'], asking('output=1'), '501 a hollow container has no processes (container "app")', true],
    [['portForward', 'd', 'p'], asking(''), '501 a hollow pod has no network (pod "p")', true],
  ] as const)
    await assert.rejects(streamingAnswer(parts, request, options(1, [], !hollow)), (error) => {
      assert.ok(error instanceof Refused);
      assert.equal(`${error.status} ${error.message}`, wanted);
      return true;
    });
});

test('kubelet streams: a runtime that says no is heard with its code', async () => {
  const says = new CriError('Exec', 'RESOURCE_EXHAUSTED', 'too many');
  const refusing = {
    ...options(1, []),
    streaming: { exec: () => Promise.reject(says) },
  } as unknown as StreamingOptions;
  await assert.rejects(streamingAnswer(['exec', 'd', 'p', 'app'], asking('output=1'), refusing), {
    status: 429,
    message: 'rpc error: code = ResourceExhausted desc = too many',
  });
});

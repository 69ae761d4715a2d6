import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../api/types/core-v1.ts';
import { containerHash } from '../containers/container-hash.ts';
import type { PodRuntimeStatus, RuntimeContainer, RuntimeSandbox } from '../containers/runtime-status.ts';
import { computePodActions, noProbes, type ProbeVerdicts } from './compute-pod-actions.ts';

const container = (name: string, more: Partial<Container> = {}): Container => ({ name, image: `${name}:1`, ...more });
const pod = (spec: Partial<NonNullable<Pod['spec']>> = {}, metadata: object = {}): Pod => ({
  metadata: { name: 'p', namespace: 'd', uid: 'u', ...metadata },
  spec: { restartPolicy: 'Always', containers: [container('a'), container('b')], ...spec },
});
let sequence = 0;
const has = (
  name: string,
  state: RuntimeContainer['state'],
  more: Partial<RuntimeContainer> = {},
): RuntimeContainer => ({
  id: `${name}-id`,
  name,
  sandboxId: 's0',
  state,
  createdAtMs: sequence++,
  startedAtMs: 1,
  finishedAtMs: state === 'exited' ? 2 : 0,
  exitCode: 0,
  reason: '',
  message: '',
  image: `${name}:1`,
  imageRef: '',
  imageId: '',
  hash: containerHash({ name, image: `${name}:1` }),
  restartCount: 0,
  logPath: '',
  terminationMessagePath: '',
  terminationMessagePolicy: 'File',
  mounts: [],
  ...more,
});
const sandbox = (more: Partial<RuntimeSandbox> = {}): RuntimeSandbox => ({
  id: 's0',
  ready: true,
  attempt: 0,
  createdAtMs: 0,
  ips: ['10.0.0.2'],
  hostNetwork: false,
  ...more,
});
const status = (
  containers: readonly RuntimeContainer[],
  sandboxes: readonly RuntimeSandbox[] = [sandbox()],
): PodRuntimeStatus => ({
  uid: 'u',
  sandboxes,
  containers,
});

/** What is done, in one line. */
function summary(p: Pod, s: PodRuntimeStatus, probes: ProbeVerdicts = noProbes): string {
  const a = computePodActions(p, s, probes);
  return [
    a.killPod ? 'kill-pod' : '',
    a.createSandbox ? `sandbox#${a.attempt}` : '',
    ...a.containersToKill.map((k) => `kill ${k.container.name} (${k.message})`),
    ...a.initContainersToStart.map((c) => `init ${c.name}`),
    ...a.containersToStart.map((c) => `start ${c.name}`),
  ]
    .filter((word) => word !== '')
    .join('; ');
}

const sidecar = container('side', { restartPolicy: 'Always' });
const inits = { initContainers: [container('i1'), container('i2')] };
const withSidecar = { initContainers: [container('i1'), sidecar, container('i2')] };
const running = [has('a', 'running'), has('b', 'running')];
const probesSay = (name: string, kind: 'liveness' | 'startup'): ProbeVerdicts => ({
  failed: (id) => (id === `${name}-id` ? kind : undefined),
  started: () => true,
});

const cases: readonly (readonly [string, Pod, PodRuntimeStatus, string, ProbeVerdicts?])[] = [
  ['a new pod gets a sandbox and all its containers', pod(), status([], []), 'kill-pod; sandbox#0; start a; start b'],
  ['all running: nothing', pod(), status(running), ''],
  [
    'an ended container is started again',
    pod(),
    status([has('a', 'exited', { exitCode: 1 }), has('b', 'running')]),
    'start a',
  ],
  [
    'Never: an ended container stays ended',
    pod({ restartPolicy: 'Never' }),
    status([has('a', 'exited'), has('b', 'running')]),
    '',
  ],
  [
    'Never: all ended ends the pod',
    pod({ restartPolicy: 'Never' }),
    status([has('a', 'exited'), has('b', 'exited', { exitCode: 2 })]),
    'kill-pod',
  ],
  [
    'OnFailure: only the failed one is started',
    pod({ restartPolicy: 'OnFailure' }),
    status([has('a', 'exited'), has('b', 'exited', { exitCode: 2 })]),
    'start b',
  ],
  [
    'a container that was created and never started is made again',
    pod(),
    status([has('a', 'created'), has('b', 'running')]),
    'start a',
  ],
  [
    'an unknown container is killed before it is started again',
    pod(),
    status([has('a', 'unknown'), has('b', 'running')]),
    'kill a (Container is in "unknown" state, try killing it before restart); start a',
  ],
  [
    'another image: killed and started again',
    pod(),
    status([has('a', 'running', { hash: 'other' }), has('b', 'running')]),
    'kill a (Container a definition changed, will be restarted); start a',
  ],
  [
    'another image, Never: still started again',
    pod({ restartPolicy: 'Never' }),
    status([has('a', 'running', { hash: 'other' }), has('b', 'running')]),
    'kill a (Container a definition changed, will be restarted); start a',
  ],
  [
    'liveness failed: killed and started again',
    pod(),
    status(running),
    'kill a (Container a failed liveness probe, will be restarted); start a',
    probesSay('a', 'liveness'),
  ],
  [
    'liveness failed, Never: killed only',
    pod({ restartPolicy: 'Never' }),
    status(running),
    'kill a (Container a failed liveness probe)',
    probesSay('a', 'liveness'),
  ],
  [
    'the sandbox died: everything again, attempt 1',
    pod(),
    status(running, [sandbox({ ready: false })]),
    'kill-pod; sandbox#1; start a; start b',
  ],
  [
    'the sandbox lost its address: everything again',
    pod(),
    status(running, [sandbox({ ips: [] })]),
    'kill-pod; sandbox#1; start a; start b',
  ],
  [
    "a sandbox on the host's network needs no address",
    pod({ hostNetwork: true }),
    status(running, [sandbox({ ips: [], hostNetwork: true })]),
    '',
  ],
  [
    'two ready sandboxes: everything again',
    pod(),
    status(running, [sandbox({ id: 's1', attempt: 1 }), sandbox()]),
    'kill-pod; sandbox#2; start a; start b',
  ],
  [
    'the sandbox died, Never, containers had run: the pod ends',
    pod({ restartPolicy: 'Never' }),
    status([has('a', 'exited'), has('b', 'exited')], [sandbox({ ready: false })]),
    'kill-pod',
  ],
  [
    'the sandbox died, OnFailure, all succeeded: the pod ends',
    pod({ restartPolicy: 'OnFailure' }),
    status([has('a', 'exited'), has('b', 'exited')], [sandbox({ ready: false })]),
    'kill-pod',
  ],
  [
    'the sandbox died, OnFailure, one to go: only that',
    pod({ restartPolicy: 'OnFailure' }),
    status([has('a', 'exited'), has('b', 'running')], [sandbox({ ready: false })]),
    'kill-pod; sandbox#1; start b',
  ],
  ['init: the first one first', pod(inits), status([], []), 'kill-pod; sandbox#0; init i1'],
  ['init: the second one after the first', pod(inits), status([has('i1', 'exited')]), 'init i2'],
  ['init: nothing while one runs', pod(inits), status([has('i1', 'running')]), ''],
  ['init: a failed one again', pod(inits), status([has('i1', 'exited', { exitCode: 1 })]), 'init i1'],
  [
    'init: a failed one of a pod that never restarts ends the pod',
    pod({ ...inits, restartPolicy: 'Never' }),
    status([has('i1', 'exited', { exitCode: 1 })]),
    'kill-pod',
  ],
  [
    'init: all done, the rest starts',
    pod(inits),
    status([has('i2', 'exited'), has('i1', 'exited')]),
    'start a; start b',
  ],
  ['init: records removed later do not matter', pod(inits), status(running), ''],
  [
    'init: a new sandbox starts from the beginning',
    pod(inits),
    status([...running, has('i1', 'exited')], [sandbox({ ready: false })]),
    'kill-pod; sandbox#1; init i1',
  ],
  ['sidecar: started after the one before', pod(withSidecar), status([has('i1', 'exited')]), 'init side'],
  [
    'sidecar: once started, the next init container',
    pod(withSidecar),
    status([has('side', 'running'), has('i1', 'exited')]),
    'init i2',
  ],
  [
    'sidecar: not passed its startup probe, the next waits',
    pod(withSidecar),
    status([has('side', 'running'), has('i1', 'exited')]),
    '',
    { failed: () => undefined, started: (id) => id !== 'side-id' },
  ],
  [
    'sidecar: ended while the next init container runs: both go on',
    pod(withSidecar),
    status([has('i2', 'exited'), has('side', 'exited'), has('i1', 'exited')]),
    'init side; start a; start b',
  ],
  [
    'sidecar: ended while the pod runs: started again',
    pod(withSidecar),
    status([...running, has('side', 'exited', { exitCode: 1 })]),
    'init side',
  ],
  [
    'sidecar: failed liveness while the pod runs',
    pod(withSidecar),
    status([...running, has('side', 'running')]),
    'kill side (Init container side failed liveness probe, will be restarted); init side',
    probesSay('side', 'liveness'),
  ],
  [
    'sidecar: does not keep a finished pod alive',
    pod({ ...withSidecar, restartPolicy: 'Never' }),
    status([has('a', 'exited'), has('b', 'exited'), has('side', 'running')]),
    'kill-pod',
  ],
  [
    'a deleted pod starts nothing',
    pod({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    status([has('a', 'exited'), has('b', 'running')]),
    '',
  ],
  [
    "a container's own restartPolicy wins",
    pod({ containers: [container('a', { restartPolicy: 'Never' }), container('b')] }),
    status([has('a', 'exited', { exitCode: 1 }), has('b', 'running')]),
    '',
  ],
  [
    "a container's restart rule by exit code",
    pod({
      restartPolicy: 'Never',
      containers: [
        container('a', {
          restartPolicy: 'Never',
          restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
        }),
        container('b'),
      ],
    }),
    status([has('a', 'exited', { exitCode: 42 }), has('b', 'running')]),
    'start a',
  ],
];
for (const [name, p, s, want, probes] of cases)
  test(`pod actions: ${name}`, () => assert.equal(summary(p, s, probes), want));

test('container hash: only name and image count; hex of 32 bits', () => {
  assert.equal(containerHash(container('a')), containerHash(container('a', { command: ['x'] })));
  assert.notEqual(containerHash(container('a')), containerHash({ name: 'a', image: 'a:2' }));
  assert.match(containerHash(container('a')), /^[0-9a-f]{1,8}$/);
});

/** What upstream's kubelet v1.36.3 said to the same pods on the same runtime, side by side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../api/types/core-v1.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import type { CriRuntime } from '../runtime/cri.ts';
import { createBackOff } from './containers/back-off.ts';
import type { StartError } from './containers/container-events.ts';
import { createImageManager } from './containers/image-manager.ts';
import type { PodRuntimeStatus, RuntimeContainer } from './containers/runtime-status.ts';
import { plainVersion } from './node/node-agent.ts';
import { generatePodStatus, type StatusInputs } from './pods/api-status.ts';
import { rejection } from './pods/verdict.ts';

const pod = {
  metadata: { name: 'p', namespace: 'd', uid: 'u', generation: 1 },
  spec: { containers: [{ name: 'main', image: 'i' }] },
} as unknown as Pod;

const inputs = (over: Partial<StatusInputs>): StatusInputs => ({
  runtime: { uid: 'u', sandboxes: [], containers: [] } as unknown as PodRuntimeStatus,
  previous: undefined,
  nodeIPs: ['192.0.2.1'],
  runtimeName: 'containerd',
  waiting: () => undefined,
  ready: () => ({ ready: false, started: false }),
  message: () => undefined,
  nowMs: Date.UTC(2026, 0, 1),
  terminal: false,
  ...over,
});

test("upstream's texts: a pod that the node does not take has a phase, a reason and nothing else", () =>
  assert.deepEqual(
    generatePodStatus(pod, inputs({ terminal: true, verdict: rejection('OutOfcpu', 'Node did not have enough') })),
    {
      observedGeneration: 1,
      phase: 'Failed',
      reason: 'OutOfcpu',
      message: 'Pod was rejected: Node did not have enough',
      startTime: '2026-01-01T00:00:00Z',
      qosClass: 'BestEffort',
      conditions: [],
    },
  ));

test("upstream's texts: a container that could not be started did so in 1970", () => {
  const never = {
    ...{ id: 'c', name: 'main', state: 'exited', exitCode: 128, reason: 'StartError', message: 'm', restartCount: 0 },
    ...{ startedAtMs: 0, finishedAtMs: Date.UTC(2026, 0, 1), createdAtMs: 1, image: 'i', imageRef: 'r', hash: '' },
  } as unknown as RuntimeContainer;
  const runtime = { uid: 'u', sandboxes: [], containers: [never] } as unknown as PodRuntimeStatus;
  assert.deepEqual(generatePodStatus(pod, inputs({ runtime })).containerStatuses?.[0]?.state?.terminated, {
    exitCode: 128,
    reason: 'StartError',
    message: 'm',
    startedAt: '1970-01-01T00:00:00Z',
    finishedAt: '2026-01-01T00:00:00Z',
    containerID: 'containerd://c',
  });
});

for (const [image, problem] of [
  ['Bad_Name:::', 'invalid reference format: repository name (library/Bad_Name) must be lowercase'],
  ['host.example/Team/app:1', 'invalid reference format: repository name (Team/app) must be lowercase'],
  ['a/b:1:2', 'invalid reference format'],
] as const)
  test(`upstream's texts: the image ${image} has an ${problem}`, async () => {
    const clock = createVirtualClock();
    const images = createImageManager({
      runtime: {} as CriRuntime,
      clock,
      backOff: createBackOff(clock, { initialMs: 1, maxMs: 1 }),
      timeoutMs: 1000,
    });
    const told: string[] = [];
    const events = { normal: () => undefined, warning: (_: Container, reason: string) => void told.push(reason) };
    const { signal } = new AbortController();
    await assert.rejects(
      images.ensure(pod, { name: 'main', image }, { sandbox: {}, pullSecrets: [], events, signal }),
      (error: StartError) => {
        const quoted = JSON.stringify(image);
        assert.equal(
          error.message,
          `Failed to apply default image tag ${quoted}: couldn't parse image name ${quoted}: ${problem}`,
        );
        return error.reason === 'InvalidImageName';
      },
    );
    assert.deepEqual(told, ['InspectFailed']);
  });

for (const [version, wanted] of [
  ['v1.7.3', '1.7.3'],
  ['1.6.20~ds1', '1.6.20'],
  ['2.1.0-rc.1', '2.1.0-rc.1'],
  ['1.2', '1.2'],
  ['unknown', 'unknown'],
] as const)
  test(`upstream's texts: a runtime of version ${version} is told as ${wanted}`, () =>
    assert.equal(plainVersion(version), wanted));

/** A hollow node under random pods, deletions, crashes, API failures and kubelet restarts; when the storm is over everything must be in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { failure } from '../client/testdata/fake-api-server.ts';
import { startHollowNode } from './testdata/hollow-node.ts';

const call = { timeoutMs: 1000 };

async function storm(seed: number): Promise<void> {
  const random = createSeededRandom(seed);
  const node = await startHollowNode();
  const live = new Map<string, { readonly policy: string; readonly script: boolean }>();
  let names = 0;
  let failing = 0;
  const inner = node.server.intercept!;
  node.server.intercept = (request) => {
    const write = request.method !== 'GET' && request.path.includes('/pods/');
    if (write && failing > 0 && random.float() < 0.7) {
      failing--;
      return failure(ApiError.serviceUnavailable('storm'));
    }
    return inner(request);
  };
  const running = async () =>
    (await node.runtime.listContainers({}, call)).containers.filter((c) => c.state === 'CONTAINER_RUNNING');
  try {
    for (let step = 0; step < 80; step++) {
      const chosen = [...live.keys()][live.size === 0 ? 0 : random.below(live.size)];
      switch (random.below(8)) {
        case 0:
        case 1:
        case 2: {
          const name = `p${names++ % 12}`;
          if (node.pod(name)) break;
          const policy = ['Always', 'OnFailure', 'Never'][random.below(3)]!;
          const script = random.float() < 0.4;
          node.createPod(
            name,
            {
              restartPolicy: policy,
              ...(random.float() < 0.3 ? { initContainers: [{ name: 'i', image: 'i:1' }] } : {}),
            },
            {
              uid: `${name}-${step}`,
              annotations: {
                'hollow.bireme.dev/run-seconds.i': '1',
                'hollow.bireme.dev/stop-seconds': String(random.below(40)),
                ...(script
                  ? {
                      'hollow.bireme.dev/run-seconds.app': String(random.below(20)),
                      'hollow.bireme.dev/exit-code.app': String(random.below(2)),
                    }
                  : {}),
              },
            },
          );
          live.set(name, { policy, script });
          break;
        }
        case 3:
          if (chosen && !node.pod(chosen)?.metadata.deletionTimestamp && node.pod(chosen))
            node.deletePod(chosen, 1 + random.below(30));
          if (chosen) live.delete(chosen);
          break;
        case 4:
          // Force: gone at once, perhaps created again under its name in the next step.
          if (chosen && node.pod(chosen)) node.server.remove(`/api/v1/namespaces/default/pods/${chosen}`);
          if (chosen) live.delete(chosen);
          break;
        case 5: {
          const list = await running();
          const victim = list[list.length === 0 ? 0 : random.below(list.length)];
          if (victim) node.runtime.exit(victim.id, random.below(2));
          break;
        }
        case 6:
          failing = random.below(8);
          break;
        default:
          if (random.float() < 0.5) await node.restart();
      }
      await node.clock.advance(random.below(4000));
    }
    failing = 0;
    await node.clock.advance(700_000);

    const uids = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const pod = node.pod(`p${i}`);
      const expected = live.get(`p${i}`);
      if (!expected) {
        assert.equal(pod, undefined, `p${i} was deleted: ${JSON.stringify(pod)}`);
        continue;
      }
      assert.ok(pod, `p${i} was never deleted`);
      uids.add(pod.metadata.uid!);
      const phase = pod.status?.phase ?? '';
      if (!expected.script && expected.policy === 'Always') {
        assert.equal(phase, 'Running', JSON.stringify(pod.status));
        assert.equal(pod.status?.conditions?.find((c) => c.type === 'Ready')?.status, 'True');
      } else assert.ok(['Running', 'Succeeded', 'Failed'].includes(phase), JSON.stringify(pod.status));
      const container = (await running()).find(
        (c) => c.labels['io.kubernetes.pod.uid'] === pod.metadata.uid && c.metadata?.name === 'app',
      );
      const told = pod.status?.containerStatuses?.[0];
      assert.equal(told?.state?.running !== undefined, container !== undefined, JSON.stringify(pod.status));
      if (container) assert.equal(told?.containerID, `hollow://${container.id}`);
    }
    const { items } = await node.runtime.listPodSandbox({}, call);
    for (const item of items)
      assert.ok(uids.has(item.metadata?.uid ?? ''), `sandbox of ${item.metadata?.name} is left`);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    await node.stop();
  }
  assert.equal(node.clock.pendingTimers, 0, `seed ${seed}: timers left`);
  const programming = node.complaints.filter((line) => /TypeError|ReferenceError|Task "/.test(line));
  assert.deepEqual(programming, [], `seed ${seed}`);
}

for (let seed = 1; seed <= 30; seed++) test(`kubelet simulation: seed ${seed}`, () => storm(seed));

/**
 * Faults below and around etcd on two control-plane hosts and a witness, with real processes and network namespaces: hosts cut off from each other,
 * one way and both, disks that are slow and full, clocks that are set, all hosts stopped at once. Meanwhile clients write, read and watch.
 * `BIREME_LONG_SEED=N`, by hand: in an order of that seed, `BIREME_LONG_ROUNDS` times, and the worker's pods wait out the usual five minutes.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNotFound } from '../../src/api/errors.ts';
import { resources } from '../../src/api/types/resources.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { createSeededRandom } from '../../src/base/seeded-random.ts';
import { requires } from '../requirements.ts';
import { type FleetHost, fleetNeeds, hollow, joinFlags, startFleet } from './fleet.ts';
import { isReady, type Load, underLoad } from './under-load.ts';

const clock = createRealClock({ keepAlive: true });
const seed = Number(process.env.BIREME_LONG_SEED ?? 0);
const rounds = seed > 0 ? Number(process.env.BIREME_LONG_ROUNDS ?? 3) : 1;
const quotaBytes = 24 * 1024 * 1024;
const restMs = seed > 0 ? 8000 : 1500;
/** For what is no write of a client. */
const patienceMs = 120_000;
/** More than one host is away, or etcd refuses: no bound but that of patience. */
const unbounded: ReadonlySet<string> = new Set(['no space under the quota', 'all hosts stopped']);

test('etcd faults: hosts cut off, disks slow and full, clocks set, all hosts stopped', {
  timeout: seed > 0 ? 3_600_000 : 540_000,
}, async (t) => {
  if (!requires(t, fleetNeeds)) return;
  const fleet = await startFleet(t, ['m1', 'm2', 'e1', 'w1'], ({ dataDir }) => ({
    ETCD_QUOTA_BACKEND_BYTES: String(quotaBytes),
    BIREME_CLOCK_OFFSET_FILE: offsetFile(dataDir),
  }));
  const { m1, m2, e1, w1 } = fleet.hosts as Readonly<Record<'m1' | 'm2' | 'e1' | 'w1', FleetHost>>;
  const random = createSeededRandom(seed);
  for (const { dataDir } of [m1, m2, e1, w1]) writeFileSync(offsetFile(dataDir), '0');
  // A small disk of its own under the second member.
  await fleet.machine.ok('mkdir', '-p', join(m2.dataDir, 'etcd'));
  await fleet.machine.ok('mount', '-t', 'tmpfs', '-o', 'size=192m', 'tmpfs', join(m2.dataDir, 'etcd'));

  const flags = joinFlags(await m1.ok('init', '--upload-certs', ...hollow));
  const worker = w1.ok('join', ...flags.worker, ...hollow);
  await m2.ok('join', ...flags.master, '--control-plane', ...hollow, '--schedulable');
  await Promise.all([worker, e1.ok('join', ...flags.master, '--etcd-witness')]);
  const access = m1.access();
  t.after(() => access.close());
  const { client } = access;

  const faults: Readonly<Record<string, (load: Load) => Promise<void>>> = {
    'a master cut off': (load) => isolated(m2, 'cut', load),
    'the leader of etcd cut off': async (load) => isolated(await leader(), 'cut', load),
    'a master deaf': (load) => isolated(m1, 'deaf', load),
    'a slow disk': async (load) => {
      // As a disk does that takes its time for each flush: etcd stands still nine tenths of the time.
      const slow = await leader();
      const untilMs = clock.monotonic() + restMs;
      while (clock.monotonic() < untilMs) {
        await slow.signal('etcd', 'STOP');
        await clock.sleep(90);
        await slow.signal('etcd', 'CONT');
        await clock.sleep(10);
      }
      await load.goesOn(`${slow.name} had a slow disk`);
    },
    'clocks set': async (load) => {
      writeFileSync(offsetFile(m1.dataDir), String(3_600_000));
      await load.goesOn('the clock of m1 an hour ahead');
      writeFileSync(offsetFile(m2.dataDir), String(-1_800_000));
      await load.goesOn('the clock of m2 half an hour behind');
      await clock.sleep(restMs);
      for (const { dataDir } of [m1, m2]) writeFileSync(offsetFile(dataDir), '0');
      await load.goesOn('clocks right');
    },
    'a full disk': async (load) => {
      const filler = join(m2.dataDir, 'etcd', 'filler');
      await fleet.machine.run('dd', 'if=/dev/zero', `of=${filler}`, 'bs=1M');
      const before = m2.pid('etcd');
      await fill(8 * 1024 * 1024);
      await until('etcd on the full disk has ended', () => Promise.resolve(m2.pid('etcd') !== before));
      await load.goesOn('the disk of m2 full');
      await fleet.machine.ok('rm', filler);
      await untilWhole();
      await empty();
    },
    'no space under the quota': async (load) => {
      await fill(2 * quotaBytes);
      await until('the alarm is told, or answered already', async () => {
        const { alarms = [] } = (await statusOf(m1)).etcd ?? {};
        return alarms.length > 0 || (await fits());
      });
      await empty();
      await until('there is space again', fits);
      await load.goesOn('etcd has space again');
    },
    'all hosts stopped': async (load) => {
      load.allStopped();
      const all = [m1, m2, e1];
      await Promise.all(all.map((host) => host.signal('server', random.below(2) === 0 ? 'KILL' : 'TERM')));
      await Promise.all(
        all.map((host) => until(`${host.name} has ended`, async () => !(await runs(host.pid('server'))))),
      );
      const order = all.map((host) => ({ host, afterMs: random.below(2000) }));
      await Promise.all(
        order.map(async ({ host, afterMs }) => {
          await clock.sleep(afterMs);
          await host.ok('start');
        }),
      );
      await load.goesOn('all hosts back');
    },
  };

  async function isolated(host: FleetHost, state: 'cut' | 'deaf', load: Load): Promise<void> {
    await host.peers(state);
    await load.goesOn(`${host.name} ${state}`);
    await clock.sleep(restMs);
    await host.peers('well');
    await load.goesOn(`${host.name} well again`);
    await untilWhole();
  }
  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const startMs = clock.monotonic();
    while (!(await holds())) {
      assert.ok(clock.monotonic() - startMs < patienceMs, what);
      await clock.sleep(200);
    }
    t.diagnostic(`${what}: after ${Math.round(clock.monotonic() - startMs)} ms`);
  }
  const runs = async (pid: number): Promise<boolean> =>
    /^State:\s+[^ZX]/m.test((await fleet.machine.run('cat', `/proc/${pid}/status`)).stdout);
  const statusOf = async (host: FleetHost): Promise<Status> =>
    JSON.parse((await host.bireme('status', '-o', 'json')).stdout) as Status;
  const leader = async (): Promise<FleetHost> => {
    const { etcd } = await statusOf(m1);
    return fleet.hosts[etcd?.members.find(({ role }) => role === 'leader')?.name ?? ''] ?? m1;
  };
  const untilWhole = (): Promise<void> =>
    until('all members answer', async () => (await statusOf(m1)).etcd?.answering === 3);

  const maps = client.resource(resources.configMaps);
  const big = { namespace: 'default', labels: { app: 'filler' } };
  /** As far as there is room. */
  async function fill(bytes: number): Promise<void> {
    const each = 768 * 1024;
    for (let i = 0, refused = 0; i * each < bytes && refused < 3; i++)
      try {
        await maps.create({ metadata: { ...big, generateName: 'filler-' }, data: { x: 'x'.repeat(each) } });
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        refused++;
        await clock.sleep(200);
      }
  }
  const fits = async (): Promise<boolean> => {
    try {
      await maps.create({ metadata: { ...big, generateName: 'filler-' } }, { signal: AbortSignal.timeout(5000) });
      return true;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return false;
    }
  };
  const empty = (): Promise<void> =>
    until('the filler is gone', async () => {
      try {
        const { items } = await maps.list({ namespace: 'default', labelSelector: 'app=filler' });
        for (const { metadata } of items)
          await maps.delete(metadata.name ?? '', { namespace: 'default' }).catch((error: unknown) => {
            if (!isNotFound(error)) throw error;
          });
        return items.length === 0;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        return false;
      }
    });

  // While all this happens a worker is cut off: its pods are given up and run elsewhere.
  const tolerationSeconds = seed > 0 ? 300 : 1;
  const away = ['not-ready', 'unreachable'].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds,
  }));
  await client.resource(resources.deployments).create({
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          tolerations: away,
          affinity: {
            nodeAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [
                {
                  weight: 100,
                  preference: {
                    matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['w1'] }],
                  },
                },
              ],
            },
          },
          containers: [{ name: 'web', image: 'web' }],
        },
      },
    },
  });
  const selection = { namespace: 'default', labelSelector: 'app=web' };
  const on = (name: string) => (pod: { spec?: { nodeName?: string }; status?: { phase?: string } }) =>
    pod.spec?.nodeName === name && pod.status?.phase === 'Running';
  await access.until(resources.pods, 'two pods on w1', (pods) => pods.filter(on('w1')).length === 2, selection);
  await w1.link('down');

  await underLoad(t, fleet, [m1, m2], seed, async (load) => {
    const names = Object.keys(faults);
    for (let round = 0; round < rounds; round++) {
      const order =
        seed > 0
          ? names.map((name) => ({ name, at: random.below(1 << 30) })).sort((a, b) => a.at - b.at)
          : names.map((name) => ({ name }));
      for (const { name } of order) {
        await load.fault(name, () => faults[name]!(load), !unbounded.has(name));
      }
    }
  });
  const timeoutMs = 180_000 + tolerationSeconds * 1000;
  await access.until(resources.pods, 'two pods on m2', (pods) => pods.filter(on('m2')).length === 2, {
    ...selection,
    timeoutMs,
  });
  await w1.link('up');
  await access.until(
    resources.pods,
    'no pods on w1',
    (pods) => pods.filter(({ spec }) => spec?.nodeName === 'w1').length === 0,
    { ...selection, timeoutMs },
  );
  await access.until(resources.nodes, 'three ready nodes', (nodes) => nodes.filter(isReady).length === 3, {
    timeoutMs,
  });
});

interface Status {
  readonly etcd?: {
    readonly members: readonly { readonly name: string; readonly role: string }[];
    readonly answering: number;
    readonly alarms: readonly string[];
  };
}

const offsetFile = (dataDir: string): string => `${dataDir}.clock`;

/** A cluster with one worker of its own host, and what is done to it in tests. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { resources } from '../../src/api/types/resources.ts';
import { busyboxArchive } from '../images.ts';
import { accessTo, type ClusterAccess } from './cluster.ts';
import { type Machine, port, startMachine } from './machine.ts';
import { image, namespace } from './workload.ts';

export interface Worker {
  readonly machine: Machine;
  readonly cluster: ClusterAccess;
  /** `bireme COMMAND ...`, which must succeed. */
  bireme(command: string, ...args: readonly string[]): Promise<void>;
  /** A shell script inside the worker's host. @returns its output. */
  inside(script: string): Promise<string>;
  /** SIGKILL to the node process (kubelet, proxy, DNS); its supervisor starts it again. */
  killNodeProcess(): Promise<void>;
  /** Waits until a node process has told the node's status after this moment. */
  nodeReports(): Promise<void>;
  /** Waits until what pods leave on the host is as it was. */
  clean(before: Traces): Promise<void>;
  traces(): Promise<Traces>;
}

/** What pods leave on a host while they are there: processes, mounts, links, network namespaces, cgroups, files. */
export type Traces = Readonly<Record<string, number>>;

/** `up --workers 1` with the tests' image. @param prepare what is to be there before it. */
export async function startWorker(
  t: TestContext,
  {
    flags = [],
    prepare,
  }: { readonly flags?: readonly string[]; readonly prepare?: (machine: Machine) => Promise<readonly string[]> } = {},
): Promise<Worker> {
  const machine = await startMachine(t);
  const bireme: Worker['bireme'] = async (command, ...args) => {
    const { code, stdout, stderr } = await machine.bireme(command, ...args);
    assert.equal(code, 0, stdout + stderr);
  };
  const more = (await prepare?.(machine)) ?? [];
  await bireme('up', '--workers', '1', ...flags, ...more);
  const archive = join(machine.folder, 'busybox.tar');
  writeFileSync(archive, busyboxArchive(image));
  await bireme('image import', archive);
  const cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
  t.after(() => cluster.close());
  await cluster.until(resources.serviceAccounts, 'the default service account', (all) => all.length > 0, { namespace });

  const inside: Worker['inside'] = async (script) => {
    const [host] = JSON.parse(await machine.ok('cat', join(machine.dataDir, 'run', 'hosts.json'))).hosts as readonly {
      readonly init: { readonly pid: number };
    }[];
    const enter = ['-t', String(host?.init.pid), '-n', '-m', '-p', '-C'];
    return machine.ok('nsenter', ...enter, 'sh', '-c', script);
  };
  const traces = async (): Promise<Traces> => {
    const counts = await inside(`
      echo shims $(ps -eo args 2>/dev/null | grep -c '[c]ontainerd-shim')
      echo mounts $(grep -c '/var/lib/bireme/' /proc/mounts)
      echo links $(ip -o link | grep -c veth)
      echo namespaces $(ls /var/lib/bireme/node/c/state/netns 2>/dev/null | wc -l)
      echo groups $(find /sys/fs/cgroup/memory/bireme-* -type d -name 'pod*' 2>/dev/null | wc -l)
      echo leases $(ls /var/lib/bireme/node/cni/leases/bireme 2>/dev/null | grep -c '^10')
      echo pods $(ls /var/lib/bireme/node/kubelet/pods 2>/dev/null | wc -l)
      echo logs $(ls /var/lib/bireme/node/pod-logs 2>/dev/null | wc -l)`);
    return Object.fromEntries(
      counts
        .trim()
        .split('\n')
        .map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]),
    );
  };
  return {
    machine,
    cluster,
    bireme,
    inside,
    traces,
    async killNodeProcess() {
      // It may be about to be started again.
      const killed = await eventually(async () => {
        const inHost = await machine.pids('node --data-dir /var/lib/bireme');
        await machine.kill(...inHost);
        return inHost.length > 0;
      });
      assert.ok(killed, 'the node process was not started again');
    },
    async nodeReports() {
      const leases = cluster.client.resource(resources.leases);
      const where = { namespace: 'kube-node-lease' };
      const { items } = await leases.list(where);
      const last = new Map(items.map((lease) => [lease.metadata.name, lease.spec?.renewTime]));
      await cluster.until(
        resources.leases,
        'the kubelet renews its lease',
        (all) => all.some((lease) => lease.spec?.renewTime !== last.get(lease.metadata.name)),
        where,
      );
    },
    async clean(before) {
      let last: Traces = {};
      await eventually(async () => {
        last = await traces();
        return JSON.stringify(last) === JSON.stringify(before);
      });
      assert.deepEqual(last, before);
    },
  };
}

/** Looks each 100 ms, for a minute at most. @returns whether it came true. */
export async function eventually(ok: () => Promise<boolean>): Promise<boolean> {
  const end = Date.now() + 60_000;
  for (;;) {
    if (await ok()) return true;
    if (Date.now() > end) return false;
    await setTimeout(100);
  }
}

/** Deletes a pod and waits until it is gone. */
export async function gone(cluster: ClusterAccess, name: string, gracePeriodSeconds = 0): Promise<void> {
  const pods = cluster.client.resource(resources.pods);
  const { items } = await pods.list({ namespace, fieldSelector: `metadata.name=${name}` });
  if (items.length === 0) return;
  await pods.delete(name, { namespace, body: gracePeriodSeconds === 0 ? {} : { gracePeriodSeconds } });
  await cluster.until(resources.pods, `pod ${name} is gone`, (all) => all.length === 0, {
    namespace,
    fieldSelector: `metadata.name=${name}`,
  });
}

export const restarts = (pod: {
  readonly status?: { readonly containerStatuses?: readonly { restartCount: number }[] };
}): number => pod.status?.containerStatuses?.[0]?.restartCount ?? 0;

/** `BIREME_TEST_LONG=1`: the minutes of the issue instead of the seconds of CI. The same code either way. */
export const longMode = process.env.BIREME_TEST_LONG === '1';

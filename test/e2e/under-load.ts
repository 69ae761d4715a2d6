/** What must hold while hosts and processes fail: writes go on, none that was acknowledged is lost, no read is stale, no watch has a gap. */
import assert from 'node:assert/strict';
import { resources } from '../../src/api/types/resources.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { findViolation, findWatchFault } from '../support/linearizability.ts';
import { makeRegisters, startRegisterClients, watchRegisters } from '../support/register-clients.ts';
import type { Fleet, FleetHost } from './fleet.ts';
import { measureStarvation } from './starvation.ts';

const clock = createRealClock({ keepAlive: true });
/** With any one host gone, writes go on within 10 s, not counting time in which this machine had no processor for what is tested. */
const pauseAllowedMs = 10_000;
/** In all, however busy the machine is. */
const patienceMs = 180_000;

const forgottenMs = 5000;
/** For the last events on a busy machine. */
const eventsMs = 30_000;

export const isReady = (node: {
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}): boolean => node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

export interface Load {
  /** Some writes succeed from now on. */
  goesOn(what: string): Promise<void>;
  /**
   * What goes wrong with one host. Fails the test when no write was acknowledged for longer than 10 s meanwhile or because of it.
   * @param bounded `false` where more than one host is gone, or etcd refuses: the pause is told only.
   */
  fault(what: string, body: () => Promise<void>, bounded?: boolean): Promise<void>;
  /** All API servers lose what they remember, each up to its own start: watches may have to list once more at each. */
  allStopped(): void;
}

/** Clients write and read through all masters meanwhile; afterwards their history must be linearizable and the watches whole. */
export async function underLoad(
  t: { diagnostic(message: string): void },
  { hosts, machine }: Fleet,
  masters: readonly FleetHost[],
  seed: number,
  during: (load: Load) => Promise<void>,
): Promise<void> {
  const accesses = masters.map((host) => host.access());
  const clients = accesses.map(({ client }) => client);
  const ends: (() => Promise<void>)[] = [];
  const starvation = measureStarvation(machine, clock);
  ends.push(() => starvation.stop());
  try {
    await makeRegisters(clients[0]!);
    const start = await clients[0]!.resource(resources.configMaps).list({ namespace: 'default' });
    const watched = watchRegisters(clients, start.metadata.resourceVersion ?? '');
    ends.push(() => watched.stop());
    const load = startRegisterClients([...clients, ...clients], seed);
    ends.push(() => load.stop());
    let mayForget = 0;
    const faults: {
      readonly what: string;
      readonly fromMs: number;
      readonly toMs: number;
      readonly bounded: boolean;
    }[] = [];
    const writesGoOn = async (what: string): Promise<void> => {
      const from = load.now();
      while (load.writesSince(from) < 5) {
        assert.ok(load.now() - from < patienceMs, `${what}: no writes for ${patienceMs} ms`);
        await clock.sleep(50);
      }
      t.diagnostic(`${what}: writes go on after ${Math.round(load.now() - from)} ms`);
    };
    await during({
      allStopped: () => {
        mayForget += masters.length;
      },
      goesOn: writesGoOn,
      async fault(what, body, bounded = true) {
        const fromMs = load.now();
        await body();
        await writesGoOn(`${what}, at the end`);
        faults.push({ what, fromMs, toMs: load.now(), bounded });
      },
    });
    await clock.sleep(500);
    await load.stop();
    for (const { what, fromMs, toMs, bounded } of faults) {
      let longest = { ms: 0, starvedMs: 0 };
      for (const pause of load.pausesBetween(fromMs, toMs)) {
        const ms = pause.toMs - pause.fromMs;
        const starvedMs = starvation.between(pause.fromMs, pause.toMs);
        if (ms - starvedMs >= longest.ms - longest.starvedMs) longest = { ms, starvedMs };
      }
      const { ms, starvedMs } = longest;
      t.diagnostic(
        `${what}: ${Math.round(toMs - fromMs)} ms, ${ms === 0 ? 'no pause of a second' : `longest pause ${Math.round(ms)} ms, ${Math.round(starvedMs)} of them without a processor`}`,
      );
      if (bounded) assert.ok(ms - starvedMs <= pauseAllowedMs, `${what}: no write for ${Math.round(ms)} ms`);
    }
    const violation = findViolation(load.operations, undefined);
    assert.equal(violation, undefined, JSON.stringify(violation));
    const acknowledged = load.operations
      .filter(({ kind, endMs }) => kind === 'write' && endMs !== Number.POSITIVE_INFINITY)
      // What was written about when all servers had forgotten may have been overwritten before the watch listed.
      .filter(({ startMs, endMs }) =>
        watched.gaps.every(({ fromMs, toMs }) => endMs < fromMs - forgottenMs || startMs > toMs),
      )
      .map(({ key, value }) => ({ key, value, resourceVersion: '0' }));
    const lateMs = load.now() + eventsMs;
    while (findWatchFault(watched.events, acknowledged) !== undefined && load.now() < lateMs) await clock.sleep(100);
    await watched.stop();
    assert.equal(findWatchFault(watched.events, acknowledged), undefined);
    const faultAt = (ms: number): string =>
      faults.find(({ fromMs, toMs }) => ms >= fromMs && ms < toMs)?.what ?? 'no fault';
    const gaps = watched.gaps.map(({ fromMs, toMs }) => `${Math.round(toMs - fromMs)} ms in "${faultAt(fromMs)}"`);
    assert.ok(gaps.length <= mayForget, `the watch had to list ${gaps.length} times: ${gaps.join(', ')}`);
    t.diagnostic(
      `${load.operations.length} operations on ${Object.keys(hosts).length} hosts, ${acknowledged.length} writes acknowledged`,
    );
  } finally {
    for (const end of ends) await end();
    for (const access of accesses) await access.close();
  }
}

/**
 * A whole control plane and hollow nodes in a test's process:
 *
 *   const cluster = await startCluster({ nodes: 3, time: 'virtual' });
 *   await cluster.client.resource(resources.deployments).create(...);
 *   await cluster.until(() => ...);          // turns the clock as far as it takes
 *   await cluster.stop();
 *
 * It is the production code on the memory store; nothing listens on a port and nothing is written to disk.
 */

import type { Clock } from '../base/clock.ts';
import { createLogger, silentLogger } from '../base/console-log.ts';
import type { LogLevel } from '../base/log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createRealClock } from '../base/real-clock.ts';
import { createRealRandom } from '../base/real-random.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../base/virtual-clock.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/create-client.ts';
import type { Transport } from '../client/transport.ts';
import { adminPeer, type ControlPlane, type ControlPlaneOptions, startControlPlane } from '../cluster/control-plane.ts';
import { createHollowNodes, type HollowNodeOptions, type HollowNodes } from '../cluster/hollow-nodes.ts';
import { createServiceAccountKeys } from '../cluster/pki.ts';
import { createMemoryStore } from '../store/memory/memory-store.ts';

export interface TestClusterOptions {
  /** Hollow nodes `node-1`, `node-2`, ... Default 1. */
  readonly nodes?: number;
  readonly node?: HollowNodeOptions;
  /** `virtual`: time stands still until the test turns it. Default `real`. */
  readonly time?: 'real' | 'virtual';
  /** Virtual time starts here, milliseconds since the epoch. */
  readonly startMs?: number;
  /** Seeds names, jitter and ties; the same seed replays a run in virtual time. Default 1. */
  readonly seed?: number;
  /** Print logs of this level and above. Default: none. */
  readonly log?: LogLevel;
  readonly controlPlane?: Partial<
    Pick<ControlPlaneOptions, 'network' | 'controllers' | 'clusterDns' | 'without' | 'tuning'>
  >;
}

export interface TestCluster {
  /** As an administrator. */
  readonly client: Client;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly controlPlane: ControlPlane;
  readonly hollow: HollowNodes;
  /** Virtual time only. @throws Error in real time. */
  advance(ms: number): Promise<void>;
  /**
   * Waits until `condition` holds: in virtual time by turning the clock, in real time by looking again every few milliseconds.
   * @param limitMs default one hour in virtual time, 30 seconds in real time. @throws Error when it does not come true.
   */
  until(condition: () => boolean | Promise<boolean>, limitMs?: number): Promise<void>;
  /** Stops everything; no timer, watch or handle is left. Idempotent. */
  stop(): Promise<void>;
}

export async function startCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const virtual: VirtualClock | undefined =
    options.time === 'virtual' ? createVirtualClock(options.startMs) : undefined;
  const clock: Clock = virtual ?? createRealClock({ keepAlive: true });
  const random = virtual ? createSeededRandom(options.seed ?? 1) : createRealRandom();
  const log = options.log
    ? createLogger({ clock, write: (line) => void process.stderr.write(line), level: options.log })
    : silentLogger;
  const metrics = createMetricsRegistry();
  const store = createMemoryStore({ clock });
  const controlPlane = await startControlPlane({
    clock,
    random,
    log,
    metrics,
    store,
    serviceAccountPrivateKey: createServiceAccountKeys().privateKey,
    advertiseAddress: '127.0.0.1',
    port: 6443,
    ...options.controlPlane,
  });
  const transport = controlPlane.transportAs(adminPeer);
  const hollow = createHollowNodes(
    transport,
    { clock, random, log, metrics },
    { transportAs: controlPlane.transportAs },
  );
  for (let i = 1; i <= (options.nodes ?? 1); i++) hollow.add(`node-${i}`, options.node);
  let failure: unknown;
  controlPlane.done.catch((error: unknown) => {
    failure = error;
  });
  let stopped: Promise<void> | undefined;

  const check = async (condition: () => boolean | Promise<boolean>): Promise<boolean> => {
    if (failure !== undefined) throw failure;
    return condition();
  };
  return {
    client: createClient(transport, { fieldManager: 'test' }),
    transport,
    clock,
    controlPlane,
    hollow,
    async advance(ms) {
      if (!virtual) throw new Error('This cluster runs in real time; start it with time: "virtual" to turn its clock');
      await virtual.advance(ms);
    },
    async until(condition, limitMs = virtual ? 3_600_000 : 30_000) {
      if (!virtual) {
        const endMs = clock.monotonic() + limitMs;
        while (!(await check(condition))) {
          if (clock.monotonic() > endMs) throw new Error(`The condition did not come true in ${limitMs} ms`);
          await clock.sleep(5);
        }
        return;
      }
      const endMs = clock.monotonic() + limitMs;
      await virtual.settle();
      while (!(await check(condition))) {
        if (clock.monotonic() >= endMs)
          throw new Error(`The condition did not come true in ${limitMs} ms of virtual time`);
        await virtual.advance(stepMs);
      }
    },
    stop: () => {
      stopped ??= (async () => {
        await hollow.stop();
        await controlPlane.stop();
        await transport.close();
        await store.close();
      })();
      return stopped;
    },
  };
}

/** How far virtual time goes between two looks at a condition. */
const stepMs = 100;

/**
 * Gives memory back once a process rests. V8 collects when enough was allocated, not when there is time: after a burst its heap stays as large as the burst made it, most of
 * it garbage. A full collection stops the process for some 50 ms (40 MiB of live objects), so it is made only where nobody waits: after ten seconds with hardly any work,
 * twice for each burst (decision 11 counts in milliseconds because somebody waits).
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../base/clock.ts';

const lookEveryMs = 5_000;
/** CPU within one look: 2% of a core. */
const restCpuMs = 100;
/** The heap must have grown by this since it was last collected here. */
const growthBytes = 32 * 1024 * 1024;

export interface MemoryAtRest {
  /** CPU of the process since its start, milliseconds. */
  cpuMs(): number;
  heapBytes(): number;
  collect(): void;
}

/** @returns a function that ends it. */
export function collectAtRest(clock: Pick<Clock, 'timer'>, memory = thisProcess()): () => void {
  let cpu = memory.cpuMs();
  let collected = memory.heapBytes();
  let resting = false;
  /** The young generation gives its memory back, and swept pages are gone, only with the second collection. */
  let again = false;
  const look = (): void => {
    const now = memory.cpuMs();
    const rests = now - cpu < restCpuMs;
    if (!rests) again = false;
    else if (again || (resting && memory.heapBytes() > collected + growthBytes)) {
      memory.collect();
      collected = memory.heapBytes();
      again = !again;
    }
    resting = rests;
    // What the collection took is no work.
    cpu = memory.cpuMs();
    timer = clock.timer(lookEveryMs, look);
  };
  let timer = clock.timer(lookEveryMs, look);
  return () => timer.cancel();
}

function thisProcess(): MemoryAtRest {
  // The function is V8's own; a context that is made while the flag stands has it.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  // Pages that a collection freed are kept for a while in case they are wanted again; at rest they are not.
  setFlagsFromString('--memory-pool-timeout=1');
  return {
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    heapBytes: () => getHeapStatistics().total_heap_size,
    collect,
  };
}

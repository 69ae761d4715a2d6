/** The node process: started by `up`, ends when its standard input ends, however its parent ended. */
import { writeFileSync } from 'node:fs';
import { createLineWriter, createLogger } from '../base/console-log.ts';
import { createRealRandom } from '../base/real-random.ts';
import { dataDirAt, openDataDir } from '../cluster/data-dir.ts';
import { createForkedSpawner } from '../cluster/host-spawner.ts';
import { nodeFiles } from '../cluster/node-config.ts';
import { runNodeProcess } from '../cluster/node-process.ts';
import { createProcessRegistry } from '../cluster/process-metrics.ts';
import { clock, selfCommand } from './defaults.ts';

export async function node(options: { readonly dataDir: string }): Promise<void> {
  const stopping = new AbortController();
  process.on('SIGTERM', () => stopping.abort());
  process.on('SIGINT', () => stopping.abort());
  process.stdin.on('end', () => stopping.abort());
  process.stdin.on('error', () => stopping.abort());
  process.stdin.resume();
  const log = createLogger({ clock, ...createLineWriter(process.stderr, clock) });
  const spawner = await createForkedSpawner({ command: selfCommand('spawner') });
  try {
    await runNodeProcess(
      {
        dir: openDataDir(options.dataDir, { roomBytes: 0 }),
        spawner,
        clock,
        random: createRealRandom(),
        log,
        metrics: createProcessRegistry(),
        onMachineShutdown: (listener) => process.on('SIGPWR', listener),
      },
      stopping.signal,
    );
  } catch (error) {
    if (!stopping.signal.aborted) {
      log.error('The node process fails', { error });
      process.exitCode = 1;
      try {
        writeFileSync(nodeFiles(dataDirAt(options.dataDir)).failure, rootCause(error), { mode: 0o600 });
      } catch (unwritten) {
        log.error('Cannot leave word of the failure', { error: unwritten });
      }
    }
  } finally {
    await spawner.close();
  }
  process.exit();
}

/** The innermost error's words: that is the one which says what is in the way. */
function rootCause(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  return inner instanceof Error ? inner.message : String(inner);
}

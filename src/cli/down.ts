/** `bireme down`. */
import { silentLogger } from '../base/console-log.ts';
import { takeDown } from '../cluster/down.ts';
import { createSpawner } from '../cluster/host-spawner.ts';
import { clock, defaultDataDir } from './defaults.ts';
import { plainProgress, terminalProgress } from './progress.ts';

export async function down(options: { readonly dataDir?: string }): Promise<void> {
  const dataDir = options.dataDir ?? defaultDataDir();
  const progress = process.stdout.isTTY
    ? terminalProgress(process.stdout, clock)
    : plainProgress((line) => process.stdout.write(line));
  const spawner = createSpawner(clock);
  try {
    const found = await takeDown({
      dataDir,
      clock,
      log: silentLogger,
      spawner,
      progress: (text) => progress.step(text),
    });
    progress.done(found ? 'The cluster is gone.' : `There is no cluster in "${dataDir}".`);
  } catch (error) {
    progress.fail();
    throw error;
  } finally {
    await spawner.close();
  }
}

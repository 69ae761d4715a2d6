/** `bireme image import`. */
import { stringify } from 'yaml';
import { createSpawner } from '../cluster/host-spawner.ts';
import { importImage } from '../cluster/import-image.ts';
import { clock, defaultDataDir } from './defaults.ts';

export async function imageImport(
  archive: string,
  options: { readonly dataDir?: string; readonly output: string },
): Promise<void> {
  const spawner = createSpawner(clock);
  try {
    const images = await importImage({ archive, dataDir: options.dataDir ?? defaultDataDir(), spawner });
    switch (options.output) {
      case 'json':
        console.log(JSON.stringify({ images }, null, 2));
        return;
      case 'yaml':
        process.stdout.write(stringify({ images }));
        return;
      default:
        for (const image of images) console.log(options.output === 'name' ? image : `Imported ${image}`);
    }
  } finally {
    await spawner.close();
  }
}

/** The spawner of a process that starts few programs and does not serve: the command itself, the node process before it has one of its own. */
import type { Clock } from '../base/clock.ts';
import { createLocalSpawner } from '../host/local-spawner.ts';
import type { Spawner } from '../host/spawner.ts';

export const createSpawner = (clock: Clock): Spawner => createLocalSpawner({ clock });
export { createForkedSpawner } from '../host/forked-spawner.ts';
export { serveSpawner } from '../host/spawner-process.ts';

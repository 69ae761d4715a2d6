/** The spawner process: starts programs for the node process, from a heap that stays small. */
import { serveSpawner } from '../cluster/host-spawner.ts';
import { clock } from './defaults.ts';

export async function spawner(): Promise<void> {
  await serveSpawner(process.stdin, process.stdout, { clock, pid: process.pid });
}

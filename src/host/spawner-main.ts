/** The spawner process's entry when sources run as they are; the built command has a subcommand that does the same. */
import { createRealClock } from '../base/real-clock.ts';
import { serveSpawner } from './spawner-process.ts';

await serveSpawner(process.stdin, process.stdout, { clock: createRealClock(), pid: process.pid });

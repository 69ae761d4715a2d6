import { randomBytes, randomUUID } from 'node:crypto';
import type { Random } from './random.ts';

/** The operating system's randomness. */
export function createRealRandom(): Random {
  return {
    float: () => Math.random(),
    below: (n) => Math.floor(Math.random() * n),
    bytes: (n) => new Uint8Array(randomBytes(n)),
    uuid: () => randomUUID(),
  };
}

/** Drawing from a seed. Each case has a generator of its own, so one case can be replayed alone. */
import { createSeededRandom } from '../../src/base/seeded-random.ts';

export interface Pick {
  below(n: number): number;
  chance(probability: number): boolean;
  one<T>(items: readonly T[]): T;
  weighted<T>(items: readonly (readonly [T, number])[]): T;
}

export function pickFor(seed: number, index: number): Pick {
  const random = createSeededRandom((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
  const below = (n: number): number => random.below(n);
  return {
    below,
    chance: (probability) => random.float() < probability,
    one: (items) => items[below(items.length)]!,
    weighted(items) {
      let rest = random.float() * items.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [item, weight] of items) {
        rest -= weight;
        if (rest < 0) return item;
      }
      return items.at(-1)![0];
    },
  };
}

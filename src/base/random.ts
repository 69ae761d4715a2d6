/** Randomness as a parameter: `real-random.ts` is the operating system's, `seeded-random.ts` replays from a seed. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform integer in [0, n); n at least 1. */
  below(n: number): number;
  /** `n` bytes; cryptographically strong in the real implementation. */
  bytes(n: number): Uint8Array<ArrayBuffer>;
  /** RFC 9562 version 4, lower case. */
  uuid(): string;
}

/** Between the encoded object and the store's value (decision 4): identity now, encryption at rest later. Synchronous on purpose (decision 7). */
export interface Transformer {
  /** @param key the whole store key, which binds a ciphertext to its place. */
  toStorage(plain: Uint8Array, key: string): Uint8Array;
  fromStorage(stored: Uint8Array, key: string): Uint8Array;
}

export const identityTransformer: Transformer = {
  toStorage: (plain) => plain,
  fromStorage: (stored) => stored,
};

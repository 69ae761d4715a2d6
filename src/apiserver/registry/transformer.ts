/** Between the encoded object and the store's value (decision 4): as it is, or encrypted. Synchronous on purpose (decision 7). */
export interface Transformer {
  /** @param key the whole store key, which binds a ciphertext to its place. */
  toStorage(plain: Uint8Array, key: string): Uint8Array;
  /** @throws TransformError for what cannot be read back. */
  fromStorage(stored: Uint8Array, key: string): Uint8Array;
  /** What was last read under the key is not as it would be written now: an update that changes nothing writes it anew. */
  isStale?(key: string): boolean;
}

/** A value in the store that this server cannot read: another key wrote it, or it is damaged. */
export class TransformError extends Error {
  override readonly name = 'TransformError';
}

export const identityTransformer: Transformer = {
  toStorage: (plain) => plain,
  fromStorage(stored, key) {
    // `k8s:`, as every encrypted value begins; upstream's protobuf has a zero in its place.
    if (stored[0] === 0x6b && stored[3] === 0x3a)
      throw new TransformError(
        `unable to transform key ${JSON.stringify(key)}: identity transformer tried to read encrypted data`,
      );
    return stored;
  },
};

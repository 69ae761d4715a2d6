/**
 * Values as each provider writes them, byte for byte as upstream: `k8s:enc:KIND:v1:KEY:` and what the cipher makes.
 * Source: apiserver/pkg/storage/value/encrypt.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { TransformError } from '../registry/transformer.ts';
import type { Cipher, EncryptionKey, Provider } from './configuration.ts';
import { nonceBytes, openBox, sealBox } from './secretbox.ts';

/** Cryptographically strong. */
export type RandomBytes = (count: number) => Uint8Array;

export interface KeyedCipher {
  /** On each value that it wrote. Empty: the value is as it is. */
  readonly prefix: Buffer;
  seal(plain: Uint8Array, storeKey: string): Uint8Array;
  /** @param sealed without the prefix @throws Error when it was not sealed with this key */
  open(sealed: Uint8Array, storeKey: string): Uint8Array;
}

export const encryptedMark = 'k8s:enc:';

/** In the order in which they are tried. */
export function ciphersOf(provider: Provider, random: RandomBytes): readonly KeyedCipher[] {
  if (provider.kind === 'identity') return [identity];
  return provider.keys.map((key) => makers[provider.kind](key, Buffer.from(prefixOf(provider.kind, key)), random));
}

const prefixOf = (cipher: Cipher, { name }: EncryptionKey): string => `${encryptedMark}${cipher}:v1:${name}:`;

const identity: KeyedCipher = {
  prefix: Buffer.alloc(0),
  seal: (plain) => plain,
  open(stored) {
    if (isEncrypted(stored)) throw new TransformError('identity transformer tried to read encrypted data');
    return stored;
  },
};

export function isEncrypted(stored: Uint8Array): boolean {
  for (let i = 0; i < encryptedMark.length; i++) if (stored[i] !== encryptedMark.charCodeAt(i)) return false;
  return true;
}

type Maker = (key: EncryptionKey, prefix: Buffer, random: RandomBytes) => KeyedCipher;

const gcmNonceBytes = 12;
const gcmTagBytes = 16;
const cbcBlockBytes = 16;

const makers: Readonly<Record<Cipher, Maker>> = {
  /** Bound to its place: a value copied to another key does not open. */
  aesgcm: ({ secret }, prefix, random) => {
    const name = `aes-${secret.length * 8}-gcm` as 'aes-256-gcm';
    return {
      prefix,
      seal(plain, storeKey) {
        const nonce = random(gcmNonceBytes);
        const cipher = createCipheriv(name, secret, nonce).setAAD(Buffer.from(storeKey));
        return Buffer.concat([prefix, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      },
      open(sealed, storeKey) {
        if (sealed.length < gcmNonceBytes + gcmTagBytes)
          throw new Error('the stored data was shorter than the required size');
        const end = sealed.length - gcmTagBytes;
        const cipher = createDecipheriv(name, secret, sealed.subarray(0, gcmNonceBytes), { authTagLength: gcmTagBytes })
          .setAAD(Buffer.from(storeKey))
          .setAuthTag(sealed.subarray(end));
        return Buffer.concat([cipher.update(sealed.subarray(gcmNonceBytes, end)), cipher.final()]);
      },
    };
  },
  aescbc: ({ secret }, prefix, random) => {
    const name = `aes-${secret.length * 8}-cbc`;
    return {
      prefix,
      seal(plain) {
        const iv = random(cbcBlockBytes);
        const cipher = createCipheriv(name, secret, iv);
        return Buffer.concat([prefix, iv, cipher.update(plain), cipher.final()]);
      },
      open(sealed) {
        if (sealed.length < cbcBlockBytes) throw new Error('the stored data was shorter than the required size');
        const cipher = createDecipheriv(name, secret, sealed.subarray(0, cbcBlockBytes));
        return Buffer.concat([cipher.update(sealed.subarray(cbcBlockBytes)), cipher.final()]);
      },
    };
  },
  secretbox: ({ secret }, prefix, random) => ({
    prefix,
    seal(plain) {
      const nonce = random(nonceBytes);
      return Buffer.concat([prefix, nonce, sealBox(plain, nonce, secret)]);
    },
    open(sealed) {
      const plain = openBox(sealed.subarray(nonceBytes), sealed.subarray(0, nonceBytes), secret);
      if (plain === undefined) throw new Error('the stored data was not sealed with this key');
      return plain;
    },
  }),
};

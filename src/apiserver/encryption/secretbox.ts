/**
 * NaCl's secretbox: XSalsa20 with Poly1305, which OpenSSL does not have. Tag first, then the ciphertext.
 * Source: D. J. Bernstein, "Extending the Salsa20 nonce" and "The Poly1305-AES message-authentication code".
 */
import { timingSafeEqual } from 'node:crypto';

export const nonceBytes = 24;
export const tagBytes = 16;

/** @param key 32 bytes @param nonce 24 bytes, never used twice with one key */
export function sealBox(plain: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  const box = new Uint8Array(tagBytes + plain.length);
  const { authenticationKey, mask } = streamOf(nonce, key, plain.length);
  for (let i = 0; i < plain.length; i++) box[tagBytes + i] = plain[i]! ^ mask[i]!;
  box.set(poly1305(box.subarray(tagBytes), authenticationKey));
  return box;
}

/** @returns undefined when the box was not sealed with this key and nonce. */
export function openBox(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  if (box.length < tagBytes) return undefined;
  const sealed = box.subarray(tagBytes);
  const { authenticationKey, mask } = streamOf(nonce, key, sealed.length);
  if (!timingSafeEqual(poly1305(sealed, authenticationKey), box.subarray(0, tagBytes))) return undefined;
  const plain = new Uint8Array(sealed.length);
  for (let i = 0; i < sealed.length; i++) plain[i] = sealed[i]! ^ mask[i]!;
  return plain;
}

/** The first 32 bytes of the stream are the key of the tag. */
function streamOf(nonce: Uint8Array, key: Uint8Array, length: number) {
  const subkey = hsalsa20(words(nonce.subarray(0, 16)), words(key));
  const [n0, n1] = words(nonce.subarray(16, 24)) as unknown as [number, number];
  const total = 32 + length;
  const stream = new Uint8Array(Math.ceil(total / 64) * 64);
  const view = new DataView(stream.buffer);
  const state = initial(subkey, n0, n1, 0, 0);
  const work = new Uint32Array(16);
  for (let block = 0, at = 0; at < total; block++) {
    state[8] = block;
    work.set(state);
    tenDoubleRounds(work);
    for (let i = 0; i < 16; i++, at += 4) view.setUint32(at, (work[i]! + state[i]!) >>> 0, true);
  }
  return { authenticationKey: stream.subarray(0, 32), mask: stream.subarray(32, total) };
}

function words(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
}

/** `expand 32-byte k` on the diagonal. */
function initial(key: Uint32Array, a: number, b: number, c: number, d: number): Uint32Array {
  const [k0, k1, k2, k3, k4, k5, k6, k7] = key as unknown as number[];
  return Uint32Array.of(
    0x61707865,
    k0!,
    k1!,
    k2!,
    k3!,
    0x3320646e,
    a,
    b,
    c,
    d,
    0x79622d32,
    k4!,
    k5!,
    k6!,
    k7!,
    0x6b206574,
  );
}

function hsalsa20(input: Uint32Array, key: Uint32Array): Uint32Array {
  const state = initial(key, input[0]!, input[1]!, input[2]!, input[3]!);
  tenDoubleRounds(state);
  return Uint32Array.of(state[0]!, state[5]!, state[10]!, state[15]!, state[6]!, state[7]!, state[8]!, state[9]!);
}

/** Columns, then rows: each line is a target, its two sources and how far the sum is turned. */
const quarters: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14],
];

function tenDoubleRounds(x: Uint32Array): void {
  for (let round = 0; round < 10; round++)
    for (let i = 0; i < quarters.length; i++) {
      const [a, b, c, d] = quarters[i]!;
      x[b]! ^= turned(x[a]! + x[d]!, 7);
      x[c]! ^= turned(x[b]! + x[a]!, 9);
      x[d]! ^= turned(x[c]! + x[b]!, 13);
      x[a]! ^= turned(x[d]! + x[c]!, 18);
    }
}

const turned = (sum: number, by: number): number => (sum << by) | (sum >>> (32 - by));

const limbs = 10;
const limbBits = 13;
const limbMask = 0x1fff;

/** Numbers modulo 2^130 - 5 in ten limbs of 13 bits, so that sums of products stay exact. */
function poly1305(message: Uint8Array, key: Uint8Array): Uint8Array {
  const clamped = Uint8Array.from(key.subarray(0, 16));
  for (const i of [3, 7, 11, 15]) clamped[i]! &= 15;
  for (const i of [4, 8, 12]) clamped[i]! &= 252;
  const r = limbsOf(clamped, 0);
  let h: Float64Array = new Float64Array(limbs);
  const block = new Uint8Array(17);
  for (let at = 0; at < message.length; at += 16) {
    const part = message.subarray(at, at + 16);
    block.fill(0);
    block.set(part);
    block[part.length] = 1;
    const m = limbsOf(block, block[16]!);
    for (let i = 0; i < limbs; i++) h[i]! += m[i]!;
    const product = new Float64Array(limbs);
    for (let i = 0; i < limbs; i++) {
      let sum = 0;
      for (let j = 0; j < limbs; j++) sum += h[j]! * (j <= i ? r[i - j]! : 5 * r[i + limbs - j]!);
      product[i] = sum;
    }
    h = carried(product);
  }
  return tagOf(h, key.subarray(16, 32));
}

/** @param top what stands above the sixteen bytes */
function limbsOf(bytes: Uint8Array, top: number): Float64Array {
  const out = new Float64Array(limbs);
  for (let i = 0; i < limbs; i++) {
    const bit = i * limbBits;
    const byte = bit >> 3;
    const at = (k: number): number => (k < 16 ? bytes[k]! : k === 16 ? top : 0);
    out[i] = ((at(byte) | (at(byte + 1) << 8) | (at(byte + 2) << 16)) >>> (bit & 7)) & limbMask;
  }
  return out;
}

function carried(h: Float64Array): Float64Array {
  for (let pass = 0; pass < 2; pass++) {
    let carry = 0;
    for (let i = 0; i < limbs; i++) {
      const value = h[i]! + carry;
      carry = Math.floor(value / 8192);
      h[i] = value - carry * 8192;
    }
    h[0]! += carry * 5;
  }
  return h;
}

function tagOf(sum: Float64Array, pad: Uint8Array): Uint8Array {
  let value = 0n;
  const h = carried(carried(sum));
  for (let i = limbs - 1; i >= 0; i--) value = (value << BigInt(limbBits)) + BigInt(h[i]!);
  value %= (1n << 130n) - 5n;
  for (let i = 0; i < 16; i++) value += BigInt(pad[i]!) << BigInt(8 * i);
  const tag = new Uint8Array(16);
  for (let i = 0; i < 16; i++) tag[i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return tag;
}

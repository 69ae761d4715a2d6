import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBox, sealBox } from './secretbox.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
// NaCl's own example (tests/secretbox.c).
const key = hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389');
const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
const plain = hex(`be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc
  e5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31
  0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde
  048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f93776384864 5e0705`);
const box = hex(`f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce
  48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972
  71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae
  90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b3
  7973f622a43d14a6599b1f654cb45a74e355a5`);

test("secretbox: NaCl's example, both ways", () => {
  assert.equal(Buffer.from(sealBox(plain, nonce, key)).toString('hex'), box.toString('hex'));
  assert.deepEqual(Buffer.from(openBox(box, nonce, key)!), plain);
});

test('secretbox: what was changed, cut or sealed otherwise does not open', () => {
  const changed = Uint8Array.from(box);
  changed[40]! ^= 1;
  assert.equal(openBox(changed, nonce, key), undefined);
  assert.equal(openBox(box.subarray(0, 12), nonce, key), undefined);
  assert.equal(
    openBox(
      box,
      nonce,
      key.map((byte) => byte ^ 1),
    ),
    undefined,
  );
});

test('secretbox: every length round a block comes back', () => {
  for (let length = 0; length < 200; length++) {
    const text = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
    assert.deepEqual(openBox(sealBox(text, nonce, key), nonce, key), text);
  }
});

/**
 * Walks the pages of an LMDB data file before LMDB maps it. LMDB trusts what stands in a page: a damaged page number or offset is a read outside
 * the map, which ends the process, and a damaged list of free pages lets it write over live ones. Values are not looked at here; they carry
 * checksums of their own (format.ts).
 */
import { readSync } from 'node:fs';
import { StoreError } from '../store.ts';

export const pageBytes = 4096;

/** LMDB's snapshot as a meta page describes it. */
export interface Meta {
  readonly transaction: bigint;
  readonly lastPage: number;
  /** The tree of free pages, and the tree of records. */
  readonly free: Tree;
  readonly main: Tree;
}

interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly entries: bigint;
  /** Absent in an empty tree. */
  readonly root: bigint | undefined;
}

const noPage = 0xffff_ffff_ffff_ffffn;
const headerBytes = 24;
const nodeBytes = 8;
const branchFlag = 1;
const leafFlag = 2;
const overflowFlag = 4;
const bigData = 1;
/** Integer keys, and the environment is a file: what this store opens LMDB with. */
const freeFlags = 0x4008;
/** Bytes; far above any quota, far below what a process can map. */
const largestMap = 1n << 44n;

/** LMDB's meta page as this build lays it out (64-bit, data version 2, little-endian); undefined when the page is none. */
export function readMeta(page: Buffer): Meta | undefined {
  const isMeta = (page.readUInt16LE(18) & 8) !== 0 && page.readUInt32LE(24) === 0xbeefc0de;
  if (!isMeta || page.readUInt32LE(28) !== 2 || page.readUInt32LE(48) !== pageBytes) return undefined;
  const lastPage = page.readBigUInt64LE(144);
  const free = readTree(page, 48);
  const main = readTree(page, 96);
  // LMDB takes flags and the size of its map from here unseen.
  if (free.flags !== freeFlags || main.flags !== 0) return undefined;
  if (page.readBigUInt64LE(40) > largestMap || lastPage * BigInt(pageBytes) > largestMap) return undefined;
  return { transaction: page.readBigUInt64LE(152), lastPage: Number(lastPage), free, main };
}

function readTree(page: Buffer, at: number): Tree {
  const root = page.readBigUInt64LE(at + 40);
  return {
    flags: page.readUInt16LE(at + 4),
    depth: page.readUInt16LE(at + 6),
    entries: page.readBigUInt64LE(at + 32),
    root: root === noPage ? undefined : root,
  };
}

/** What differs between the two trees: the order of keys, and what is done with the records' values. */
interface TreeKind {
  readonly compare: (a: Buffer, b: Buffer) => number;
  readonly value?: (data: Buffer) => void;
}

/** @throws StoreError `corrupt` at the first page that LMDB could not have written. */
export function checkPages(descriptor: number, meta: Meta): void {
  const walk = new Walk(descriptor, meta.lastPage);
  walk.tree(meta.main, { compare: Buffer.compare });
  walk.tree(meta.free, { compare: compareTransactions, value: (data) => walk.freeList(data) });
}

/** Keys of the tree of free pages are transaction numbers in the machine's byte order. */
function compareTransactions(a: Buffer, b: Buffer): number {
  if (a.length !== 8 || b.length !== 8) throw damaged('a list of free pages has no transaction');
  const difference = a.readBigUInt64LE(0) - b.readBigUInt64LE(0);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

class Walk {
  readonly #descriptor: number;
  readonly #lastPage: number;
  /** A bit for each page: it belongs to a tree, or is free. Pages 0 and 1 are the meta pages. */
  readonly #taken: Uint8Array;

  constructor(descriptor: number, lastPage: number) {
    this.#descriptor = descriptor;
    this.#lastPage = lastPage;
    this.#taken = new Uint8Array((lastPage >> 3) + 1);
    this.#taken[0] = 3;
  }

  tree(tree: Tree, kind: TreeKind): void {
    if (tree.root === undefined) {
      if (tree.depth !== 0 || tree.entries !== 0n) throw damaged('an empty tree has records');
      return;
    }
    if (tree.depth === 0 || tree.depth > 32) throw damaged(`a tree is ${tree.depth} pages deep`);
    const found = this.#page(tree.root, tree.depth, undefined, kind);
    if (BigInt(found) !== tree.entries) throw damaged(`a tree has ${found} records where ${tree.entries} are expected`);
  }

  /** @param least the key in the branch above; nothing on this page sorts before it. @returns the number of records below. */
  #page(pageNumber: bigint, depth: number, least: Buffer | undefined, kind: TreeKind): number {
    const number = this.#take(pageNumber, 1);
    const page = this.#read(number, 1);
    const isBranch = depth > 1;
    const flags = page.readUInt16LE(18);
    if (page.readBigUInt64LE(0) !== pageNumber || flags !== (isBranch ? branchFlag : leafFlag))
      throw damaged(`page ${number} is not the ${isBranch ? 'branch' : 'leaf'} page that belongs there`);
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    if ((lower & 1) !== 0 || lower < 2 || lower > upper || upper > pageBytes - headerBytes)
      throw damaged(`page ${number} has impossible bounds`);
    let found = 0;
    let last = least;
    for (let i = 0; i < lower >> 1; i++) {
      const at = headerBytes + page.readUInt16LE(headerBytes + 2 * i);
      if (at < headerBytes + upper || at + nodeBytes > pageBytes)
        throw damaged(`page ${number} has a node outside itself`);
      const low = page.readUInt32LE(at);
      const nodeFlags = page.readUInt16LE(at + 4);
      const keyEnd = at + nodeBytes + page.readUInt16LE(at + 6);
      if (keyEnd > pageBytes) throw damaged(`page ${number} has a key outside itself`);
      const key = page.subarray(at + nodeBytes, keyEnd);
      // The first key of a branch is never looked at and mostly empty: what stands above it holds.
      const counts = !isBranch || i > 0;
      if (counts && last !== undefined) {
        const order = kind.compare(last, key);
        if (order > 0 || (order === 0 && i > 0)) throw damaged(`page ${number} has keys out of order`);
      }
      if (counts) last = key;
      if (isBranch) {
        found += this.#page(BigInt(low) + (BigInt(nodeFlags) << 32n), depth - 1, last, kind);
        continue;
      }
      const data = this.#data(number, page, keyEnd, low, nodeFlags, kind.value !== undefined);
      kind.value?.(data);
      found++;
    }
    return found;
  }

  /** @param whole whether all of a value on pages of its own is wanted, or its first page is enough. */
  #data(number: number, page: Buffer, at: number, length: number, flags: number, whole: boolean): Buffer {
    if (flags === 0) {
      if (at + length > pageBytes) throw damaged(`page ${number} has a value outside itself`);
      return page.subarray(at, at + length);
    }
    if (flags !== bigData || at + 24 > pageBytes) throw damaged(`page ${number} has a record of unknown kind`);
    const first = page.readBigUInt64LE(at);
    const pages = page.readBigUInt64LE(at + 16);
    if (pages !== BigInt(Math.floor((headerBytes - 1 + length) / pageBytes) + 1))
      throw damaged(`page ${number} has a record of ${length} bytes on ${pages} pages`);
    const start = this.#take(first, Number(pages));
    const value = this.#read(start, whole ? Number(pages) : 1);
    if (
      value.readBigUInt64LE(0) !== first ||
      (value.readUInt16LE(18) & overflowFlag) === 0 ||
      value.readUInt32LE(20) !== Number(pages)
    )
      throw damaged(`page ${start} is not the value page that belongs there`);
    return value.subarray(headerBytes, headerBytes + length);
  }

  /** A count, then pages: a negative entry is the length of a run that begins at the next one; zeros fill gaps. */
  freeList(data: Buffer): void {
    if (data.length < 8 || data.length % 8 !== 0) throw damaged('a list of free pages has a part of an entry');
    const count = Number(data.readBigInt64LE(0));
    if (count < 0 || (count + 1) * 8 > data.length) throw damaged('a list of free pages is longer than its record');
    for (let i = 1; i <= count; i++) {
      let entry = data.readBigInt64LE(8 * i);
      if (entry === 0n) continue;
      let run = 1;
      if (entry < 0n) {
        if (++i > count || entry < BigInt(-this.#lastPage)) throw damaged('a list of free pages has an impossible run');
        run = Number(-entry);
        entry = data.readBigInt64LE(8 * i);
      }
      this.#take(entry, run);
    }
  }

  /** Marks pages as seen. @returns the first. */
  #take(first: bigint, pages: number): number {
    const end = first + BigInt(pages);
    if (first < 2n || pages < 1 || end > BigInt(this.#lastPage) + 1n)
      throw damaged(`page ${first} is outside the file`);
    const start = Number(first);
    const taken = this.#taken;
    for (let page = start; page < start + pages; page++) {
      const bit = 1 << (page & 7);
      if ((taken[page >> 3]! & bit) !== 0) throw damaged(`page ${page} is used twice`);
      taken[page >> 3]! |= bit;
    }
    return start;
  }

  #read(page: number, pages: number): Buffer {
    const buffer = Buffer.allocUnsafe(pages * pageBytes);
    if (readSync(this.#descriptor, buffer, 0, buffer.length, page * pageBytes) !== buffer.length)
      throw damaged(`page ${page} is beyond the end of the file`);
    return buffer;
  }
}

const damaged = (what: string): StoreError =>
  new StoreError('corrupt', `its data file is damaged (${what}); restore a snapshot`);

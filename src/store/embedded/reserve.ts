/**
 * Disk behind the data file before LMDB writes to it. The file is kept longer than LMDB's last page, by zeros written from here, so that a full
 * file system is told by an ordinary system error and before the transaction. LMDB is not to meet one itself: lmdb 3.5 describes a failed write in
 * 100 bytes of memory that may take more (`mdb_page_flush` in its mdb.c), which damages the heap and ends the process at some later moment. What the
 * zeros do not cover are errors other than a lack of space.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { pageBytes, readMeta } from './page-check.ts';

/** Left over by each transaction for the one that closes the store. */
const floorBytes = 64 * 1024;
const smallestStep = 128 * 1024;
const largestStep = 16 * 1024 * 1024;
/** A leaf and its share of branches and of the list of free pages; LMDB copies each page it changes. */
const bytesPerOperation = 2 * pageBytes;

export class Reserve {
  readonly #descriptor: number;
  /** Bytes of the file that LMDB uses, when last looked at. */
  #used = 0;
  /** Bytes behind the used ones that no transaction has asked for. */
  #left = 0;

  /** @param path of a data file that LMDB has open. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'r+');
  }

  /**
   * To be called before each transaction, while none is under way.
   * @param operations puts and removals. @param valueBytes of all values together.
   * @throws the system's error (ENOSPC, EDQUOT, EFBIG, ...) when the disk for it cannot be had; nothing is written then but zeros.
   */
  take(operations: number, valueBytes: number): void {
    let bytes = this.#cost(operations, valueBytes);
    if (this.#left < bytes + floorBytes) {
      this.#look();
      bytes = this.#cost(operations, valueBytes);
      if (this.#left < bytes + floorBytes) this.#extend(bytes + floorBytes);
    }
    this.#left -= bytes;
  }

  /** No transaction changes more pages than there are. */
  #cost(operations: number, valueBytes: number): number {
    return valueBytes + Math.min(operations * bytesPerOperation, this.#used + operations * 256);
  }

  /** Bytes of the file that LMDB uses. */
  used(): number {
    return usedBytes(this.#descriptor);
  }

  #look(): void {
    this.#used = usedBytes(this.#descriptor);
    this.#left = fstatSync(this.#descriptor).size - this.#used;
  }

  #extend(needed: number): void {
    const step = Math.min(Math.max(this.#used / 8, smallestStep), largestStep);
    const zeros = Buffer.alloc(256 * 1024);
    const wanted = Math.ceil((needed + step) / pageBytes) * pageBytes;
    while (this.#left < wanted) {
      try {
        const length = Math.min(zeros.length, wanted - this.#left);
        this.#left += writeSync(this.#descriptor, zeros, 0, length, this.#used + this.#left);
      } catch (error) {
        if (this.#left < needed) throw error;
        // The last bytes of a disk are not for provision.
        this.#left = needed;
        ftruncateSync(this.#descriptor, this.#used + needed);
        return;
      }
    }
  }

  /** Gives back what LMDB does not use; to be called after LMDB has closed the file. */
  close(): void {
    try {
      const used = usedBytes(this.#descriptor);
      if (used > 0 && fstatSync(this.#descriptor).size > used) ftruncateSync(this.#descriptor, used);
    } finally {
      closeSync(this.#descriptor);
    }
  }
}

/** Up to and with the last page of the newest snapshot. */
function usedBytes(descriptor: number): number {
  const head = Buffer.alloc(2 * pageBytes);
  if (readSync(descriptor, head, 0, head.length, 0) < head.length) return 0;
  const metas = [readMeta(head.subarray(0, pageBytes)), readMeta(head.subarray(pageBytes))];
  return Math.max(...metas.map((meta) => (meta === undefined ? 0 : (meta.lastPage + 1) * pageBytes)));
}

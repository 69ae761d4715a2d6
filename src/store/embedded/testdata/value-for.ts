/** A value that can be checked: its length varies around LMDB's limits (in page, own page, many pages). */
export const valueFor = (key: string, n: number): Buffer => Buffer.alloc([100, 2000, 2100, 9000][n % 4]!, `${key}:`);

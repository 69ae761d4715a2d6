/** Figures beside their targets, as every benchmark here prints them. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg } from 'node:os';

export interface Figure {
  readonly what: string;
  /** In `unit`; more is worse. */
  readonly target?: number;
  /** Upstream v1.36.3 with etcd 3.5 on a machine of this class. */
  readonly upstream?: number;
  readonly unit: string;
  /** All measurements; the median is what counts. */
  readonly measured: readonly number[];
  /** The same as it would be had the machine nothing else to do. */
  readonly quiet?: readonly number[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Date, commit, machine and its load: what a figure means nothing without. */
export function conditions(): string {
  const commit = execFileSync('git', ['log', '-1', '--format=%h'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  }).trim();
  const [one = 0] = loadavg();
  return `${new Date().toISOString().slice(0, 16)}Z  commit ${commit}  Node ${process.versions.node}  ${availableParallelism()} x ${cpus()[0]?.model ?? '?'}  load ${one.toFixed(1)}`;
}

/** A row: what, target, median, range, upstream. */
export function print({ what, target, upstream, unit, measured, quiet }: Figure): void {
  const value = median(measured);
  const verdict = target === undefined ? ' ' : value <= target ? '+' : '-';
  const range =
    measured.length > 1
      ? ` (${short(Math.min(...measured))} to ${short(Math.max(...measured))}, ${measured.length} runs)`
      : '';
  console.log(
    `${verdict} ${what.padEnd(52)} ${(target === undefined ? '' : `at most ${short(target)}`).padEnd(14)} ${short(value).padStart(8)} ${unit}${range}${quiet === undefined ? '' : `, alone ${short(median(quiet))}`}${upstream === undefined ? '' : `  [${short(upstream)}]`}`,
  );
}

const short = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3);

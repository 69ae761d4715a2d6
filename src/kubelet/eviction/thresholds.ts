/** Eviction thresholds as KubeletConfiguration writes them. Pure. Source: pkg/kubelet/eviction/{helpers,types}.go. */

import { parseValue } from '../../api/quantity.ts';
import { parseDuration } from '../../api/time.ts';

export const signals = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'containerfs.available',
  'containerfs.inodesFree',
  'pid.available',
] as const;
export type Signal = (typeof signals)[number];

/** An amount, or a share of the capacity. */
export type ThresholdValue = { readonly amount: number } | { readonly percent: number };

export interface Threshold {
  readonly signal: Signal;
  readonly value: ThresholdValue;
  /** 0 for hard thresholds. */
  readonly graceMs: number;
  readonly minReclaim: ThresholdValue | undefined;
}

export interface EvictionSettings {
  readonly evictionHard: Readonly<Record<string, string>>;
  readonly evictionSoft: Readonly<Record<string, string>>;
  readonly evictionSoftGracePeriod: Readonly<Record<string, string>>;
  readonly evictionMinimumReclaim: Readonly<Record<string, string>>;
}

/** Amounts are bytes, inodes or processes. */
export interface Observation {
  readonly available: number;
  readonly capacity: number;
}
export type Observations = ReadonlyMap<Signal, Observation>;

/** @throws Error naming the wrong setting. A threshold of 0 or 100% is switched off. */
export function parseThresholds(settings: EvictionSettings): readonly Threshold[] {
  const reclaims = new Map<Signal, ThresholdValue>();
  for (const [name, text] of Object.entries(settings.evictionMinimumReclaim))
    reclaims.set(signalOf(name, 'evictionMinimumReclaim'), thresholdValue(name, text, 'evictionMinimumReclaim')!);
  const list: Threshold[] = [];
  const add = (name: string, text: string, field: string, graceMs: number): void => {
    const signal = signalOf(name, field);
    const value = thresholdValue(name, text, field);
    if (value) list.push({ signal, value, graceMs, minReclaim: reclaims.get(signal) });
  };
  for (const [name, text] of Object.entries(settings.evictionHard)) add(name, text, 'evictionHard', 0);
  for (const [name, text] of Object.entries(settings.evictionSoft)) {
    const grace = settings.evictionSoftGracePeriod[name];
    const graceMs = grace === undefined ? undefined : parseDuration(grace);
    if (graceMs === undefined)
      throw new Error(`grace period must be specified for the soft eviction threshold ${name}`);
    if (graceMs < 0) throw new Error(`invalid eviction grace period specified: ${grace}, must be a positive value`);
    add(name, text, 'evictionSoft', graceMs);
  }
  return list;
}

function signalOf(name: string, field: string): Signal {
  const found = signals.find((signal) => signal === name);
  if (!found) throw new Error(`unsupported eviction signal ${name} in ${field}`);
  return found;
}

/** @returns undefined for a threshold that is switched off. */
function thresholdValue(name: string, text: string, field: string): ThresholdValue | undefined {
  if (text.endsWith('%')) {
    const percent = Number(text.slice(0, -1));
    if (text === '%' || Number.isNaN(percent) || percent < 0)
      throw new Error(`eviction percentage threshold ${name} must be >= 0%: ${text} (${field})`);
    if (percent > 100) throw new Error(`eviction percentage threshold ${name} must be <= 100%: ${text} (${field})`);
    if (percent === 0 || percent === 100) return undefined;
    return { percent };
  }
  const amount = parseValue(text);
  if (amount < 0) throw new Error(`eviction threshold ${name} must be positive: ${text} (${field})`);
  return amount === 0 ? undefined : { amount };
}

export const quantityOf = (value: ThresholdValue, capacity: number): number =>
  'amount' in value ? value.amount : Math.floor((capacity * value.percent) / 100);

/** Thresholds that are crossed; with `reclaiming`, also those that were crossed and are not yet better by the minimum reclaim. */
export function thresholdsMet(
  thresholds: readonly Threshold[],
  observations: Observations,
  { reclaiming }: { readonly reclaiming: boolean },
): readonly Threshold[] {
  return thresholds.filter(({ signal, value, minReclaim }) => {
    const seen = observations.get(signal);
    if (!seen) return false;
    let limit = quantityOf(value, seen.capacity);
    if (reclaiming && minReclaim) limit += quantityOf(minReclaim, seen.capacity);
    return seen.available < limit;
  });
}

export type PressureCondition = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

export function conditionOf(signal: Signal): PressureCondition {
  if (signal === 'memory.available') return 'MemoryPressure';
  return signal === 'pid.available' ? 'PIDPressure' : 'DiskPressure';
}

/** What upstream calls the thing that is scarce, in events and messages. */
export function resourceOf(signal: Signal): 'memory' | 'ephemeral-storage' | 'inodes' | 'pids' {
  if (signal === 'memory.available') return 'memory';
  if (signal === 'pid.available') return 'pids';
  return signal.endsWith('inodesFree') ? 'inodes' : 'ephemeral-storage';
}

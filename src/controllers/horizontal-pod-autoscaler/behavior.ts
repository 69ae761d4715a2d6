/**
 * From the number that metrics propose to the number that is set: not more often, not faster and not further than the autoscaler's limits.
 * Remembers what was proposed and done, for each autoscaler. Source: horizontal.go normalizeDesiredReplicas*.
 */
import type { HorizontalPodAutoscaler, HPAScalingRules } from '../../api/types/autoscaling-v2.ts';

interface Stamped {
  readonly atMs: number;
  readonly count: number;
}

export interface History {
  recommendations: readonly Stamped[];
  ups: readonly Stamped[];
  downs: readonly Stamped[];
}

export const newHistory = (replicas: number, nowMs: number): History => ({
  recommendations: [{ atMs: nowMs, count: replicas }],
  ups: [],
  downs: [],
});

export interface Limited {
  readonly replicas: number;
  readonly able: { readonly reason: string; readonly message: string };
  readonly limited: { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string };
}

export interface Wish {
  readonly current: number;
  readonly proposed: number;
  readonly min: number;
  readonly max: number;
  readonly nowMs: number;
  /** --horizontal-pod-autoscaler-downscale-stabilization */
  readonly downscaleStabilizationMs: number;
}

/** Nothing older than the longest window there can be is of use. */
const keptMs = 3_600_000;

export function limit(behavior: HorizontalPodAutoscaler['spec']['behavior'], history: History, wish: Wish): Limited {
  const stable = behavior ? stabilize(behavior, history, wish) : stabilizeDown(history, wish);
  history.recommendations = [
    ...history.recommendations.filter(({ atMs }) => atMs > wish.nowMs - keptMs),
    { atMs: wish.nowMs, count: wish.proposed },
  ];
  const able =
    stable.replicas === wish.proposed
      ? { reason: 'ReadyForNewScale', message: 'recommended size matches current size' }
      : { reason: stable.reason, message: stable.message };
  const [replicas, reason, message] = behavior
    ? byRate(behavior, history, { ...wish, proposed: stable.replicas })
    : byRule({ ...wish, proposed: stable.replicas });
  return { replicas, able, limited: { status: replicas === stable.replicas ? 'False' : 'True', reason, message } };
}

/** A change that was made counts against the rates of the next ones. */
export function remember(history: History, from: number, to: number, nowMs: number): void {
  const recent = (list: readonly Stamped[]): Stamped[] => list.filter(({ atMs }) => atMs > nowMs - keptMs);
  if (to > from) history.ups = [...recent(history.ups), { atMs: nowMs, count: to - from }];
  else history.downs = [...recent(history.downs), { atMs: nowMs, count: from - to }];
}

const downText = 'recent recommendations were higher than current one, applying the highest recent recommendation';
const upText = 'recent recommendations were lower than current one, applying the lowest recent recommendation';

interface Stable {
  readonly replicas: number;
  readonly reason: string;
  readonly message: string;
}

function stabilizeDown({ recommendations }: History, { proposed, nowMs, downscaleStabilizationMs }: Wish): Stable {
  let replicas = proposed;
  for (const { atMs, count } of recommendations)
    if (atMs >= nowMs - downscaleStabilizationMs) replicas = Math.max(replicas, count);
  return { replicas, reason: 'ScaleDownStabilized', message: downText };
}

function stabilize(
  behavior: NonNullable<HorizontalPodAutoscaler['spec']['behavior']>,
  { recommendations }: History,
  { current, proposed, nowMs, downscaleStabilizationMs }: Wish,
): Stable {
  const window = (rules: HPAScalingRules | undefined, otherwise: number): number =>
    rules?.stabilizationWindowSeconds === undefined ? otherwise : rules.stabilizationWindowSeconds * 1000;
  const upCutoff = nowMs - window(behavior.scaleUp, 0);
  const downCutoff = nowMs - window(behavior.scaleDown, downscaleStabilizationMs);
  let up = proposed;
  let down = proposed;
  for (const { atMs, count } of recommendations) {
    if (atMs > upCutoff) up = Math.min(up, count);
    if (atMs > downCutoff) down = Math.max(down, count);
  }
  let replicas = current;
  if (replicas < up) replicas = up;
  if (replicas > down) replicas = down;
  return proposed >= current
    ? { replicas, reason: 'ScaleUpStabilized', message: upText }
    : { replicas, reason: 'ScaleDownStabilized', message: downText };
}

type Verdict = readonly [replicas: number, reason: string, message: string];
const fine = (replicas: number): Verdict => [
  replicas,
  'DesiredWithinRange',
  'the desired count is within the acceptable range',
];
const tooFast = 'the desired replica count is increasing faster than the maximum scale rate';
const tooMany = 'the desired replica count is more than the maximum replica count';
const tooFew = 'the desired replica count is less than the minimum replica count';

/** Twice as many, or four, at once. */
function byRule({ current, proposed, min, max }: Wish): Verdict {
  const rate = Math.max(2 * current, 4);
  if (proposed < min) return [min, 'TooFewReplicas', tooFew];
  const most = Math.min(max, rate);
  if (proposed <= most) return fine(proposed);
  return max > rate ? [most, 'ScaleUpLimit', tooFast] : [most, 'TooManyReplicas', tooMany];
}

function byRate(
  behavior: NonNullable<HorizontalPodAutoscaler['spec']['behavior']>,
  history: History,
  { current, proposed, min, max, nowMs }: Wish,
): Verdict {
  if (proposed > current) {
    const rate = Math.max(rateLimit(behavior.scaleUp, history, current, nowMs, 'up'), current);
    const most = Math.min(max, rate);
    if (proposed > most) return max > rate ? [most, 'ScaleUpLimit', tooFast] : [most, 'TooManyReplicas', tooMany];
  } else if (proposed < current) {
    const rate = Math.min(rateLimit(behavior.scaleDown, history, current, nowMs, 'down'), current);
    const least = Math.max(min, rate);
    if (proposed < least)
      return min < rate
        ? [least, 'ScaleDownLimit', 'the desired replica count is decreasing faster than the maximum scale rate']
        : [least, 'TooFewReplicas', tooFew];
  }
  return fine(proposed);
}

/** How far the policies let go from here, with what was done in their periods taken into account. */
function rateLimit(
  rules: HPAScalingRules | undefined,
  { ups, downs }: History,
  current: number,
  nowMs: number,
  direction: 'up' | 'down',
): number {
  if (rules?.selectPolicy === 'Disabled') return current;
  const proposals: number[] = [];
  for (const { type, value, periodSeconds } of rules?.policies ?? []) {
    const done = (list: readonly Stamped[]): number =>
      list.reduce((sum, { atMs, count }) => sum + (atMs > nowMs - periodSeconds * 1000 ? count : 0), 0);
    const start = current - done(ups) + done(downs);
    if (direction === 'up') proposals.push(type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100)));
    else proposals.push(type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100)));
  }
  if (proposals.length === 0) return direction === 'up' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  // The greatest change, or with `Min` the smallest.
  const greatest = rules?.selectPolicy !== 'Min';
  return (direction === 'up') === greatest ? Math.max(...proposals) : Math.min(...proposals);
}

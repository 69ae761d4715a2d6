/** Scales scores so that the largest is 100. Source: plugins/helper/normalize_score.go. */
import { maxNodeScore } from '../core/framework.ts';

/** @param reverse the smallest raw score becomes the best. */
export function normalizeToMax(scores: Float64Array, options: { readonly reverse: boolean }): void {
  let max = 0;
  for (let i = 0; i < scores.length; i++) if (scores[i]! > max) max = scores[i]!;
  for (let i = 0; i < scores.length; i++) {
    const scaled = max === 0 ? 0 : Math.trunc((maxNodeScore * scores[i]!) / max);
    scores[i] = options.reverse ? maxNodeScore - scaled : scaled;
  }
}

/** How far a rolling update may go above and below the wanted size. Source: ResolveFenceposts in deployment_util.go. */
import { scaledValue } from '../../api/int-or-string.ts';
import type { Deployment } from '../../api/types/apps-v1.ts';

export const isRollingUpdate = ({ spec }: Deployment): boolean =>
  (spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';

function resolve({ spec }: Deployment): { readonly surge: number; readonly unavailable: number } {
  const replicas = spec?.replicas ?? 1;
  const surge = scaledValue(spec?.strategy?.rollingUpdate?.maxSurge ?? 0, replicas, { roundUp: true });
  const unavailable = scaledValue(spec?.strategy?.rollingUpdate?.maxUnavailable ?? 0, replicas, { roundUp: false });
  // Both 0 by rounding (validation refuses it otherwise): nothing could ever move.
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export const maxSurge = (deployment: Deployment): number =>
  isRollingUpdate(deployment) ? resolve(deployment).surge : 0;

export function maxUnavailable(deployment: Deployment): number {
  const replicas = deployment.spec?.replicas ?? 1;
  if (!isRollingUpdate(deployment) || replicas === 0) return 0;
  return Math.min(resolve(deployment).unavailable, replicas);
}

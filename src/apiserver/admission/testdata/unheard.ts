/** What plugins under test may say to nobody. */
import type { AdmissionAttributes } from '../admission.ts';

export const unheard: Pick<AdmissionAttributes, 'annotate' | 'reinvocation'> = {
  annotate: () => undefined,
  reinvocation: { isReinvoke: false, request: () => undefined, state: new Map() },
};

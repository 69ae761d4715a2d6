/** Which volume fits a claim. Used by the binder and by the scheduler. Source: component-helpers/storage/volume FindMatchingVolume. */
import { matchesNodeSelector } from '../pod/node-affinity.ts';
import { compareQuantities, parseQuantity } from '../quantity.ts';
import { labelMatcherFrom, matchLabels } from '../selectors/label-selector.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../types/core-v1.ts';
import { claimClass, isBoundTo, offersAccessModes, sameAttributesClass, sameMode, volumeClass } from './claims.ts';

export interface MatchOptions {
  /** The scheduler's question: the volume must be reachable from there. */
  readonly node?: Node;
  /** Names of volumes that are spoken for. */
  readonly excluded?: { has(name: string): boolean };
  /** Only volumes that are meant for the claim already: the scheduler chooses among the others. */
  readonly onlyPreBound?: boolean;
}

const nothing = parseQuantity('0');
const sizeOf = (text: string | undefined) => (text === undefined ? nothing : parseQuantity(text));

export const requestedSize = (claim: PersistentVolumeClaim) => sizeOf(claim.spec?.resources?.requests?.storage);
export const volumeSize = (volume: PersistentVolume) => sizeOf(volume.spec?.capacity?.storage);

/** Whether a volume can be reached from a node; one without affinity from everywhere. */
export function reachableFrom(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec?.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, node);
}

/** The volume that is meant for the claim, else the smallest that fits; the first of equals. */
export function findMatchingVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { node, excluded, onlyPreBound = false }: MatchOptions = {},
): PersistentVolume | undefined {
  const wanted = requestedSize(claim);
  const className = claimClass(claim);
  const selector = claim.spec?.selector ? labelMatcherFrom(claim.spec.selector) : undefined;
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (excluded?.has(volume.metadata.name ?? '')) continue;
    const meant = isBoundTo(volume, claim);
    if (volume.spec?.claimRef && !meant) continue;
    if (compareQuantities(volumeSize(volume), wanted) < 0) continue;
    if (!sameMode(claim, volume) || !sameAttributesClass(claim, volume)) continue;
    if (volume.metadata.deletionTimestamp !== undefined) continue;
    const reachable = node === undefined || reachableFrom(volume, node);
    // Meant for this claim but out of reach: no other will do either.
    if (meant) return reachable ? volume : undefined;
    if (onlyPreBound || !reachable) continue;
    if (volume.status?.phase !== 'Available' || volumeClass(volume) !== className) continue;
    if (selector && !matchLabels(selector, volume.metadata.labels)) continue;
    if (node !== undefined && !offersAccessModes(volume, claim)) continue;
    if (best === undefined || compareQuantities(volumeSize(best), volumeSize(volume)) > 0) best = volume;
  }
  return best;
}

/** As the binder looks: among volumes with the fewest access modes beyond those asked for first. */
export function findBestVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  options: MatchOptions = {},
): PersistentVolume | undefined {
  const groups = new Map<string, PersistentVolume[]>();
  for (const volume of volumes) {
    if (!offersAccessModes(volume, claim)) continue;
    const key = [...new Set(volume.spec?.accessModes)].sort().join();
    const group = groups.get(key);
    if (group) group.push(volume);
    else groups.set(key, [volume]);
  }
  const fewestFirst = [...groups.entries()].sort(([a], [b]) => a.split(',').length - b.split(',').length);
  for (const [, group] of fewestFirst) {
    const found = findMatchingVolume(claim, group, options);
    if (found) return found;
  }
  return undefined;
}

/** Why a volume that the claim names is none for it; undefined when it is. Source: checkVolumeSatisfyClaim. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (volume.metadata.deletionTimestamp !== undefined)
    return `the volume is marked for deletion ${JSON.stringify(volume.metadata.name)}`;
  if (compareQuantities(volumeSize(volume), requestedSize(claim)) < 0) return 'requested PV is too small';
  if (volumeClass(volume) !== claimClass(claim)) return 'storageClassName does not match';
  if (!sameAttributesClass(claim, volume)) return 'volumeAttributesClassName does not match';
  if (!sameMode(claim, volume)) return 'incompatible volumeMode';
  if (!offersAccessModes(volume, claim)) return 'incompatible accessMode';
  return undefined;
}

/** Volumes made of files that the API names: two files at one path, or one at the other's folder, cannot both be there. */
import type { DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection } from '../types/core-v1.ts';

interface Placed {
  readonly path: string;
  readonly source: string;
}

export function overlapWarnings(out: string[], volume: Volume): void {
  const { name, configMap, secret, downwardAPI, projected } = volume;
  const tell = (what: string, found: readonly string[]): void => {
    for (const pair of found) out.push(`volume ${quoted(name)} (${what}): overlapping paths: ${pair}`);
  };
  if (several(configMap?.items))
    tell(`ConfigMap ${quoted(configMap!.name ?? '')}`, overlaps(placed(configMap!.items!, '')));
  if (several(secret?.items)) tell(`Secret ${quoted(secret!.secretName ?? '')}`, overlaps(placed(secret!.items!, '')));
  if (several(downwardAPI?.items)) tell('DownwardAPI', overlaps(placed(downwardAPI!.items!, '')));
  if (!projected?.sources) return;
  const all: Placed[] = [];
  for (let i = 0; i < projected.sources.length; i++) {
    const source = projected.sources[i]!;
    if (isEmptyProjection(source)) out.push(`volume ${quoted(name)} (Projected) has no sources provided`);
    else tell('Projected', overlaps(projectedPaths(source), all));
  }
}

/** A single file overlaps with nothing. */
const several = (items: readonly unknown[] | undefined): boolean => items !== undefined && items.length > 1;

function isEmptyProjection(source: VolumeProjection): boolean {
  for (const name in source) if (source[name as keyof VolumeProjection]) return false;
  return true;
}

function projectedPaths(source: VolumeProjection): readonly Placed[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
  if (configMap?.items) return placed(configMap.items, `ConfigMap ${quoted(configMap.name ?? '')}`);
  if (secret?.items) return placed(secret.items, `Secret ${quoted(secret.name ?? '')}`);
  if (downwardAPI?.items) return placed(downwardAPI.items, 'DownwardAPI');
  if (serviceAccountToken) return [{ path: serviceAccountToken.path, source: 'ServiceAccountToken' }];
  if (clusterTrustBundle) {
    const { path, name, signerName = '' } = clusterTrustBundle;
    return [{ path, source: `ClusterTrustBundle ${quoted(name ?? signerName)}` }];
  }
  if (!podCertificate) return [];
  const { certificateChainPath, keyPath, credentialBundlePath } = podCertificate;
  return [
    { path: certificateChainPath, source: 'PodCertificate chain' },
    { path: keyPath, source: 'PodCertificate key' },
    { path: credentialBundlePath, source: 'PodCertificate credential bundle' },
  ].filter((one): one is Placed => !!one.path);
}

const placed = (items: readonly (KeyToPath | DownwardAPIVolumeFile)[], source: string): readonly Placed[] =>
  items.map(({ path }) => ({ path, source }));

/** @param before what the volume already holds; the new paths are added to it. */
function overlaps(paths: readonly Placed[], before: Placed[] = []): readonly string[] {
  const out: string[] = [];
  for (let i = 0; i < paths.length; i++) {
    const { path, source } = paths[i]!;
    const one = { path: path.endsWith('/') ? path.replace(/\/+$/, '') : path, source };
    if (one.path !== '')
      for (const other of before)
        if (other.path !== '' && (within(one.path, other.path) || within(other.path, one.path)))
          out.push(`${shown(one)} with ${shown(other)}`);
    before.push(one);
  }
  return out;
}

const within = (path: string, folder: string): boolean => `${path}/`.startsWith(`${folder}/`);
const shown = ({ path, source }: Placed): string => (source ? `${quoted(path)} (${source})` : quoted(path));
const quoted = (text: string): string => JSON.stringify(text);

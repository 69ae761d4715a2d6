/**
 * What this controller has written to slices and its informer may not have shown yet: working from older slices would put an endpoint into two of
 * them. Resource versions of one resource are ordered (KEP-5504). Source: endpointslice/util/endpointslice_tracker.go.
 */
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';

const deleted = Number.POSITIVE_INFINITY;

export class WrittenSlices {
  /** Service -> slice uid -> version. */
  private readonly services = new Map<string, Map<string, number>>();
  private readonly versions = new Map<string, number>();

  wrote(service: string, slice: EndpointSlice): void {
    this.note(service, slice.metadata.uid!, versionOf(slice));
  }
  /** Before the delete is sent. */
  deleting(service: string, slice: EndpointSlice): void {
    this.note(service, slice.metadata.uid!, deleted);
  }

  /** Whether the cache lacks something we wrote. @param slices all of the Service's, as the cache has them. */
  isStale(service: string, slices: readonly EndpointSlice[]): boolean {
    const written = this.services.get(service);
    if (!written) return false;
    const cached = new Map(slices.map((slice) => [slice.metadata.uid!, slice]));
    for (const [uid, version] of written) {
      const slice = cached.get(uid);
      if (version === deleted ? slice && !slice.metadata.deletionTimestamp : !slice || versionOf(slice) < version)
        return true;
    }
    return false;
  }

  /** Somebody else wrote it, after us or at all. */
  isForeign(slice: EndpointSlice): boolean {
    const ours = this.versions.get(slice.metadata.uid!);
    return ours === undefined || versionOf(slice) > ours;
  }
  /** We deleted it ourselves. Forgets it. */
  wasDeleted(slice: EndpointSlice): boolean {
    const uid = slice.metadata.uid!;
    const ours = this.versions.get(uid);
    this.versions.delete(uid);
    for (const written of this.services.values()) written.delete(uid);
    return ours === deleted;
  }
  forget(service: string): void {
    for (const uid of this.services.get(service)?.keys() ?? []) this.versions.delete(uid);
    this.services.delete(service);
  }

  private note(service: string, uid: string, version: number): void {
    let written = this.services.get(service);
    if (!written) this.services.set(service, (written = new Map()));
    written.set(uid, version);
    this.versions.set(uid, version);
  }
}

const versionOf = ({ metadata }: EndpointSlice): number => Number(metadata.resourceVersion);

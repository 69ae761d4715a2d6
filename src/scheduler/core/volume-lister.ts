/** What plugins ask about volumes, and the effects that binding them has. Fulfilled by `io/volume-lister.ts`, by tables in tests. */
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types/core-v1.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
} from '../../api/types/storage-v1.ts';

export interface VolumeLister {
  /** With what was assumed on top. */
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumesOfClass(className: string): readonly PersistentVolume[];
  storageClass(name: string): StorageClass | undefined;
  csiNode(name: string): CSINode | undefined;
  csiDriver(name: string): CSIDriver | undefined;
  storageCapacities(): readonly CSIStorageCapacity[];
  attachmentsOf(nodeName: string): readonly VolumeAttachment[];
}

/** What one pod's volumes need on one node: volumes that are there, and claims whose provisioner is to be told the node. */
export interface VolumePlan {
  readonly bindings: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[];
  readonly provisions: readonly PersistentVolumeClaim[];
}

export interface VolumeBinder {
  /** From now on nobody else is given these. */
  assume(plan: VolumePlan, nodeName: string): void;
  forget(plan: VolumePlan): void;
  /** Writes the plan and waits until all is bound. @throws Error when it cannot come true on this node. */
  bind(plan: VolumePlan, nodeName: string, signal: AbortSignal): Promise<void>;
}

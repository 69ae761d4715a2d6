/**
 * The built-in provisioner: a folder on the node that the scheduler chose, as a `local` volume with affinity to that node. It writes API objects
 * only; the folder itself is made and removed by the node's own agent (kubelet/volumes/local-folders.ts). The two talk through what both may write
 * anyway:
 *
 *   node annotation `local-path.bireme.dev/folder`    the agent: "here is a folder for volumes"
 *   volume `pvc-<uid>` below that folder              the provisioner; the kubelet makes the folder when a pod first mounts it
 *   finalizer `local-path.bireme.dev/folder`          the provisioner: the volume stays until its folder is gone
 *   node annotation `local-path.bireme.dev/removed`   the agent: names of volumes whose folders it has removed
 *
 * So a node needs no right to write volumes. The size of a volume is not enforced: it is a share of the node's disk.
 */
import { setIn, withFinalizer, withoutFinalizer } from '../../api/edit.ts';
import { isAlreadyExists, isNotFound } from '../../api/errors.ts';
import { hasFinalizer, isBeingDeleted } from '../../api/meta.ts';
import { compareQuantities } from '../../api/quantity.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { StorageClass } from '../../api/types/storage-v1.ts';
import { claimClass, VolumeAnnotation } from '../../api/volume/claims.ts';
import {
  localPathFolderAnnotation,
  localPathHollowAnnotation,
  localPathProvisioner,
  localPathRemovedAnnotation,
} from '../../api/volume/local-path.ts';
import { requestedSize, volumeSize } from '../../api/volume/match.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';
import { wantsToGrow } from '../volume-expansion.ts';

const finalizer = localPathFolderAnnotation;
const hostnameLabel = 'kubernetes.io/hostname';
const claimPrefix = 'claim:';
const volumePrefix = 'volume:';

export const localPathControllerName = 'local-path-provisioner';

export function localPathController(): Controller {
  return {
    name: localPathControllerName,
    async run(context, signal) {
      const { informers, clock, log, metrics } = context;
      const claims = informers.informer(resources.persistentVolumeClaims);
      const volumes = informers.informer(resources.persistentVolumes);
      const classes = informers.informer(resources.storageClasses);
      const nodes = informers.informer(resources.nodes);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'local_path' } });
      const claimChanged = (claim: PersistentVolumeClaim): void => {
        if (awaitsUs(claim) || wantsToGrow(claim)) queue.add(`${claimPrefix}${keyOf(claim)}`);
      };
      const volumeChanged = (volume: PersistentVolume): void => {
        if (isOurs(volume) && (isDeletable(volume) || isBeingDeleted(volume)))
          queue.add(`${volumePrefix}${volume.metadata.name}`);
      };
      const allVolumes = (): void => {
        for (const volume of volumes.list()) volumeChanged(volume);
      };
      observe(claims, { onAdd: claimChanged, onUpdate: (_, claim) => claimChanged(claim) }, signal);
      observe(volumes, { onAdd: volumeChanged, onUpdate: (_, volume) => volumeChanged(volume) }, signal);
      observe(
        nodes,
        {
          onUpdate: (before, node) => {
            const annotation = (n: Node) => n.metadata.annotations?.[localPathRemovedAnnotation];
            if (annotation(before) !== annotation(node)) allVolumes();
          },
          onDelete: allVolumes,
        },
        signal,
      );
      if (!(await untilSynced([claims, volumes, classes, nodes], signal))) return;
      const lookup = {
        claim: (key: string) => claims.get(key),
        volume: (name: string) => volumes.get(name),
        storageClass: (name: string) => classes.get(name),
        node: (name: string) => nodes.get(name),
        nodes: () => nodes.list(),
      };
      await runWorkers(
        queue,
        4,
        (key) =>
          key.startsWith(claimPrefix)
            ? syncClaim(context, lookup, key.slice(claimPrefix.length), signal)
            : syncVolume(context, lookup, key.slice(volumePrefix.length), signal),
        { clock, log, kind: 'object' },
        signal,
      );
    },
  };
}

interface Lookup {
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
  node(name: string): Node | undefined;
  nodes(): readonly Node[];
}

const isOurs = ({ metadata }: PersistentVolume): boolean =>
  metadata.annotations?.[VolumeAnnotation.provisionedBy] === localPathProvisioner;
const isDeletable = ({ spec, status, metadata }: PersistentVolume): boolean =>
  spec?.persistentVolumeReclaimPolicy === 'Delete' &&
  status?.phase === 'Released' &&
  metadata.deletionTimestamp === undefined;
const awaitsUs = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  metadata.annotations?.[VolumeAnnotation.storageProvisioner] === localPathProvisioner &&
  !spec?.volumeName &&
  metadata.deletionTimestamp === undefined;

async function syncClaim(context: ControllerContext, lookup: Lookup, key: string, signal: AbortSignal): Promise<void> {
  const claim = lookup.claim(key);
  if (!claim) return;
  if (awaitsUs(claim)) await provision(context, lookup, claim, signal);
  else if (wantsToGrow(claim)) await grow(context, lookup, claim, signal);
}

async function provision(
  { client, events }: ControllerContext,
  lookup: Lookup,
  claim: PersistentVolumeClaim,
  signal: AbortSignal,
): Promise<void> {
  const name = `pvc-${claim.metadata.uid}`;
  if (lookup.volume(name)) return;
  const found = lookup.storageClass(claimClass(claim));
  if (found?.provisioner !== localPathProvisioner) return;
  const fail = (why: string): void =>
    events.event(claim, {
      type: 'Warning',
      reason: 'ProvisioningFailed',
      message: `failed to provision volume with StorageClass ${JSON.stringify(found.metadata.name)}: ${why}`,
    });
  const nodeName = claim.metadata.annotations?.[VolumeAnnotation.selectedNode];
  const node = nodeName === undefined ? undefined : lookup.node(nodeName);
  if (nodeName === undefined)
    return fail('a local folder needs a node: use a class with volumeBindingMode WaitForFirstConsumer');
  if (!node) return fail(`node ${JSON.stringify(nodeName)} not found`);
  const folder = node.metadata.annotations?.[localPathFolderAnnotation];
  const refusal =
    folder === undefined
      ? `node ${JSON.stringify(nodeName)} offers no folder for local volumes`
      : claim.spec?.volumeMode === 'Block'
        ? 'a folder is no block device'
        : claim.spec?.accessModes?.some((mode) => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany')
          ? 'a folder of one node can only be ReadWriteOnce or ReadWriteOncePod'
          : claim.spec?.dataSource
            ? 'cloning and snapshots are not supported'
            : undefined;
  if (refusal !== undefined) {
    fail(refusal);
    // The scheduler may choose another node.
    await client
      .resource(resources.persistentVolumeClaims)
      .update(setIn(claim, ['metadata', 'annotations', VolumeAnnotation.selectedNode], undefined), { signal });
    return;
  }
  const { uid, resourceVersion, namespace } = claim.metadata;
  const volume: PersistentVolume = {
    metadata: {
      name,
      annotations: { [VolumeAnnotation.provisionedBy]: localPathProvisioner },
      finalizers: [finalizer],
    },
    spec: {
      capacity: { storage: claim.spec!.resources!.requests!.storage! },
      accessModes: claim.spec!.accessModes!,
      persistentVolumeReclaimPolicy: found.reclaimPolicy ?? 'Delete',
      storageClassName: found.metadata.name!,
      ...(found.mountOptions ? { mountOptions: found.mountOptions } : {}),
      volumeMode: 'Filesystem',
      claimRef: {
        kind: 'PersistentVolumeClaim',
        apiVersion: 'v1',
        namespace: namespace!,
        name: claim.metadata.name!,
        uid: uid!,
        resourceVersion: resourceVersion!,
      },
      local: { path: `${folder}/${name}_${namespace}_${claim.metadata.name}` },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            {
              matchExpressions: [
                {
                  key: hostnameLabel,
                  operator: 'In',
                  values: [node.metadata.labels?.[hostnameLabel] ?? nodeName],
                },
              ],
            },
          ],
        },
      },
    },
  };
  try {
    await client.resource(resources.persistentVolumes).create(volume, { signal });
  } catch (error) {
    if (isAlreadyExists(error)) return;
    throw error;
  }
  events.event(claim, {
    type: 'Normal',
    reason: 'ProvisioningSucceeded',
    message: `Successfully provisioned volume ${name}`,
  });
}

/** A folder has no size: only the figures grow. */
async function grow(
  { client, events }: ControllerContext,
  lookup: Lookup,
  claim: PersistentVolumeClaim,
  signal: AbortSignal,
): Promise<void> {
  const volume = lookup.volume(claim.spec!.volumeName!);
  if (!volume || !isOurs(volume) || volume.spec?.claimRef?.uid !== claim.metadata.uid) return;
  const storage = claim.spec!.resources!.requests!.storage!;
  if (compareQuantities(volumeSize(volume), requestedSize(claim)) < 0)
    await client
      .resource(resources.persistentVolumes)
      .update(setIn(volume, ['spec', 'capacity', 'storage'], storage), { signal });
  await client
    .resource(resources.persistentVolumeClaims)
    .updateStatus(setIn(claim, ['status', 'capacity', 'storage'], storage), { signal });
  events.event(claim, { type: 'Normal', reason: 'VolumeResizeSuccessful', message: 'Resize volume succeeded' });
}

async function syncVolume(
  { client }: ControllerContext,
  lookup: Lookup,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const volume = lookup.volume(name);
  if (!volume || !isOurs(volume)) return;
  const api = client.resource(resources.persistentVolumes);
  try {
    if (!isBeingDeleted(volume)) {
      if (!isDeletable(volume)) return;
      // A user may have taken the finalizer away; without it the folder would stay.
      const kept = withFinalizer(volume, finalizer);
      if (kept !== volume) await api.update(kept, { signal });
      await api.delete(name, { signal, body: { preconditions: { uid: volume.metadata.uid! } } });
      return;
    }
    if (!hasFinalizer(volume, finalizer)) return;
    // Deleted by hand: a folder whose data is to be kept stays.
    const keeps = volume.spec?.persistentVolumeReclaimPolicy !== 'Delete';
    if (keeps || folderIsGone(volume, lookup)) await api.update(withoutFinalizer(volume, finalizer), { signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Its node says so, or is gone itself. */
function folderIsGone(volume: PersistentVolume, lookup: Lookup): boolean {
  const hostname = volume.spec?.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.[0]?.values?.[0] ?? '';
  const node = lookup
    .nodes()
    .find((each) => (each.metadata.labels?.[hostnameLabel] ?? each.metadata.name) === hostname);
  if (!node || node.metadata.annotations?.[localPathHollowAnnotation] === 'true') return true;
  const removed = node.metadata.annotations?.[localPathRemovedAnnotation] ?? '';
  return removed.split(',').includes(volume.metadata.name!);
}

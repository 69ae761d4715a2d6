/**
 * Volumes and claims from informer caches with the scheduler's own decisions on top, and the writes that make those decisions true.
 *
 * Invariant: an assumption holds until it is forgotten or the informer shows another version than the one it was based on.
 */
import { setIn, withAnnotation } from '../../api/edit.ts';
import type { KubeObject } from '../../api/object.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { VolumeAttachment } from '../../api/types/storage-v1.ts';
import { isBoundTo, VolumeAnnotation, volumeClass } from '../../api/volume/claims.ts';
import { reachableFrom } from '../../api/volume/match.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { type Informer, type InformerFactory, keyOf } from '../../client/informer.ts';
import type { VolumeBinder, VolumeLister, VolumePlan } from '../core/volume-lister.ts';

/** --bind-timeout-seconds of the plugin's arguments. */
const bindTimeoutMs = 600_000;
const classIndex = 'scheduler/class';
const nodeIndex = 'scheduler/node';

export function createVolumeLister(
  informers: InformerFactory,
  client: Client,
  clock: Clock,
): VolumeLister & VolumeBinder {
  const claims = informers.informer(resources.persistentVolumeClaims);
  const volumes = informers.informer(resources.persistentVolumes);
  const classes = informers.informer(resources.storageClasses);
  const nodes = informers.informer(resources.nodes);
  const csiNodes = informers.informer(resources.csiNodes);
  const csiDrivers = informers.informer(resources.csiDrivers);
  const capacities = informers.informer(resources.csiStorageCapacities);
  const attachments = informers.informer(resources.volumeAttachments);
  volumes.addIndex(classIndex, byClass);
  attachments.addIndex(nodeIndex, byNode);
  const assumedClaims = new Assumed(claims);
  const assumedVolumes = new Assumed(volumes);

  /** Until `done` says so, looking again after each change of a claim or volume. */
  const waitFor = (done: () => boolean, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const offs: (() => void)[] = [];
      const end = (settle: () => void): void => {
        for (const off of offs.splice(0)) off();
        settle();
      };
      const look = (): void => {
        try {
          if (done()) end(resolve);
        } catch (error) {
          end(() => reject(error));
        }
      };
      const handler = { onAdd: look, onUpdate: look, onDelete: look };
      const timer = clock.timer(bindTimeoutMs, () =>
        end(() => reject(new Error('binding volumes: context deadline exceeded'))),
      );
      const aborted = (): void => end(() => reject(signal.reason));
      offs.push(() => timer.cancel());
      signal.addEventListener('abort', aborted);
      offs.push(() => signal.removeEventListener('abort', aborted));
      // A handler is told of everything that is there: the first look comes with it.
      offs.push(claims.addHandler(handler), volumes.addHandler(handler));
      look();
    });

  const isDone = (plan: VolumePlan, nodeName: string): boolean => {
    const node = nodes.get(nodeName);
    if (!node) throw new Error(`binding volumes: failed to get node ${JSON.stringify(nodeName)}`);
    let all = true;
    const check = (volume: PersistentVolume | undefined): void => {
      if (volume && !reachableFrom(volume, node))
        throw new Error(
          `binding volumes: pv ${JSON.stringify(volume.metadata.name)} node affinity doesn't match node ${JSON.stringify(nodeName)}`,
        );
    };
    for (const { claim, volume } of plan.bindings) {
      const now = assumedVolumes.get(volume.metadata.name!);
      check(now);
      if (!now?.spec?.claimRef?.uid)
        throw new Error(`binding volumes: ClaimRef got reset for pv ${JSON.stringify(volume.metadata.name)}`);
      if (!isBound(claims.get(keyOf(claim)))) all = false;
    }
    for (const claim of plan.provisions) {
      const now = assumedClaims.get(keyOf(claim));
      const quoted = JSON.stringify(claim.metadata.name);
      if (!now) throw new Error(`binding volumes: persistentvolumeclaim ${quoted} not found`);
      const selected = now.metadata.annotations?.[VolumeAnnotation.selectedNode];
      if (selected === undefined) throw new Error(`binding volumes: selectedNode annotation reset for PVC ${quoted}`);
      if (selected !== nodeName) throw new Error(`binding volumes: provisioning failed for PVC ${quoted}`);
      if (now.spec?.volumeName) check(volumes.get(now.spec.volumeName));
      if (!isBound(now)) all = false;
    }
    return all;
  };

  return {
    claim: (namespace, name) => assumedClaims.get(`${namespace}/${name}`),
    volume: (name) => assumedVolumes.get(name),
    volumesOfClass: (className) =>
      volumes.byIndex(classIndex, className).map((volume) => assumedVolumes.over(volume.metadata.name!, volume)),
    storageClass: (name) => classes.get(name),
    csiNode: (name) => csiNodes.get(name),
    csiDriver: (name) => csiDrivers.get(name),
    storageCapacities: () => capacities.list(),
    attachmentsOf: (nodeName) => attachments.byIndex(nodeIndex, nodeName),

    assume({ bindings, provisions }, nodeName) {
      for (const { claim, volume } of bindings) assumedVolumes.assume(volume, withClaim(volume, claim));
      for (const claim of provisions) assumedClaims.assume(claim, withNode(claim, nodeName));
    },
    forget({ bindings, provisions }) {
      for (const { volume } of bindings) assumedVolumes.forget(volume.metadata.name!);
      for (const claim of provisions) assumedClaims.forget(keyOf(claim));
    },
    async bind(plan, nodeName, signal) {
      for (const { claim, volume } of plan.bindings) {
        const next = withClaim(volume, claim);
        const written =
          next === volume ? volume : await client.resource(resources.persistentVolumes).update(next, { signal });
        assumedVolumes.assume(volume, written);
      }
      for (const claim of plan.provisions) {
        const next = withNode(claim, nodeName);
        const written =
          next === claim ? claim : await client.resource(resources.persistentVolumeClaims).update(next, { signal });
        assumedClaims.assume(claim, written);
      }
      await waitFor(() => isDone(plan, nodeName), signal);
      this.forget(plan);
    },
  };
}

class Assumed<T extends KubeObject> {
  private readonly informer: Informer<T>;
  private readonly byKey = new Map<string, { readonly base: string; readonly object: T }>();

  constructor(informer: Informer<T>) {
    this.informer = informer;
  }
  get(key: string): T | undefined {
    const cached = this.informer.get(key);
    return cached && this.over(key, cached);
  }
  over(key: string, cached: T): T {
    const assumed = this.byKey.get(key);
    if (!assumed) return cached;
    if (assumed.base === cached.metadata.resourceVersion) return assumed.object;
    this.byKey.delete(key);
    return cached;
  }
  assume(base: T, object: T): void {
    this.byKey.set(keyOf(object), { base: base.metadata.resourceVersion ?? '', object });
  }
  forget(key: string): void {
    this.byKey.delete(key);
  }
}

const isBound = (claim: PersistentVolumeClaim | undefined): boolean =>
  !!claim?.spec?.volumeName && claim.metadata.annotations?.[VolumeAnnotation.bindCompleted] !== undefined;

function withNode(claim: PersistentVolumeClaim, nodeName: string): PersistentVolumeClaim {
  if (claim.metadata.annotations?.[VolumeAnnotation.selectedNode] === nodeName) return claim;
  return withAnnotation(claim, VolumeAnnotation.selectedNode, nodeName);
}

/** As the binder's own first step (controllers/persistent-volume/binder.ts): whoever of the two comes second finds it done. */
function withClaim(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const { name, namespace, uid, resourceVersion } = claim.metadata;
  const ref = volume.spec?.claimRef;
  if (ref?.uid === uid) return volume;
  const next = setIn(volume, ['spec', 'claimRef'], {
    kind: 'PersistentVolumeClaim',
    namespace,
    name,
    uid,
    apiVersion: 'v1',
    resourceVersion,
  });
  if (isBoundTo(volume, claim) || volume.metadata.annotations?.[VolumeAnnotation.boundByController] !== undefined)
    return next;
  return withAnnotation(next, VolumeAnnotation.boundByController, 'yes');
}

const byClass = (volume: PersistentVolume): readonly string[] => [volumeClass(volume)];
const byNode = ({ spec }: VolumeAttachment): readonly string[] => [spec.nodeName];

/** Which node has a pod that uses an object. Counted per (object, node), so that a pod's end takes away only its own share. */
import type { JsonObject } from '../../api/json.ts';
import type { PersistentVolume, Pod } from '../../api/types/core-v1.ts';
import type { ObjectChange, ObjectReader } from '../registry/object-reader.ts';
import { podReferences } from './pod-references.ts';

export interface NodeGraph {
  /** @param resource `secrets`, `configmaps`, `serviceaccounts`, `persistentvolumeclaims`, `resourceclaims` or `pods` */
  usedBy(node: string, resource: string, namespace: string, name: string): boolean;
  /** A volume whose claim a pod of the node uses. */
  volumeUsedBy(node: string, name: string): boolean;
  /** A secret that such a volume's driver needs. */
  secretOfVolumeUsedBy(node: string, namespace: string, name: string): boolean;
  close(): void;
}

interface PodEntry {
  readonly node: string;
  readonly uid: string;
  readonly generation: number;
  readonly keys: readonly string[];
}

export function createNodeGraph(reader: ObjectReader): NodeGraph {
  const pods = new Map<string, PodEntry>();
  /** `RESOURCE/NAMESPACE/NAME` -> node -> count */
  const users = new Map<string, Map<string, number>>();
  // Clusters whose kubelets are administrators never ask: then nothing is followed.
  let end: (() => void) | undefined;
  let closed = false;

  const follow = (): void => {
    if (end !== undefined || closed) return;
    for (const object of reader.list('', 'pods', '')) change({ type: 'ADDED', object });
    end = reader.onChange('', 'pods', change);
  };
  const change = ({ type, object }: ObjectChange): void => {
    const pod = object as unknown as Pod;
    const { namespace = '', name = '', uid = '', generation = 0 } = pod.metadata;
    const key = `${namespace}/${name}`;
    const known = pods.get(key);
    const node = type === 'DELETED' ? '' : (pod.spec?.nodeName ?? '');
    const dynamicClaims = (pod.spec?.resourceClaims?.length ?? 0) > 0;
    // Nearly all changes are of the status, which says nothing new here.
    if (
      known &&
      known.node === node &&
      known.uid === uid &&
      known.generation === generation &&
      generation > 0 &&
      !dynamicClaims
    )
      return;
    if (known) {
      for (const each of known.keys) count(each, known.node, -1);
      pods.delete(key);
    }
    if (node === '') return;
    const keys = [`pods/${key}`];
    for (const reference of podReferences(pod)) {
      const slash = reference.indexOf('/');
      keys.push(`${reference.slice(0, slash)}/${namespace}/${reference.slice(slash + 1)}`);
    }
    for (const each of keys) count(each, node, 1);
    pods.set(key, { node, uid, generation, keys });
  };
  const count = (key: string, node: string, by: number): void => {
    let nodes = users.get(key);
    if (nodes === undefined) users.set(key, (nodes = new Map()));
    const next = (nodes.get(node) ?? 0) + by;
    if (next > 0) nodes.set(node, next);
    else nodes.delete(node);
    if (nodes.size === 0) users.delete(key);
  };
  const usedBy = (node: string, resource: string, namespace: string, name: string): boolean => {
    follow();
    return users.get(`${resource}/${namespace}/${name}`)?.has(node) ?? false;
  };
  const claimUsedBy = (node: string, volume: PersistentVolume | undefined): boolean => {
    const claim = volume?.spec?.claimRef;
    return claim !== undefined && usedBy(node, 'persistentvolumeclaims', claim.namespace ?? '', claim.name ?? '');
  };
  return {
    usedBy,
    volumeUsedBy: (node, name) => claimUsedBy(node, volumeOf(reader.get('', 'persistentvolumes', '', name))),
    secretOfVolumeUsedBy: (node, namespace, name) =>
      reader
        .list('', 'persistentvolumes', '')
        .map(volumeOf)
        .some((volume) => volume !== undefined && needsSecret(volume, namespace, name) && claimUsedBy(node, volume)),
    close() {
      closed = true;
      end?.();
    },
  };
}

const volumeOf = (object: JsonObject | undefined): PersistentVolume | undefined =>
  object as unknown as PersistentVolume | undefined;

/** Source: pkg/api/v1/persistentvolume.VisitPVSecretNames. Without a namespace of its own the claim's counts. */
function needsSecret({ spec }: PersistentVolume, namespace: string, name: string): boolean {
  if (spec === undefined) return false;
  const references = [
    spec.azureFile && { name: spec.azureFile.secretName, namespace: spec.azureFile.secretNamespace },
    spec.cephfs?.secretRef,
    spec.cinder?.secretRef,
    spec.flexVolume?.secretRef,
    spec.rbd?.secretRef,
    spec.scaleIO?.secretRef,
    spec.iscsi?.secretRef,
    spec.storageos?.secretRef,
    spec.csi?.nodePublishSecretRef,
    spec.csi?.nodeStageSecretRef,
    spec.csi?.nodeExpandSecretRef,
  ];
  return references.some(
    (reference) =>
      reference !== undefined &&
      reference.name === name &&
      (reference.namespace || spec.claimRef?.namespace || '') === namespace,
  );
}

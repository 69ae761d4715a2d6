/** How many pods the controllers of some pods want. Source: getExpectedScale in pkg/controller/disruption. */
import { isNotFound } from '../../api/errors.ts';
import { controllerOf, parseApiVersion } from '../../api/meta.ts';
import type { KubeObject } from '../../api/object.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { OwnerReference } from '../../api/types/meta-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';
import { discoverResources } from '../../client/discovery.ts';
import type { Informer, InformerFactory } from '../../client/informer.ts';
import { createRestMapping } from '../rest-mapping.ts';

export interface ExpectedScale {
  readonly total: number;
  /** Names of pods without a controller. */
  readonly unmanaged: readonly string[];
}

interface Scaled extends KubeObject {
  readonly spec?: { readonly replicas?: number };
}
interface Controller {
  readonly uid: string;
  readonly replicas: number;
}

export class Scales {
  private readonly client: Client;
  private readonly replicaSets;
  private readonly deployments;
  private readonly others: ReadonlyMap<string, Informer<Scaled>>;

  constructor(client: Client, informers: InformerFactory) {
    this.client = client;
    this.replicaSets = informers.informer(resources.replicaSets);
    this.deployments = informers.informer(resources.deployments);
    this.others = new Map<string, Informer<Scaled>>([
      ['apps/StatefulSet', informers.informer(resources.statefulSets)],
      ['/ReplicationController', informers.informer(resources.replicationControllers)],
    ]);
  }

  get informers(): readonly Informer<KubeObject>[] {
    return [this.replicaSets, this.deployments, ...this.others.values()];
  }

  /** @throws Error when a pod's controller cannot be found or has no scale. */
  async of(pods: readonly Pod[], signal: AbortSignal): Promise<ExpectedScale> {
    const replicas = new Map<string, number>();
    const asked = new Set<string>();
    const unmanaged: string[] = [];
    for (const pod of pods) {
      const reference = controllerOf(pod);
      if (!reference) {
        unmanaged.push(pod.metadata.name!);
        continue;
      }
      if (asked.has(reference.uid)) continue;
      asked.add(reference.uid);
      const controller = await this.find(reference, pod.metadata.namespace!, signal);
      if (!controller) throw new Error(`found no controllers for pod ${JSON.stringify(pod.metadata.name)}`);
      replicas.set(controller.uid, controller.replicas);
    }
    let total = 0;
    for (const count of replicas.values()) total += count;
    return { total, unmanaged };
  }

  private async find(
    reference: OwnerReference,
    namespace: string,
    signal: AbortSignal,
  ): Promise<Controller | undefined> {
    const { group } = parseApiVersion(reference.apiVersion);
    if (group === 'apps' && reference.kind === 'ReplicaSet') {
      const replicaSet = cached(this.replicaSets, reference, namespace);
      const owner = replicaSet && controllerOf(replicaSet);
      if (owner?.kind !== 'Deployment') return scaleOf(replicaSet);
      // A roll-out has several ReplicaSets: what counts is what the Deployment wants.
      return scaleOf(cached(this.deployments, owner, namespace));
    }
    const informer = this.others.get(`${group}/${reference.kind}`);
    if (informer) return scaleOf(cached(informer, reference, namespace));
    return this.ask(reference, namespace, signal);
  }

  /** Any other kind with a scale subresource: a custom resource. */
  private async ask(
    { apiVersion, kind, name, uid }: OwnerReference,
    namespace: string,
    signal: AbortSignal,
  ): Promise<Controller | undefined> {
    const { resources: discovered } = await discoverResources(this.client.transport, signal);
    const ref = createRestMapping(discovered).resourceOf(apiVersion, kind);
    if (!ref) throw new Error(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`);
    const objects = this.client.resource(ref);
    const where = { ...(ref.namespaced ? { namespace } : {}), signal };
    try {
      const scale = (await objects.get(name, { ...where, subresource: 'scale' })) as Scaled;
      return scale.metadata.uid === uid ? scaleOf(scale) : undefined;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    try {
      await objects.get(name, where);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
    const resource = ref.group === '' ? ref.resource : `${ref.resource}.${ref.group}`;
    throw new Error(`${resource} does not implement the scale subresource`);
  }
}

function cached<T extends KubeObject>(
  informer: Informer<T>,
  { name, uid }: OwnerReference,
  namespace: string,
): T | undefined {
  const object = informer.get(`${namespace}/${name}`);
  return object?.metadata.uid === uid ? object : undefined;
}
const scaleOf = (object: Scaled | undefined): Controller | undefined =>
  object && { uid: object.metadata.uid!, replicas: object.spec?.replicas ?? 0 };

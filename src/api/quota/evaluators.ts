/** The evaluators of resources of which more than the number counts. Source: pkg/quota/v1/evaluator/core, pkg/quota/v1/install. */
import { compareQuantities, type Quantity, roundUp } from '../quantity.ts';
import { readResources, wholeNumber, zero } from '../resource-list.ts';
import type { PersistentVolumeClaim, Service } from '../types/core-v1.ts';
import type { ResourceClaim } from '../types/resource-v1.ts';
import { createObjectCounter, one, type QuotaEvaluator, scopeAdmits } from './evaluator.ts';
import { podEvaluator } from './pods.ts';

const serviceNames = ['count/services', 'services', 'services.nodeports', 'services.loadbalancers'];

const serviceEvaluator: QuotaEvaluator = Object.freeze({
  group: '',
  resource: 'services',
  handles: ({ subresource }) => subresource === '',
  counts: (name) => serviceNames.includes(name),
  matchesScope: () => false,
  usage(object) {
    const { spec = {} } = object as unknown as Service;
    const ports = spec.ports ?? [];
    const isBalancer = spec.type === 'LoadBalancer';
    let nodePorts = spec.type === 'NodePort' || isBalancer ? ports.length : 0;
    if (isBalancer && spec.allocateLoadBalancerNodePorts === false)
      nodePorts = ports.filter(({ nodePort }) => nodePort !== undefined && nodePort !== 0).length;
    return new Map([
      ['count/services', one],
      ['services', one],
      ['services.nodeports', wholeNumber(nodePorts)],
      ['services.loadbalancers', isBalancer ? one : zero],
    ]);
  },
} satisfies QuotaEvaluator);

const claimNames = ['persistentvolumeclaims', 'requests.storage'];
const classSuffix = '.storageclass.storage.k8s.io/';
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

const volumeClaimEvaluator: QuotaEvaluator = Object.freeze({
  group: '',
  resource: 'persistentvolumeclaims',
  handles: ({ subresource, operation }) => subresource === '' || (subresource === 'status' && operation === 'UPDATE'),
  counts: (name) =>
    name === 'count/persistentvolumeclaims' ||
    claimNames.includes(name) ||
    claimNames.some((each) => name.endsWith(classSuffix + each)),
  matchesScope(scope, object) {
    if (scope.scopeName !== 'VolumeAttributesClass') return false;
    const { spec, status } = object as unknown as PersistentVolumeClaim;
    const names = [
      spec?.volumeAttributesClassName,
      status?.currentVolumeAttributesClassName,
      status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
    ];
    return scopeAdmits(
      scope,
      names.flatMap((name) => (name ? [name] : [])),
    );
  },
  usage(object) {
    const claim = object as unknown as PersistentVolumeClaim;
    const className = claim.metadata.annotations?.[classAnnotation] ?? claim.spec?.storageClassName ?? '';
    const usage = new Map<string, Quantity>([
      ['persistentvolumeclaims', one],
      ['count/persistentvolumeclaims', one],
    ]);
    if (className !== '') usage.set(`${className}${classSuffix}persistentvolumeclaims`, one);
    const storage = storageOf(claim);
    if (storage) {
      usage.set('requests.storage', storage);
      if (className !== '') usage.set(`${className}${classSuffix}requests.storage`, storage);
    }
    return usage;
  },
} satisfies QuotaEvaluator);

/** What is asked for, or what an expansion under way has taken already. */
function storageOf({ spec, status }: PersistentVolumeClaim): Quantity | undefined {
  const wanted = readResources(spec?.resources?.requests).get('storage');
  if (!wanted) return undefined;
  const allocated = readResources(status?.allocatedResources).get('storage');
  return roundUp(allocated && compareQuantities(allocated, wanted) > 0 ? allocated : wanted, 0);
}

const countOfResourceClaims = 'count/resourceclaims.resource.k8s.io';
const deviceClassSuffix = '.deviceclass.resource.k8s.io/devices';
/** Source: resource.k8s.io AllocationResultsMaxSize. */
const devicesMax = 32;

const resourceClaimEvaluator: QuotaEvaluator = Object.freeze({
  group: 'resource.k8s.io',
  resource: 'resourceclaims',
  handles: ({ subresource }) => subresource === '',
  counts: (name) => name === countOfResourceClaims || name.endsWith(deviceClassSuffix),
  matchesScope: () => false,
  usage(object) {
    const { spec } = object as unknown as ResourceClaim;
    const counts = new Map<string, number>();
    for (const { exactly, firstAvailable } of spec?.devices?.requests ?? []) {
      const most = new Map<string, number>();
      // Of alternatives, any may be taken: the dearest of each class counts.
      for (const request of (firstAvailable ?? []).length > 0 ? firstAvailable! : exactly ? [exactly] : []) {
        const wanted = request.allocationMode === 'All' ? devicesMax : Number(request.count ?? 0);
        most.set(request.deviceClassName, Math.max(most.get(request.deviceClassName) ?? 0, wanted));
      }
      for (const [name, count] of most) counts.set(name, (counts.get(name) ?? 0) + count);
    }
    const usage = new Map<string, Quantity>([[countOfResourceClaims, one]]);
    for (const [name, count] of counts) usage.set(name + deviceClassSuffix, wholeNumber(count));
    return usage;
  },
} satisfies QuotaEvaluator);

const own: readonly QuotaEvaluator[] = [podEvaluator, serviceEvaluator, volumeClaimEvaluator, resourceClaimEvaluator];

/** Not stored, or never counted. */
const ignored: ReadonlySet<string> = new Set([
  '/bindings',
  '/componentstatuses',
  'authentication.k8s.io/tokenreviews',
  'authentication.k8s.io/selfsubjectreviews',
  'authorization.k8s.io/subjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/localsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  '/events',
  'events.k8s.io/events',
]);

/** @returns undefined for a resource that no quota counts. */
export function evaluatorOf(group: string, resource: string): QuotaEvaluator | undefined {
  if (ignored.has(`${group}/${resource}`)) return undefined;
  return own.find((each) => each.resource === resource && each.group === group) ?? createObjectCounter(group, resource);
}

/** The resources a quota on these names counts, as far as their names tell: `count/deployments.apps` and the like are told apart. */
export function resourcesCounted(
  names: readonly string[],
): readonly { readonly group: string; readonly resource: string }[] {
  const found = new Map<string, { group: string; resource: string }>();
  const add = (group: string, resource: string): void => {
    if (!ignored.has(`${group}/${resource}`)) found.set(`${group}/${resource}`, { group, resource });
  };
  for (const name of names) {
    for (const { group, resource, counts } of own) if (counts(name)) add(group, resource);
    if (name.startsWith('count/')) {
      const [resource = '', ...group] = name.slice('count/'.length).split('.');
      add(group.join('.'), resource);
    } else if (['configmaps', 'resourcequotas', 'replicationcontrollers', 'secrets'].includes(name)) add('', name);
  }
  return [...found.values()];
}

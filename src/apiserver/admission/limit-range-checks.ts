/** Whether a pod or a claim stays within a LimitRange; what does not, in upstream's words. */
import { podResourceList } from '../../api/pod/resource-lists.ts';
import { formatQuantity, milliValue, type Quantity, value } from '../../api/quantity.ts';
import { noResources, type ResourceList, readResources, zero } from '../../api/resource-list.ts';
import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from '../../api/types/core-v1.ts';

export function podViolations(range: LimitRange, pod: Pod): readonly string[] {
  const found: string[] = [];
  for (const limit of range.spec?.limits ?? []) {
    if (limit.type === 'Container') {
      for (const container of pod.spec?.containers ?? []) checkContainer(found, limit, container);
      for (const container of pod.spec?.initContainers ?? []) checkContainer(found, limit, container);
    } else if (limit.type === 'Pod')
      check(found, limit, podResourceList(pod, 'requests'), podResourceList(pod, 'limits'));
  }
  return found;
}

/** Only what a claim requests counts: it has no limits. */
export function claimViolations(range: LimitRange, claim: PersistentVolumeClaim): readonly string[] {
  const found: string[] = [];
  const requests = readResources(claim.spec?.resources?.requests);
  for (const limit of range.spec?.limits ?? []) {
    if (limit.type !== 'PersistentVolumeClaim') continue;
    for (const [name, enforced] of readResources(limit.min))
      add(found, belowMinimum(limit.type, name, enforced, requests, noResources));
    for (const [name, enforced] of readResources(limit.max))
      add(found, requestAboveMaximum(limit.type, name, enforced, requests));
  }
  return found;
}

function checkContainer(found: string[], limit: LimitRangeItem, { resources }: Container): void {
  check(found, limit, readResources(resources?.requests), readResources(resources?.limits));
}

function check(found: string[], limit: LimitRangeItem, requests: ResourceList, limits: ResourceList): void {
  const { type } = limit;
  for (const [name, enforced] of readResources(limit.min))
    add(found, belowMinimum(type, name, enforced, requests, limits));
  for (const [name, enforced] of readResources(limit.max))
    add(found, aboveMaximum(type, name, enforced, requests, limits));
  for (const [name, enforced] of readResources(limit.maxLimitRequestRatio))
    add(found, ratioTooBig(type, name, enforced, requests, limits));
}

function add(found: string[], message: string | undefined): void {
  if (message !== undefined) found.push(message);
}

/** Above it, thousandths would not fit into an int64. Source: resource.MaxMilliValue. */
const milliMax = Math.floor(Number.MAX_SAFE_INTEGER / 1000);

/** All in thousandths, or all in units where one is too big for that. Rounded up, so that `1n` is as much as `1m`. */
function comparable(request: Quantity, limit: Quantity, enforced: Quantity): readonly [number, number, number] {
  const fine = value(request) <= milliMax && value(limit) <= milliMax && value(enforced) <= milliMax;
  const scaled = fine ? milliValue : value;
  return [scaled(request), scaled(limit), scaled(enforced)];
}

function belowMinimum(
  type: string,
  name: string,
  enforced: Quantity,
  requests: ResourceList,
  limits: ResourceList,
): string | undefined {
  const request = requests.get(name);
  const limit = limits.get(name);
  const words = `minimum ${name} usage per ${type} is ${formatQuantity(enforced)}`;
  if (!request) return `${words}.  No request is specified`;
  const [requested, limited, least] = comparable(request, limit ?? zero, enforced);
  if (requested < least) return `${words}, but request is ${formatQuantity(request)}`;
  if (limit && limited < least) return `${words}, but limit is ${formatQuantity(limit)}`;
  return undefined;
}

function aboveMaximum(
  type: string,
  name: string,
  enforced: Quantity,
  requests: ResourceList,
  limits: ResourceList,
): string | undefined {
  const request = requests.get(name);
  const limit = limits.get(name);
  const words = `maximum ${name} usage per ${type} is ${formatQuantity(enforced)}`;
  if (!limit) return `${words}.  No limit is specified`;
  const [requested, limited, most] = comparable(request ?? zero, limit, enforced);
  if (limited > most) return `${words}, but limit is ${formatQuantity(limit)}`;
  if (request && requested > most) return `${words}, but request is ${formatQuantity(request)}`;
  return undefined;
}

function requestAboveMaximum(
  type: string,
  name: string,
  enforced: Quantity,
  requests: ResourceList,
): string | undefined {
  const request = requests.get(name);
  const words = `maximum ${name} usage per ${type} is ${formatQuantity(enforced)}`;
  if (!request) return `${words}.  No request is specified`;
  const [requested, , most] = comparable(request, zero, enforced);
  return requested > most ? `${words}, but request is ${formatQuantity(request)}` : undefined;
}

function ratioTooBig(
  type: string,
  name: string,
  enforced: Quantity,
  requests: ResourceList,
  limits: ResourceList,
): string | undefined {
  const [request = zero, limit = zero] = [requests.get(name), limits.get(name)];
  const [requested, limited] = comparable(request, limit, enforced);
  const words = `${name} max limit to request ratio per ${type} is ${formatQuantity(enforced)}`;
  if (requested === 0) return `${words}, but no request is specified or request is 0`;
  if (limited === 0) return `${words}, but no limit is specified or limit is 0`;
  const ratio = limited / requested;
  const fine = value(enforced) <= milliMax;
  const tooBig = fine ? ratio * 1000 > milliValue(enforced) : ratio > value(enforced);
  return tooBig ? `${words}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}

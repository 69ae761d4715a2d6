/**
 * Which IP families a Service has on this cluster. Pure. Source: registry/core/service/storage/alloc.go (initIPFamilyFields,
 * isMatchingPreferDualStackClusterIPFields), validation.ValidateServiceClusterIPsRelatedFields for what allocation must be able to rely on.
 */
import { sameJson } from '../../api/edit.ts';
import { ApiError, type FieldError } from '../../api/errors.ts';
import type { ServiceSpec } from '../../api/types/core-v1.ts';
import { ErrorList } from '../../api/validation/error-list.ts';
import { validateServiceAddresses } from '../../api/validation/service-addresses.ts';
import { type IpFamily, parseIp } from './ip.ts';

export interface Families {
  readonly ipFamilies: readonly string[];
  readonly ipFamilyPolicy: string;
  readonly clusterIPs: readonly string[];
}

const single = 'SingleStack';
const requireDual = 'RequireDualStack';
const other = (family: string | undefined): IpFamily => (family === 'IPv4' ? 'IPv6' : 'IPv4');
const notConfigured = 'not configured on this cluster';

/**
 * @param served the cluster's families, the default one first.
 * @returns undefined when there is nothing to fill in (ExternalName, or a PreferDualStack spec that stays). @throws ApiError in upstream's words.
 */
export function planFamilies(
  name: string,
  spec: ServiceSpec,
  before: ServiceSpec | undefined,
  served: readonly IpFamily[],
): Families | undefined {
  if (spec.type === 'ExternalName' || staysPreferDual(spec, before)) return undefined;
  const refused = new Refusals(name);
  let clusterIPs = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  let families: readonly string[] = spec.ipFamilies ?? [];
  const headless = clusterIPs[0] === 'None';
  const selectorless = headless && Object.keys(spec.selector ?? {}).length === 0;
  const policy = spec.ipFamilyPolicy ?? before?.ipFamilyPolicy ?? (selectorless ? requireDual : single);
  // Loose validation beforehand: what follows need not think of addresses that are none.
  const related = new ErrorList();
  validateServiceAddresses(related, { ...spec, clusterIPs, ipFamilyPolicy: policy }, before);
  if (related.errors.length > 0) throw ApiError.invalid({ group: '', kind: 'Service' }, name, related.errors);

  if (before !== undefined && policy === single) {
    // The first address is immutable: asking for one family is reason enough to drop the second.
    if (sameJson(clusterIPs, before.clusterIPs ?? [])) clusterIPs = clusterIPs.slice(0, 1);
    if (sameJson(families, before.ipFamilies ?? [])) families = families.slice(0, 1);
  } else if (before !== undefined) {
    const policyRefused = (what: string): void =>
      refused.add('spec.ipFamilyPolicy', policy, `must be 'SingleStack' to release the secondary ${what}`);
    if (lost(clusterIPs, before.clusterIPs)) policyRefused('cluster IP');
    if (lost(families, before.ipFamilies)) policyRefused('IP family');
  }
  if (policy === single) {
    const must = (what: string): void =>
      refused.add(
        'spec.ipFamilyPolicy',
        policy,
        `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`,
      );
    if (clusterIPs.length === 2) must('cluster IPs');
    if (families.length === 2) must('IP families');
  }
  const inferred = [...families];
  if (!headless)
    for (let i = families.length; i < clusterIPs.length; i++) {
      const { family } = parseIp(clusterIPs[i]!)!;
      if (served.includes(family)) inferred.push(family);
      else refused.add(`spec.clusterIPs[${i}]`, clusterIPs, `${family} is ${notConfigured}`);
    }
  refused.end();

  if (!selectorless) {
    if (policy === requireDual && served.length < 2)
      refused.add('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services');
    for (const [i, family] of inferred.entries())
      if (!served.some((known) => known === family)) refused.add(`spec.ipFamilies[${i}]`, family, notConfigured);
    refused.end();
  }
  if (inferred.length === 0) inferred.push(served[0]!);
  // Endpoints of a headless Service without a selector are the user's, of whatever family.
  if (policy !== single && inferred.length === 1 && (selectorless || served.length === 2))
    inferred.push(other(inferred[0]));
  return { ipFamilies: inferred, ipFamilyPolicy: policy, clusterIPs };
}

/** A PreferDualStack Service is not changed by a cluster that became, or stopped being, dual-stack. */
function staysPreferDual(spec: ServiceSpec, before: ServiceSpec | undefined): boolean {
  return (
    before !== undefined &&
    before.type !== 'ExternalName' &&
    spec.ipFamilyPolicy === 'PreferDualStack' &&
    before.ipFamilyPolicy === 'PreferDualStack' &&
    sameJson(spec.clusterIPs ?? [], before.clusterIPs ?? []) &&
    sameJson(spec.ipFamilies ?? [], before.ipFamilies ?? [])
  );
}

/** From two to one, the first kept. */
const lost = (now: readonly string[], then: readonly string[] | undefined): boolean =>
  now.length === 1 && then?.length === 2 && now[0] === then[0];

class Refusals {
  readonly #name: string;
  readonly #errors: FieldError[] = [];

  constructor(name: string) {
    this.#name = name;
  }
  add(field: string, value: unknown, why: string): void {
    this.#errors.push({ type: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(value)}: ${why}` });
  }
  /** @throws ApiError when something was added. */
  end(): void {
    if (this.#errors.length > 0) throw ApiError.invalid({ group: '', kind: 'Service' }, this.#name, this.#errors);
  }
}

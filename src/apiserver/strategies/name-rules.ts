/** Kinds whose names are not the usual DNS subdomain: `group/resource` -> what is wrong with a name. */
import {
  checkConfigMapKey,
  checkDns1123Label,
  checkDns1123Subdomain,
  checkPathSegmentName,
  maskTrailingDash,
} from '../../api/names.ts';
import { checkCanonicalIp } from '../../api/validation/addresses.ts';

export type NameRule = (name: string, options: { readonly prefix: boolean }) => readonly string[];

/** A prefix may end where a label may not: letters follow. */
const label: NameRule = (name, { prefix }) => checkDns1123Label(prefix ? name.replace(/-$/, 'a') : name);
const pathSegment: NameRule = (name, { prefix }) => checkPathSegmentName(name, { prefix });

/** What a name is made from is not looked at, but for what no path segment may hold. */
const anyPrefix: NameRule = (name, { prefix }) =>
  prefix ? checkPathSegmentName(name, { prefix }) : checkDns1123Subdomain(name);

export const nameRules: Readonly<Record<string, NameRule>> = {
  '/events': pathSegment,
  '/namespaces': label,
  '/replicationcontrollers': anyPrefix,
  '/services': label,
  'apps/statefulsets': label,
  'resource.k8s.io/deviceclasses': (name, { prefix }) =>
    checkDns1123Subdomain(prefix ? maskTrailingDash(name) : name).map((why) =>
      // Its name is judged by the newer, declared rules.
      prefix ? why : why.replace(/^(must be no more than \d+) characters$/, '$1 bytes'),
    ),
  'apiregistration.k8s.io/apiservices': pathSegment,
  'rbac.authorization.k8s.io/clusterrolebindings': pathSegment,
  'rbac.authorization.k8s.io/clusterroles': pathSegment,
  'rbac.authorization.k8s.io/rolebindings': pathSegment,
  'rbac.authorization.k8s.io/roles': pathSegment,
  'policy/poddisruptionbudgets': pathSegment,
  'certificates.k8s.io/certificatesigningrequests': () => [],
  'coordination.k8s.io/leasecandidates': checkConfigMapKey,
  'networking.k8s.io/ipaddresses': checkCanonicalIp,
};

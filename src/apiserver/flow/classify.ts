/**
 * Which FlowSchema a request falls under: the first by precedence, then name, whose rules match the caller and the request.
 * Source: apiserver/pkg/util/flowcontrol (rule.go, apf_controller.go).
 */
import type {
  FlowSchema,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../api/types/flowcontrol-v1.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import type { RequestInfo } from '../request-info.ts';

export interface CompiledSchema {
  readonly name: string;
  readonly uid: string;
  readonly level: string;
  readonly distinguisher: 'ByUser' | 'ByNamespace' | undefined;
  readonly precedence: number;
  readonly rules: readonly PolicyRulesWithSubjects[];
}

/** @param levels those that exist: a schema that leads nowhere decides nothing */
export function compileSchemas(schemas: readonly FlowSchema[], levels: ReadonlySet<string>): readonly CompiledSchema[] {
  return schemas
    .filter(({ spec }) => levels.has(spec?.priorityLevelConfiguration.name ?? ''))
    .map(({ metadata, spec }): CompiledSchema => {
      const method = spec?.distinguisherMethod?.type;
      return {
        name: metadata.name ?? '',
        uid: metadata.uid ?? '',
        level: spec?.priorityLevelConfiguration.name ?? '',
        distinguisher: method === 'ByUser' || method === 'ByNamespace' ? method : undefined,
        precedence: spec?.matchingPrecedence ?? 1000,
        rules: spec?.rules ?? [],
      };
    })
    .sort((a, b) => a.precedence - b.precedence || (a.name < b.name ? -1 : 1));
}

export function schemaFor(
  schemas: readonly CompiledSchema[],
  user: UserInfo,
  info: RequestInfo,
): CompiledSchema | undefined {
  for (const schema of schemas) for (const rule of schema.rules) if (ruleMatches(rule, user, info)) return schema;
  return undefined;
}

function ruleMatches(
  { subjects, resourceRules = [], nonResourceRules = [] }: PolicyRulesWithSubjects,
  user: UserInfo,
  info: RequestInfo,
): boolean {
  if (!subjects.some((subject) => subjectMatches(subject, user))) return false;
  if (info.isResourceRequest) return resourceRules.some((rule) => resourceRuleMatches(rule, info));
  return nonResourceRules.some(
    ({ verbs, nonResourceURLs }) =>
      contains(verbs, info.verb) && nonResourceURLs.some((url) => urlMatches(url, info.path)),
  );
}

const accountPrefix = 'system:serviceaccount:';

function subjectMatches({ kind, user: person, group, serviceAccount }: Subject, user: UserInfo): boolean {
  switch (kind) {
    case 'User':
      return person !== undefined && (person.name === '*' || person.name === user.name);
    case 'Group':
      return group !== undefined && (group.name === '*' || user.groups.includes(group.name));
    case 'ServiceAccount': {
      if (!serviceAccount) return false;
      const { namespace, name } = serviceAccount;
      return name === '*'
        ? user.name.startsWith(`${accountPrefix}${namespace}:`)
        : user.name === `${accountPrefix}${namespace}:${name}`;
    }
    default:
      return false;
  }
}

function resourceRuleMatches(rule: ResourcePolicyRule, info: RequestInfo): boolean {
  const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`;
  if (!contains(rule.verbs, info.verb) || !contains(rule.resources, resource)) return false;
  if (!contains(rule.apiGroups, info.apiGroup)) return false;
  return info.namespace === '' ? rule.clusterScope === true : contains(rule.namespaces ?? [], info.namespace);
}

/** `*` stands alone, or it is no wildcard. */
const contains = (list: readonly string[], item: string): boolean =>
  (list.length === 1 && list[0] === '*') || list.includes(item);

function urlMatches(url: string, path: string): boolean {
  if (url === '*' || url === path) return true;
  const prefix = url.endsWith('*') ? url.slice(0, -1) : url;
  return path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

/** The policies that are configured with their bindings, compiled once for each change. Source: apiserver/pkg/admission/plugin/policy/generic. */
import { labelMatcherFrom, SelectorError } from '../../../api/selectors/label-selector.ts';
import type {
  MatchResources,
  NamedRuleWithOperations,
  ParamKind,
  ParamRef,
} from '../../../api/types/admissionregistration-v1.ts';
import type { ObjectReader } from '../../registry/object-reader.ts';
import type { AdmissionAttributes } from '../admission.ts';
import type { Hook, Selector } from '../webhooks/hooks.ts';
import { type Invocation, type Matching, matchHook } from '../webhooks/match.ts';

export interface PolicyObject {
  readonly metadata: { readonly name?: string };
  readonly spec?: {
    readonly paramKind?: ParamKind;
    readonly matchConstraints?: MatchResources;
    readonly failurePolicy?: string;
  };
}
export interface BindingObject {
  readonly metadata: { readonly name?: string };
  readonly spec?: {
    readonly policyName?: string;
    readonly paramRef?: ParamRef;
    readonly matchResources?: MatchResources;
  };
}

/** Which requests a policy or a binding is about. */
export interface Matcher {
  match(attributes: AdmissionAttributes, matching: Matching): Invocation | undefined;
}

export interface Bound<P, B, C> {
  readonly policy: P;
  readonly compiled: C;
  readonly matcher: Matcher;
  readonly bindings: readonly { readonly binding: B; readonly matcher: Matcher | undefined }[];
}

/** @returns asked at each request; the same array until a policy or a binding changes. Policies nobody binds are left out. */
export function configuredPolicies<P extends PolicyObject, B extends BindingObject, C>(
  reader: ObjectReader,
  resources: { readonly policies: string; readonly bindings: string },
  compile: (policy: P) => C,
): () => readonly Bound<P, B, C>[] {
  const group = 'admissionregistration.k8s.io';
  let bound: readonly Bound<P, B, C>[] | undefined;
  const compiled = new WeakMap<object, C>();
  const forget = (): void => {
    bound = undefined;
  };
  reader.onChange(group, resources.policies, forget);
  reader.onChange(group, resources.bindings, forget);
  const byName = <T extends { readonly metadata: { readonly name?: string } }>(resource: string): readonly T[] =>
    (reader.list(group, resource, '') as unknown as readonly T[]).toSorted((a, b) =>
      (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1,
    );
  return () => {
    if (bound !== undefined) return bound;
    const bindings = byName<B>(resources.bindings);
    bound = byName<P>(resources.policies).flatMap((policy) => {
      const mine = bindings.filter(({ spec }) => spec?.policyName === policy.metadata.name);
      if (mine.length === 0) return [];
      let own = compiled.get(policy);
      if (own === undefined) {
        own = compile(policy);
        compiled.set(policy, own);
      }
      return [
        {
          policy,
          compiled: own,
          matcher: matcherOf(policy.spec?.matchConstraints),
          bindings: mine.map((binding) => ({
            binding,
            matcher: binding.spec?.matchResources && matcherOf(binding.spec.matchResources, { emptyRulesMatch: true }),
          })),
        },
      ];
    });
    return bound;
  };
}

function matcherOf(match: MatchResources | undefined, options: { readonly emptyRulesMatch?: boolean } = {}): Matcher {
  const { resourceRules = [], excludeResourceRules = [], matchPolicy = 'Equivalent' } = match ?? {};
  const namespaces = selectorOf(match?.namespaceSelector);
  const objects = selectorOf(match?.objectSelector);
  const hookOf = (rules: readonly NamedRuleWithOperations[]): Hook => ({
    uid: '',
    configuration: '',
    webhook: { name: '', clientConfig: {}, sideEffects: 'None', admissionReviewVersions: [], rules, matchPolicy },
    namespaces,
    objects,
    conditions: undefined,
  });
  const everything: NamedRuleWithOperations = {
    operations: ['*'],
    apiGroups: ['*'],
    apiVersions: ['*'],
    resources: ['*', '*/*'],
    scope: '*',
  };
  const wanted = resourceRules.length === 0 && options.emptyRulesMatch ? [everything] : resourceRules;
  const anyRule = (
    rules: readonly NamedRuleWithOperations[],
    attributes: AdmissionAttributes,
    matching: Matching,
  ): Invocation | undefined => {
    for (const rule of rules) {
      if (rule.resourceNames?.length && !rule.resourceNames.includes(attributes.name)) continue;
      const found = matchHook(hookOf([rule]), attributes, matching);
      if (found) return found;
    }
    return undefined;
  };
  return {
    match(attributes, matching) {
      if (excludeResourceRules.length > 0 && anyRule(excludeResourceRules, attributes, matching)) return undefined;
      return anyRule(wanted, attributes, matching);
    },
  };
}

function selectorOf(selector: MatchResources['namespaceSelector']): Selector {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return { kind: 'all' };
  try {
    return { kind: 'matcher', matcher: labelMatcherFrom(selector) };
  } catch (error) {
    if (error instanceof SelectorError) return { kind: 'broken', error };
    throw error;
  }
}

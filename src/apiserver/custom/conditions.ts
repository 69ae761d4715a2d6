/** What the server says about a definition in its status. Source: apiextensions-apiserver/pkg/controller/{status,establish,apiapproval}. */
import { sameJson } from '../../api/edit.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionStatus,
} from '../../api/types/apiextensions-v1.ts';
import { conditionOf, isTrue } from './definition.ts';

type Condition = CustomResourceDefinitionCondition;

/** @returns the status with this condition; the same one when it says so already. The time is kept while the status word stays. */
export function withCondition(
  status: CustomResourceDefinitionStatus,
  condition: Omit<Condition, 'lastTransitionTime'>,
  now: string,
): CustomResourceDefinitionStatus {
  const conditions = status.conditions ?? [];
  const at = conditions.findIndex(({ type }) => type === condition.type);
  const before = conditions[at];
  if (
    before &&
    before.status === condition.status &&
    before.reason === condition.reason &&
    before.message === condition.message
  )
    return status;
  const next: Condition = {
    type: condition.type,
    status: condition.status,
    lastTransitionTime:
      before && before.status === condition.status && before.lastTransitionTime ? before.lastTransitionTime : now,
    ...(condition.reason === undefined ? {} : { reason: condition.reason }),
    ...(condition.message === undefined ? {} : { message: condition.message }),
  };
  return {
    ...status,
    conditions: before ? conditions.map((one, i) => (i === at ? next : one)) : [...conditions, next],
  };
}

/** Names that other definitions of the group hold. */
export interface TakenNames {
  readonly resources: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
}

export function takenNames(definitions: readonly CustomResourceDefinition[], group: string): TakenNames {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { spec, status } of definitions) {
    if (spec.group !== group) continue;
    const { plural = '', singular = '', shortNames = [], kind = '', listKind = '' } = status?.acceptedNames ?? {};
    for (const name of [plural, singular, ...shortNames]) resources.add(name);
    for (const name of [kind, listKind]) kinds.add(name);
  }
  return { resources, kinds };
}

/** The names a definition gets, and what is to be said about it. @returns the same status when nothing changes. */
export function withNames(
  definition: CustomResourceDefinition,
  taken: TakenNames,
  now: string,
): CustomResourceDefinitionStatus {
  const status = definition.status ?? {};
  const wanted = definition.spec.names;
  const accepted: Partial<CustomResourceDefinitionNames> = status.acceptedNames ?? {};
  if (sameJson(wanted, accepted)) return status;
  const names: Record<string, unknown> = { ...accepted };
  let conflict: { readonly reason: string; readonly message: string } | undefined;
  const settle = (
    field: 'plural' | 'singular' | 'kind' | 'listKind',
    held: ReadonlySet<string>,
    reason: string,
  ): void => {
    const name = wanted[field] ?? '';
    if (name !== (accepted[field] ?? '') && held.has(name)) conflict = { reason, message: inUse(name) };
    else names[field] = name;
  };
  settle('plural', taken.resources, 'PluralConflict');
  settle('singular', taken.resources, 'SingularConflict');
  const mine = new Set(accepted.shortNames);
  const clashes = (wanted.shortNames ?? []).filter((name) => !mine.has(name) && taken.resources.has(name));
  if (clashes.length > 0) {
    const lines = [...new Set(clashes.map(inUse))];
    conflict = { reason: 'ShortNamesConflict', message: lines.length === 1 ? lines[0]! : `[${lines.join(', ')}]` };
  } else names.shortNames = wanted.shortNames;
  settle('kind', taken.kinds, 'KindConflict');
  settle('listKind', taken.kinds, 'ListKindConflict');
  names.categories = wanted.categories;
  let next: CustomResourceDefinitionStatus = sameNames(names, accepted)
    ? status
    : { ...status, acceptedNames: ordered(names) };
  next = withCondition(
    next,
    conflict
      ? { type: 'NamesAccepted', status: 'False', ...conflict }
      : { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
    now,
  );
  if (isTrue(definition, 'Established')) return next;
  return withCondition(
    next,
    conflict
      ? (conditionOf(definition, 'Established') ?? {
          type: 'Established',
          status: 'False',
          reason: 'NotAccepted',
          message: 'not all names are accepted',
        })
      : { type: 'Established', status: 'False', reason: 'Installing', message: 'the initial names have been accepted' },
    now,
  );
}

const inUse = (name: string): string => `${JSON.stringify(name)} is already in use`;

const sameNames = (a: Readonly<Record<string, unknown>>, b: Partial<CustomResourceDefinitionNames>): boolean =>
  sameJson(ordered(a), ordered(b as Readonly<Record<string, unknown>>));

function ordered(names: Readonly<Record<string, unknown>>): CustomResourceDefinitionNames {
  const { plural, singular, shortNames, kind, listKind, categories } = names;
  const given = (value: unknown): boolean => value !== undefined && !(Array.isArray(value) && value.length === 0);
  return {
    plural: plural ?? '',
    ...(singular ? { singular } : {}),
    ...(given(shortNames) ? { shortNames } : {}),
    kind: kind ?? '',
    ...(listKind ? { listKind } : {}),
    ...(given(categories) ? { categories } : {}),
  } as CustomResourceDefinitionNames;
}

export function established(definition: CustomResourceDefinition, now: string): CustomResourceDefinitionStatus {
  return withCondition(
    definition.status ?? {},
    {
      type: 'Established',
      status: 'True',
      reason: 'InitialNamesAccepted',
      message: 'the initial names have been accepted',
    },
    now,
  );
}

const approval = 'api-approved.kubernetes.io';

/** Groups of the community's own say whether somebody reviewed them. */
export function withApproval(definition: CustomResourceDefinition, now: string): CustomResourceDefinitionStatus {
  const status = definition.status ?? {};
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(definition.spec.group)) return status;
  const given = definition.metadata.annotations?.[approval] ?? '';
  const type = 'KubernetesAPIApprovalPolicyConformant';
  const said = (word: 'True' | 'False', reason: string, message: string): CustomResourceDefinitionStatus =>
    withCondition(status, { type, status: word, reason, message }, now);
  if (given === '')
    return said(
      'False',
      'MissingAnnotation',
      `protected groups must have approval annotation "${approval}", see https://github.com/kubernetes/enhancements/pull/1111`,
    );
  if (given.startsWith('unapproved'))
    return said('False', 'UnapprovedAnnotation', `not approved: ${JSON.stringify(given)}`);
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/]/.test(given))
    return said('True', 'ApprovedAnnotation', `approved in ${given}`);
  return said(
    'False',
    'InvalidAnnotation',
    `protected groups must have approval annotation "${approval}" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`,
  );
}

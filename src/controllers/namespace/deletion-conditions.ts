/** What a namespace that is being deleted says of its progress. Source: pkg/controller/namespace/deletion/status_condition_utils.go. */
import { setCondition } from '../../api/meta.ts';
import type { NamespaceCondition } from '../../api/types/core-v1.ts';

/** What one pass over a namespace's content found. */
export interface DeletionProgress {
  readonly discoveryErrors: readonly string[];
  readonly contentErrors: readonly string[];
  /** `resource.group` -> objects left. The dot is there for the core group too, as upstream. */
  readonly remaining: ReadonlyMap<string, number>;
  readonly finalizers: ReadonlyMap<string, number>;
}

/** @returns the same list when nothing changed. */
export function deletionConditions(
  before: readonly NamespaceCondition[] | undefined,
  progress: DeletionProgress,
  now: string,
): readonly NamespaceCondition[] {
  const { discoveryErrors, contentErrors } = progress;
  const remaining = counted(progress.remaining, (name, n) => `${name} has ${n} resource instances`);
  const finalizers = counted(progress.finalizers, (name, n) => `${name} in ${n} resource instances`);
  const rows: readonly (readonly [
    type: string,
    ok: readonly [string, string],
    bad: readonly [string, string] | undefined,
  ])[] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      ['ResourcesDiscovered', 'All resources successfully discovered'],
      discoveryErrors.length > 0
        ? [
            'DiscoveryFailed',
            `Discovery failed for some groups, ${discoveryErrors.length} failing: unable to retrieve the complete list of server APIs: ${discoveryErrors.join(', ')}`,
          ]
        : undefined,
    ],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      ['ParsedGroupVersions', 'All legacy kube types successfully parsed'],
      undefined,
    ],
    [
      'NamespaceDeletionContentFailure',
      ['ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
      contentErrors.length > 0
        ? [
            'ContentDeletionFailed',
            `Failed to delete all resource types, ${contentErrors.length} remaining: ${[...contentErrors].sort().join(', ')}`,
          ]
        : undefined,
    ],
    [
      'NamespaceContentRemaining',
      ['ContentRemoved', 'All content successfully removed'],
      remaining === undefined ? undefined : ['SomeResourcesRemain', `Some resources are remaining: ${remaining}`],
    ],
    [
      'NamespaceFinalizersRemaining',
      ['ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
      finalizers === undefined
        ? undefined
        : ['SomeFinalizersRemain', `Some content in the namespace has finalizers remaining: ${finalizers}`],
    ],
  ];
  let conditions = before ?? [];
  for (const [type, ok, bad] of rows) {
    const [reason, message] = bad ?? ok;
    conditions = setCondition(conditions, { type, status: bad ? 'True' : 'False', reason, message }, now);
  }
  return conditions;
}

function counted(counts: ReadonlyMap<string, number>, text: (name: string, n: number) => string): string | undefined {
  if (counts.size === 0) return undefined;
  return [...counts]
    .map(([name, n]) => text(name, n))
    .sort()
    .join(', ');
}

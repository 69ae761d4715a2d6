/** What an apply would take from others, as upstream answers it. Source: managedfields/internal/conflict.go. */
import { ApiError } from '../errors.ts';
import type { FieldSet } from '../managed-fields/field-set.ts';
import type { ManagedFieldsEntry } from '../types/meta-v1.ts';
import { pathsOf } from './paths.ts';

/** Fields of one manager that the configuration wants otherwise. */
export interface Conflict {
  readonly entry: ManagedFieldsEntry;
  readonly fields: FieldSet;
}

/** 409 with a cause for each field, grouped by manager. */
export function conflictError(conflicts: readonly Conflict[]): ApiError {
  const sorted = [...conflicts].sort((a, b) => (managerIdentifier(a.entry) < managerIdentifier(b.entry) ? -1 : 1));
  const groups = sorted.map(({ entry, fields }) => ({ who: printed(entry), paths: pathsOf(fields) }));
  const causes = groups.flatMap(({ who, paths }) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${who}`, field })),
  );
  const message =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`
      : `Apply failed with ${causes.length} conflicts: ${groups
          .map(({ who, paths }) => `conflicts with ${who}:\n${paths.map((path) => `- ${path}`).join('\n')}`)
          .join('\n')}`;
  return new ApiError({ code: 409, reason: 'Conflict', message, details: { causes } });
}

/** Appliers are known by name alone, updaters also by version. */
export function managerIdentifier({ manager, operation, apiVersion, subresource }: ManagedFieldsEntry): string {
  return JSON.stringify({
    manager,
    operation,
    ...(operation === 'Apply' ? {} : { apiVersion }),
    ...(subresource === undefined || subresource === '' ? {} : { subresource }),
  });
}

function printed({ manager = '', operation, apiVersion, subresource = '' }: ManagedFieldsEntry): string {
  const name = JSON.stringify(manager) + (subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}

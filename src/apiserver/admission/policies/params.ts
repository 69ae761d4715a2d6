/** The objects a binding parameterizes its policy with. Source: apiserver/pkg/admission/plugin/policy/generic (CollectParams). */
import type { JsonObject } from '../../../api/json.ts';
import { labelMatcherFrom, matchLabels } from '../../../api/selectors/label-selector.ts';
import type { ParamKind, ParamRef } from '../../../api/types/admissionregistration-v1.ts';
import type { ObjectReader } from '../../registry/object-reader.ts';
import type { ResourceTable } from '../../registry/resources.ts';

/** The binding cannot be used as it is. */
export class ParamsError extends Error {
  override readonly name = 'ParamsError';
}

/** @returns one entry for each evaluation; undefined: an evaluation without parameters. @throws ParamsError */
export function collectParams(
  table: ResourceTable,
  reader: ObjectReader,
  paramKind: ParamKind | undefined,
  paramRef: ParamRef | undefined,
  namespace: string,
): readonly (JsonObject | undefined)[] {
  if (!paramKind || !paramRef) return [undefined];
  const { apiVersion = '', kind = '' } = paramKind;
  const served = table.served.find((one) => one.apiVersion === apiVersion && one.gvk.kind === kind && one.stored);
  if (!served) throw new ParamsError(`paramKind kind \`${apiVersion}, Kind=${kind}\` not known`);
  const { group, resource, namespaced } = served.schema;
  if (paramRef.namespace && !namespaced)
    throw new ParamsError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
  const within = namespaced ? paramRef.namespace || namespace : '';
  if (namespaced && within === '')
    throw new ParamsError('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources');
  let found: readonly JsonObject[] = [];
  if (paramRef.name) {
    const one = reader.get(group, resource, within, paramRef.name);
    found = one === undefined ? [] : [one];
  } else if (paramRef.selector) {
    const matcher = labelMatcherFrom(paramRef.selector);
    found = reader
      .list(group, resource, within)
      .filter((one) =>
        matchLabels(matcher, (one.metadata as { labels?: Readonly<Record<string, string>> } | undefined)?.labels),
      );
  } else throw new ParamsError('one of name or selector must be provided');
  if (found.length > 0) return found;
  if (paramRef.parameterNotFoundAction === 'Allow') return [];
  throw new ParamsError('no params found for policy binding with `Deny` parameterNotFoundAction');
}

/** Nothing is made in a namespace that is not there or that is ending; the basic namespaces stay. Source: apiserver admission/plugin/namespace/lifecycle. */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { refusal } from './attributes.ts';

const immortal: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public']);
/** After a namespace's deletion came in here, for so long the cache's word that it is active is checked. */
const distrustMs = 30_000;
const distrustMax = 100;

export function createNamespaceLifecycle(reader: ObjectReader, clock: Clock): AdmissionPlugin {
  const deletedAt = new Map<string, number>();

  return {
    name: 'NamespaceLifecycle',
    handles: (operation) => operation !== 'CONNECT',
    admit(attributes, signal) {
      const { operation, namespace, name, kind } = attributes;
      if (kind.kind === 'Namespace' && kind.group === '') {
        if (operation !== 'DELETE') return attributes.object;
        if (immortal.has(name))
          throw ApiError.forbidden(attributes.resource, name, 'this namespace may not be deleted');
        deletedAt.delete(name);
        if (deletedAt.size >= distrustMax) deletedAt.delete([...deletedAt.keys()][0]!);
        deletedAt.set(name, clock.monotonic());
        return undefined;
      }
      if (namespace === '' || operation === 'DELETE') return attributes.object;
      // Its answer says nothing about the namespace, so that nobody can look for namespaces by it.
      if (attributes.resource.resource === 'localsubjectaccessreviews') return attributes.object;
      const cached = reader.get('', 'namespaces', '', namespace);
      if (cached !== undefined && !(isActive(cached) && distrusted(namespace))) return judge(attributes, cached);
      return reader.fresh('', 'namespaces', '', namespace, signal).then((fresh) => {
        if (fresh === undefined) throw ApiError.notFound({ group: '', resource: 'namespaces' }, namespace);
        return judge(attributes, fresh);
      });
    },
  };

  function distrusted(namespace: string): boolean {
    if (deletedAt.size === 0) return false;
    const at = deletedAt.get(namespace);
    if (at === undefined) return false;
    if (clock.monotonic() - at < distrustMs) return true;
    deletedAt.delete(namespace);
    return false;
  }
}

const isActive = (namespace: JsonObject): boolean => phaseOf(namespace) === 'Active';
const phaseOf = (namespace: JsonObject): unknown => (namespace.status as JsonObject | undefined)?.phase;

function judge(attributes: AdmissionAttributes, found: JsonObject): JsonObject | undefined {
  const { operation, namespace } = attributes;
  if (operation !== 'CREATE' || phaseOf(found) !== 'Terminating') return attributes.object;
  const { status } = refusal(
    attributes,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  throw new ApiError({ ...status, details: { ...status.details, causes: [cause] } });
}

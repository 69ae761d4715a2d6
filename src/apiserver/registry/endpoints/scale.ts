/** `scale` of workloads: a small view of spec.replicas. Source: registry/apps/*\/storage (ScaleREST). */

import { getIn, setIn } from '../../../api/edit.ts';
import { ApiError } from '../../../api/errors.ts';
import type { ApiResponse } from '../../../api/exchange.ts';
import type { JsonObject, JsonValue } from '../../../api/json.ts';
import { entriesOf, withEntries } from '../../../api/managed-fields/managed-fields.ts';
import { managerName } from '../../../api/managed-fields/manager-name.ts';
import { formatLabelMatcher, labelMatcherFrom, labelMatcherFromMap } from '../../../api/selectors/label-selector.ts';
import { formatTime } from '../../../api/time.ts';
import type { LabelSelector } from '../../../api/types/meta-v1.ts';
import { negotiateAccept } from '../../negotiation/negotiation.ts';
import { ageOf, shaped, type TablePrinter } from '../../output/table.ts';
import { appliedConfig, decoded, reportDuplicates } from '../apply.ts';
import { toServed } from '../conversion.ts';
import { metadataOf, requireUrlName, withMeta, withUrlName } from '../object-meta.ts';
import { parseWriteOptions } from '../options.ts';
import { patchedObject, patchOf, withPatchRetries } from '../patch.ts';
import { readObject } from '../read.ts';
import { endpointOf, methodNotAllowed } from '../resource-handler.ts';
import { type ServedResource, strategyOf } from '../resources.ts';
import type { SubresourceHandler, SubresourceRequest } from '../subresources.ts';
import { type UpdateRequest, updateObject } from '../update.ts';
import { toScaleEntries, toWorkloadEntries } from './scale-managers.ts';

const gvk = { group: 'autoscaling', version: 'v1', kind: 'Scale' } as const;
const scaleVersion = 'autoscaling/v1';

const printer: TablePrinter = {
  columns: ['Name', 'Desired', 'Available', 'Age'].map((name) => ({
    name,
    type: name === 'Desired' || name === 'Available' ? 'integer' : 'string',
    format: '',
    description: `${name} of the Scale.`,
    priority: 0,
  })),
  row: (scale, { nowMs }) => ({
    cells: [
      metadataOf(scale).name ?? '',
      getIn(scale, ['spec', 'replicas']) ?? 0,
      getIn(scale, ['status', 'replicas']) ?? 0,
      ageOf(scale, nowMs),
    ],
  }),
};

export const scaleHandler: SubresourceHandler = async (request) => {
  const { context, handler, served, namespace, name } = request;
  const { registry } = handler;
  const { stored } = served;
  if (!stored) throw new Error(`${served.schema.resource} has a scale but is not stored`);
  const negotiated = negotiateAccept(context.request, endpointOf(served));
  const { as } = negotiated;
  const answer = (scale: JsonObject): Promise<ApiResponse> =>
    handler.value(
      200,
      context,
      shaped(scale, { as, printer, query: context.query, nowMs: registry.clock.now() }),
      negotiated,
    );
  switch (context.request.method) {
    case 'GET': {
      const object = await readObject(registry, context, served, stored, namespace, name);
      return answer(scaleOf(await toServed(registry, registry.cache.valueOf(object), served, stored), served));
    }
    case 'PUT': {
      const options = parseWriteOptions(context.query, 'UpdateOptions');
      const type = scaleType(request);
      const scale = requireUrlName(await handler.decode(context, gvk, type, options.fieldValidation), name);
      return answer(await updateScale(request, options, 'UpdateOptions', () => scale));
    }
    case 'PATCH': {
      const patchType = handler.patchType(context, served);
      if (patchType === 'apply') return answer(await applyScale(request));
      const options = parseWriteOptions(context.query, 'PatchOptions');
      const patch = patchOf(context, patchType, options.fieldValidation);
      const updated = await withPatchRetries(patch.patch, () =>
        updateScale(request, options, 'PatchOptions', (current) =>
          requireUrlName(
            patchedObject(patchType, patch, current, scaleType(request), options.fieldValidation, context.warnings),
            name,
          ),
        ),
      );
      return answer(updated);
    }
    default:
      throw methodNotAllowed();
  }
};

function scaleType({ handler }: SubresourceRequest) {
  const type = handler.registry.schema.byGvk(gvk);
  if (!type) throw new Error('The schema has no Scale');
  return type;
}

/** An update that is tracked as one of the Scale. */
function updateScale(
  request: SubresourceRequest,
  options: UpdateRequest['options'],
  optionsKind: UpdateRequest['optionsKind'],
  wanted: (current: JsonObject) => JsonObject,
): Promise<JsonObject> {
  const { context, handler } = request;
  const { registry } = handler;
  return writeScale(request, options, optionsKind, (scale) =>
    registry.fieldManager.update({
      previous: scale,
      next: wanted(withMeta(scale, { managedFields: undefined })),
      type: scaleType(request),
      manager: managerName(options.fieldManager, context.request.headers['user-agent'] ?? ''),
      subresource: 'scale',
      apiVersion: scaleVersion,
      now: formatTime(registry.clock.now()),
    }),
  );
}

async function applyScale(request: SubresourceRequest): Promise<JsonObject> {
  const { context, handler, name } = request;
  const { registry } = handler;
  const options = parseWriteOptions(context.query, 'PatchOptions', true);
  const { config, duplicates } = await appliedConfig(context.request.body);
  const type = scaleType(request);
  return writeScale(request, options, 'PatchOptions', (live) => {
    const scale = registry.applier.apply({
      live,
      config,
      type,
      apiVersion: scaleVersion,
      kind: gvk.kind,
      manager: options.fieldManager,
      subresource: 'scale',
      force: options.force ?? false,
      now: formatTime(registry.clock.now()),
      ignored: [],
      decode: (tree) => decoded(tree, config, type, 'autoscaling/v1, Kind=Scale'),
      applyDefaults: (object) => registry.kinds.applyDefaults(object, gvk),
      typeOf: () => undefined,
      convert: (object) => object,
    });
    reportDuplicates(duplicates, options, context.warnings);
    return withUrlName(scale, name);
  });
}

/** @param wanted the Scale as it is to be, with its managedFields, from the present one with its. */
async function writeScale(
  { context, handler, served, namespace, name }: SubresourceRequest,
  options: UpdateRequest['options'],
  optionsKind: UpdateRequest['optionsKind'],
  wanted: (current: JsonObject) => JsonObject,
): Promise<JsonObject> {
  const { registry } = handler;
  const stored = served.stored!;
  const isServed = (apiVersion: string): boolean =>
    registry.table.served.some((other) => other.stored === stored && other.apiVersion === apiVersion);
  const { written } = await updateObject(registry, context, {
    served,
    stored,
    namespace,
    name,
    subresource: 'scale',
    options,
    optionsKind,
    strategy: strategyOf(served, stored),
    settlesManagers: true,
    next: (current) => {
      if (current === undefined) throw ApiError.notFound(served.qualified, name);
      const entries = entriesOf(current);
      const managedFields = toScaleEntries(entries, isServed) as unknown as readonly JsonObject[];
      const scale = wanted(withMeta(scaleOf(current, served), { managedFields }));
      const next = toWorkloadEntries(entries, entriesOf(scale), served.apiVersion, isServed);
      return withEntries(scaled(current, scale, served), next);
    },
  });
  const value = written.kind === 'stored' ? registry.cache.valueOf(written.object) : written.value;
  return scaleOf(await toServed(registry, value, served, stored), served);
}

/** @throws ApiError 422 about the Scale. */
function scaled(object: JsonObject, scale: JsonObject, served: ServedResource): JsonObject {
  const replicas = Number((scale.spec as JsonObject | undefined)?.replicas ?? 0);
  const { name = '', resourceVersion, uid } = metadataOf(scale);
  if (replicas < 0)
    throw ApiError.invalid({ group: 'autoscaling', kind: 'Scale' }, name, [
      {
        type: 'FieldValueInvalid',
        field: 'spec.replicas',
        message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
      },
    ]);
  const path = served.schema.custom?.scale?.specReplicasPath.replace(/^\./, '').split('.') ?? ['spec', 'replicas'];
  const next = setIn(object, path, replicas);
  return withMeta(next, {
    resourceVersion: resourceVersion ?? '',
    ...(uid === undefined || uid === '' ? {} : { uid }),
  });
}

/** @throws ApiError 404 when a custom object has no number of replicas. */
export function scaleOf(object: JsonObject, served: ServedResource): JsonObject {
  const counts = served.schema.custom?.scale ? customCounts(object, served) : builtinCounts(object);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadataOf(object);
  const { replicas, selector } = counts;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: name ?? '',
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp ? { creationTimestamp } : {}),
    },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: counts.statusReplicas, ...(selector === '' ? {} : { selector }) },
  };
}

interface Counts {
  readonly replicas: number;
  readonly statusReplicas: number;
  readonly selector: string;
}

function builtinCounts(object: JsonObject): Counts {
  const spec = (object.spec ?? {}) as JsonObject;
  const status = (object.status ?? {}) as JsonObject;
  return {
    replicas: Number(spec.replicas ?? 0),
    statusReplicas: Number(status.replicas ?? 0),
    selector: selectorText(spec.selector as JsonObject | undefined, object.kind === 'ReplicationController'),
  };
}

/** By the paths of the definition. Source: registry/customresource/etcd.go (scaleFromCustomResource). */
function customCounts(object: JsonObject, served: ServedResource): Counts {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = served.schema.custom!.scale!;
  const at = (path: string): JsonValue | undefined => getIn(object, path.replace(/^\./, '').split('.'));
  const replicas = at(specReplicasPath);
  if (replicas === undefined)
    throw ApiError.internal(new Error(`the spec replicas field ${JSON.stringify(specReplicasPath)} does not exist`));
  const selector = labelSelectorPath === undefined ? undefined : at(labelSelectorPath);
  return {
    replicas: Number(replicas),
    statusReplicas: Number(at(statusReplicasPath) ?? 0),
    selector: typeof selector === 'string' ? selector : '',
  };
}

function selectorText(selector: JsonObject | undefined, isMap: boolean): string {
  if (selector === undefined) return '';
  return formatLabelMatcher(
    isMap
      ? labelMatcherFromMap(selector as Readonly<Record<string, string>>)
      : labelMatcherFrom(selector as unknown as LabelSelector),
  );
}

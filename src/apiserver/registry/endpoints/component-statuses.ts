/**
 * `componentstatuses` (deprecated): asks the control plane's parts how they are, each time somebody looks. Nothing is stored.
 * Source: registry/core/componentstatus, printers of the kind.
 */
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import { matchFields, parseFieldSelector } from '../../../api/selectors/field-selector.ts';
import { matchLabels, SelectorError } from '../../../api/selectors/label-selector.ts';
import { parseLabelSelector } from '../../../api/selectors/parse-label-selector.ts';
import { negotiateAccept, requireShape } from '../../negotiation/negotiation.ts';
import {
  defaultPrinter,
  includeObject,
  partialMetadata,
  type Shape,
  shaped,
  type TablePrinter,
  tableOf,
} from '../../output/table.ts';
import { methodNotAllowed } from '../resource-handler.ts';
import type { SubresourceHandler } from '../subresources.ts';

/** One part of the control plane. */
export interface ComponentCheck {
  /** `scheduler`, `controller-manager`, `etcd-0` */
  readonly name: string;
  /** @returns why it is not well; undefined when it is */
  check(): string | undefined | Promise<string | undefined>;
}

const description = (what: string) => `${what} of the component conditions`;

const printer: TablePrinter = {
  columns: [
    defaultPrinter.columns[0]!,
    ...['Status', 'Message', 'Error'].map((name) => ({
      name,
      type: 'string',
      format: '',
      description: description(name),
      priority: 0,
    })),
  ],
  row: (object) => {
    const [condition] = object.conditions as readonly JsonObject[];
    const { status, message = '', error = '' } = condition!;
    return {
      cells: [(object.metadata as JsonObject).name!, status === 'True' ? 'Healthy' : 'Unhealthy', message, error],
    };
  },
};

export function componentStatusHandler(components: readonly ComponentCheck[]): SubresourceHandler {
  return async ({ context, handler, name }) => {
    const { method } = context.request;
    if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed();
    const list = name === '';
    const negotiated = negotiateAccept(context.request, { protobuf: true, collection: list, watch: false });
    requireShape(negotiated.as, list, `*core.ComponentStatus${list ? 'List' : ''}`);
    const shape = { as: negotiated.as, printer, query: context.query, nowMs: handler.registry.clock.now() };
    let value: JsonObject;
    if (list) value = shapedList(await selected(components, context.query), shape);
    else {
      const component = components.find((each) => each.name === name);
      if (!component) throw ApiError.notFound({ group: '', resource: 'componentstatus' }, name);
      value = shaped(await statusOf(component), shape);
    }
    return handler.value(200, context, value, negotiated);
  };
}

function shapedList(objects: readonly JsonObject[], { as, query, ...how }: Shape): JsonObject {
  const metadata = {};
  if (as === undefined) {
    const items = objects.map(({ kind: _kind, apiVersion: _apiVersion, ...item }) => item);
    return { kind: 'ComponentStatusList', apiVersion: 'v1', metadata, items };
  }
  const { version } = as;
  if (as.kind === 'Table') return tableOf({ ...how, version, objects, metadata, include: includeObject(query) });
  const items = objects.map((object) => partialMetadata(object, version));
  return { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${version}`, metadata, items };
}

/** Labels they have none, and fields only their name. @throws ApiError 400 */
function selected(components: readonly ComponentCheck[], query: URLSearchParams): Promise<readonly JsonObject[]> {
  try {
    const labels = parseLabelSelector(query.get('labelSelector') ?? '');
    const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
    const wanted = components.filter(
      ({ name }) =>
        matchLabels(labels, undefined) && matchFields(fields, (field) => (field === 'metadata.name' ? name : '')),
    );
    return Promise.all(wanted.map(statusOf));
  } catch (error) {
    if (error instanceof SelectorError) throw ApiError.badRequest(error.message);
    throw error;
  }
}

async function statusOf({ name, check }: ComponentCheck): Promise<JsonObject> {
  const failure = await check();
  return {
    kind: 'ComponentStatus',
    apiVersion: 'v1',
    metadata: { name },
    conditions: [
      failure === undefined
        ? { type: 'Healthy', status: 'True', message: 'ok' }
        : { type: 'Healthy', status: 'False', message: failure },
    ],
  };
}

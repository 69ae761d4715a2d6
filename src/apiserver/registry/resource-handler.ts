/**
 * Requests about resources: finds the resource, the verb's operation and the form of the answer. Authentication and authorization have happened.
 * Source: k8s.io/apiserver/pkg/endpoints/installer.go, handlers/.
 */

import { decodeBody } from '../../api/codec/index.ts';
import { ApiError } from '../../api/errors.ts';
import type { ApiResponse } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import { type PatchType, patchTypes } from '../../api/patch/patch.ts';
import type { StructType } from '../../api/schema/model.ts';
import { versionWarnings } from '../../api/warnings/index.ts';
import { requestedProtocol } from '../../serve/upgrade/tunnel.ts';
import { watchOverWebSocket } from '../../serve/websocket/stream-out.ts';
import type { AuthorizationDecision } from '../authorization/authorizer.ts';
import {
  type Negotiated,
  negotiateAccept,
  negotiateBody,
  negotiatePatch,
  requireShape,
} from '../negotiation/negotiation.ts';
import { encoderFor } from '../output/encoders.ts';
import type { FormFactory } from '../output/form-factory.ts';
import { isTrue } from '../request-info.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { appliedConfig, appliedObject, untilSettled } from './apply.ts';
import type { RequestContext } from './context.ts';
import { toServed } from './conversion.ts';
import { createObject, type Written } from './create.ts';
import { type Deleted, deleteObject } from './delete.ts';
import { deleteCollection } from './delete-collection.ts';
import { inNamespace, metadataOf, requireUrlName, withMeta, withUrlName } from './object-meta.ts';
import {
  checkListOptions,
  type DeleteRequest,
  parseDeleteOptions,
  parseListOptions,
  parseWriteOptions,
} from './options.ts';
import { patchedObject, patchOf, withPatchRetries } from './patch.ts';
import { caughtUp, type ListScope, listObjects, readObject } from './read.ts';
import type { Registry } from './registry.ts';
import { type ServedResource, type StoredResource, strategyOf } from './resources.ts';
import { headersFor, notFoundPage, objectResponse, valueEncodable, warningHeader } from './respond.ts';
import { parseSelectors } from './selection.ts';
import type { SubresourceHandlers } from './subresources.ts';
import { methodNotAllowed, unknownResource } from './unrouted.ts';
import { type Updated, updateObject } from './update.ts';
import { openWatch, type WatchLimits } from './watch.ts';

export interface ResourceHandlerOptions {
  readonly registry: Registry;
  readonly forms: FormFactory;
  readonly watchLimits: WatchLimits;
  readonly subresources: SubresourceHandlers;
  /** For what a request needs beyond its own verb: a create by update. */
  readonly authorize: (context: RequestContext, verb: string) => AuthorizationDecision | Promise<AuthorizationDecision>;
  readonly protobufEncoder: () => Promise<(value: JsonObject) => Uint8Array>;
  /** For a resource that is not there: resolves when it was looked at again; undefined when nothing is on its way. */
  readonly settled?: (group: string, resource: string) => Promise<void> | undefined;
}

/** Where a request points: a collection, an object, or a subresource of one. */
export interface Target {
  readonly served: ServedResource;
  readonly stored: StoredResource;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

/** Custom kinds have no routes that a method could be missing on: their handler does not know the verb. */
function notSupported({ info }: RequestContext, { schema, qualified }: ServedResource): ApiError {
  if (!schema.custom) return methodNotAllowed();
  const { group, resource } = qualified;
  return new ApiError({
    code: 405,
    reason: 'MethodNotAllowed',
    message: `${info.verb} is not supported on resources of kind "${resource}.${group}"`,
    details: { group, kind: resource },
  });
}

/** Where upstream makes the schemes of the groups that its other parts serve: its messages name the place. */
const schemes: Readonly<Record<string, string>> = {
  'apiextensions.k8s.io': 'pkg/apiserver/apiserver.go:55',
  'apiregistration.k8s.io': 'pkg/apiserver/scheme/scheme.go:28',
};

export class ResourceHandler {
  readonly #options: ResourceHandlerOptions;

  constructor(options: ResourceHandlerOptions) {
    this.#options = options;
  }

  /** @throws ApiError for every expected failure. */
  async handle(context: RequestContext): Promise<ApiResponse> {
    const { registry, subresources } = this.#options;
    const { info, request } = context;
    const { table } = registry;
    const [resource = '', name = '', subresource = '', ...rest] = info.parts;
    const known = table.find(info.apiGroup, info.apiVersion, resource);
    if (known === undefined) await this.#options.settled?.(info.apiGroup, resource);
    const served = known ?? table.find(info.apiGroup, info.apiVersion, resource);
    if (served === undefined) {
      if (!table.hasBuiltInGroup(info.apiGroup)) return notFoundPage();
      throw unknownResource();
    }
    const { namespaced } = served.schema;
    const method = request.method;
    const { custom } = served.schema;
    if (custom) {
      // Upstream's router knows nothing of custom kinds: their handler passes on what it does not take, and says no in its own words.
      const everywhere = info.verb === 'list' || info.verb === 'watch';
      if (namespaced ? info.namespace === '' && !everywhere : info.namespace !== '') return notFoundPage();
    }
    const outdated = versionWarnings[`${info.apiGroup}/${info.apiVersion}/${resource}`];
    if (outdated !== undefined) {
      context.warnings.push(outdated);
      context.audit?.annotate('k8s.io/deprecated', 'true');
    }
    if (served.schema.custom?.warning !== undefined) context.warnings.push(served.schema.custom.warning);
    // The path of a namespaced collection without its namespace is only read.
    if (
      !namespaced &&
      info.namespace !== '' &&
      (resource !== 'namespaces' || /\/namespaces\/[^/]*\/namespaces\b/.test(info.path))
    )
      throw unknownResource();
    if (namespaced && info.namespace === '') {
      if (name !== '') throw unknownResource();
      if (method !== 'GET' && method !== 'HEAD' && served.stored) throw methodNotAllowed();
    }
    const namespace = namespaced ? info.namespace : '';
    if (subresource !== '') {
      if (!Object.hasOwn(served.schema.subresources, subresource))
        throw custom ? ApiError.notFound(served.qualified, name) : unknownResource();
      const special = subresources.find(served, subresource);
      if (special) return special({ context, served, namespace, name, subresource, rest, handler: this });
      if (rest.length > 0 && !custom) throw unknownResource();
    }
    const { stored } = served;
    if (stored === undefined) {
      const virtual = subresources.virtual(served);
      if (!virtual) throw unknownResource();
      return virtual({ context, served, namespace, name, subresource, rest, handler: this });
    }
    const target: Target = { served, stored, namespace, name, subresource };
    if (subresource !== '') return this.#object(context, target, served.schema.subresources[subresource]!.verbs);
    if (name === '') return this.#collection(context, target);
    return this.#object(context, target, served.schema.verbs);
  }

  #collection(context: RequestContext, target: Target): Promise<ApiResponse> {
    const { method } = context.request;
    const { verbs, custom } = target.served.schema;
    if (method === 'GET' || (method === 'HEAD' && custom)) return this.#list(context, target);
    if (custom && (method === 'PUT' || method === 'PATCH')) throw ApiError.badRequest('name must be provided');
    if (method === 'POST' && verbs.includes('create')) return this.#create(context, target);
    if (method === 'DELETE' && verbs.includes('deletecollection')) return this.#deleteCollection(context, target);
    throw notSupported(context, target.served);
  }

  #object(context: RequestContext, target: Target, verbs: readonly string[]): Promise<ApiResponse> {
    const { method } = context.request;
    switch (method) {
      case 'GET':
      case 'HEAD':
        if (!verbs.includes('get') || (method === 'HEAD' && !target.served.schema.custom)) throw methodNotAllowed();
        // A watch on the deprecated path /api/v1/watch/.../NAME.
        return context.info.verb === 'watch' ? this.#list(context, target) : this.#get(context, target);
      case 'PUT':
        if (!verbs.includes('update')) throw methodNotAllowed();
        return this.#update(context, target);
      case 'PATCH':
        if (!verbs.includes('patch')) throw methodNotAllowed();
        return this.#patch(context, target);
      case 'DELETE':
        if (!verbs.includes('delete')) throw notSupported(context, target.served);
        return this.#delete(context, target);
      case 'POST':
        // Where a custom object is made says only its namespace.
        if (target.served.schema.custom && target.subresource === '') return this.#create(context, target);
        throw notSupported(context, target.served);
      default:
        throw notSupported(context, target.served);
    }
  }

  async #get(context: RequestContext, { served, stored, namespace, name }: Target): Promise<ApiResponse> {
    const { registry } = this.#options;
    const negotiated = negotiateAccept(context.request, endpointOf(served));
    const form = this.#options.forms.form(served, stored, negotiated, context.query);
    const object = await readObject(registry, context, served, stored, namespace, name);
    // Upstream takes every custom object for a list before it looks.
    if (served.schema.custom && negotiated.as?.kind === 'PartialObjectMetadataList')
      throw new ApiError({ code: 500, message: 'content is not a list' });
    requireShape(negotiated.as, false, goType(served));
    if (stored.custom?.converts) await this.#options.forms.prepare([object], served, stored);
    return objectResponse(
      200,
      (form instanceof Promise ? await form : form).encodable(object),
      negotiated.contentType,
      context.warnings,
    );
  }

  async #list(context: RequestContext, target: Target): Promise<ApiResponse> {
    const { registry, watchLimits } = this.#options;
    const { served, stored, namespace, name } = target;
    const watch = context.info.verb === 'watch' || isTrue(context.query.get('watch'));
    const negotiated = negotiateAccept(context.request, { ...endpointOf(served), collection: true, watch });
    if (!watch) requireShape(negotiated.as, true, `${goType(served)}List`);
    const options = { ...parseListOptions(context.query), watch };
    const selectors = parseSelectors(
      options.labelSelector,
      nameTerm(options.fieldSelector, name),
      stored.fields,
      served.schema,
      stored.isPods,
      stored.custom?.converts ? this.#options.forms.fieldsOf(served, stored) : undefined,
      () => checkListOptions(options),
    );
    const made = this.#options.forms.form(served, stored, negotiated, context.query);
    const form = made instanceof Promise ? await made : made;
    const scope: ListScope = { stored, namespace, selectors };
    if (watch) {
      const prepare = stored.custom?.converts
        ? (objects: readonly CachedObject[]) => this.#options.forms.prepare(objects, served, stored)
        : undefined;
      const stream = await openWatch(registry, context, scope, options, form, watchLimits, prepare);
      if (requestedProtocol(context.request) === 'websocket') return watchOverWebSocket(context.request, stream);
      return { status: 200, headers: listHeaders(negotiated, context), body: { kind: 'watch', stream } };
    }
    if (stored.custom?.converts && options.fieldSelector !== '')
      await this.#prepareAll(context, served, stored, namespace);
    const { objects, meta } = await listObjects(registry, context, scope, options);
    if (stored.custom?.converts) await this.#options.forms.prepare(objects, served, stored);
    return { status: 200, headers: listHeaders(negotiated, context), body: form.list(objects, meta) };
  }

  /** Fields of a version that only a webhook makes can be selected by once it has. */
  async #prepareAll(
    context: RequestContext,
    served: ServedResource,
    stored: StoredResource,
    namespace: string,
  ): Promise<void> {
    const { registry, forms } = this.#options;
    await caughtUp(registry, context.signal);
    await forms.prepare(registry.rounds.cacheOf(stored).select({ namespace }), served, stored);
  }

  async #create(context: RequestContext, { served, stored, namespace }: Target): Promise<ApiResponse> {
    const { registry } = this.#options;
    const negotiated = negotiateAccept(context.request, endpointOf(served));
    const options = parseWriteOptions(context.query, 'CreateOptions');
    const object = await this.decode(context, served.gvk, served.schema.type, options.fieldValidation);
    const written = await createObject(registry, context, served, stored, namespace, object, options);
    return this.written(201, context, served, stored, written, negotiated);
  }

  async #update(context: RequestContext, target: Target): Promise<ApiResponse> {
    const { registry } = this.#options;
    const { served, name } = target;
    const negotiated = negotiateAccept(context.request, endpointOf(served));
    const options = parseWriteOptions(context.query, 'UpdateOptions');
    const decoded = await this.decode(context, served.gvk, served.schema.type, options.fieldValidation);
    const placed = inNamespace(decoded, target.namespace, target.stored.namespaced);
    const object = registry.kinds.applyDefaults(requireUrlName(placed, name), served.gvk);
    const updated = await updateObject(registry, context, {
      ...target,
      options,
      optionsKind: 'UpdateOptions',
      strategy: this.#strategy(target),
      authorizeCreate: () => this.#authorizeCreate(context),
      next: () => object,
    });
    return this.updated(context, target, updated, negotiated);
  }

  async #patch(context: RequestContext, target: Target): Promise<ApiResponse> {
    const { registry } = this.#options;
    const { served, name } = target;
    const type = this.patchType(context, served);
    if (type === 'apply') return this.#apply(context, target);
    const negotiated = negotiateAccept(context.request, endpointOf(served));
    const options = parseWriteOptions(context.query, 'PatchOptions');
    const patch = patchOf(context, type, options.fieldValidation);
    context.audit?.patched(patch.patch);
    const updated = await withPatchRetries(patch.patch, () =>
      updateObject(registry, context, {
        ...target,
        options,
        optionsKind: 'PatchOptions',
        strategy: this.#strategy(target),
        next: (current) => {
          if (current === undefined) throw ApiError.notFound(served.qualified, name);
          const { fieldValidation } = options;
          const next = patchedObject(type, patch, current, served.schema.type, fieldValidation, context.warnings);
          return registry.kinds.applyDefaults(requireUrlName(next, name), served.gvk);
        },
      }),
    );
    return this.updated(context, target, updated, negotiated);
  }

  async #apply(context: RequestContext, target: Target): Promise<ApiResponse> {
    const { registry } = this.#options;
    const { served, name } = target;
    const negotiated = negotiateAccept(context.request, endpointOf(served));
    const options = parseWriteOptions(context.query, 'PatchOptions', true);
    const applied = await appliedConfig(context.request.body);
    context.audit?.patched(applied.config);
    const updated = await untilSettled(() =>
      updateObject(registry, context, {
        ...target,
        options,
        optionsKind: 'PatchOptions',
        strategy: this.#strategy(target),
        settlesManagers: true,
        createsMissing: true,
        authorizeCreate: () => this.#authorizeCreate(context),
        next: (live) => withUrlName(appliedObject(registry, target, options, applied, live, context.warnings), name),
      }),
    );
    return this.updated(context, target, updated, negotiated);
  }

  /** @throws ApiError 415 */
  patchType(context: RequestContext, served: ServedResource): PatchType | 'apply' {
    const type = negotiatePatch(context.request.headers['content-type'], {
      strategic: served.schema.custom === undefined,
      apply: true,
    });
    if (type === 'application/apply-patch+yaml') return 'apply';
    const known = patchTypes[type];
    if (known === undefined) throw new Error(`Patch type ${type} was accepted but cannot be applied`);
    return known;
  }

  async #delete(context: RequestContext, { served, stored, namespace, name }: Target): Promise<ApiResponse> {
    const { registry } = this.#options;
    const negotiated = negotiateAccept(context.request, endpointOf(served));
    const options = await this.deleteOptions(context);
    const deleted = await deleteObject(registry, context, served, stored, namespace, name, options);
    // A cascading deletion that is not over yet is only accepted.
    const status = !deleted.gone && options.orphanDependents === false ? 202 : 200;
    if (!deleted.gone || returnsObject.has(`${stored.group}/${stored.resource}`))
      return this.written(status, context, served, stored, deleted.object, negotiated);
    return this.status(context, negotiated, deletionStatus(registry, served, name, deleted));
  }

  async #deleteCollection(context: RequestContext, target: Target): Promise<ApiResponse> {
    const { registry } = this.#options;
    const { served, stored, namespace } = target;
    const negotiated = negotiateAccept(context.request, endpointOf(served));
    const options = await this.deleteOptions(context);
    const list = { ...parseListOptions(context.query), watch: false };
    const selectors = parseSelectors(
      list.labelSelector,
      list.fieldSelector,
      stored.fields,
      served.schema,
      stored.isPods,
      stored.custom?.converts ? this.#options.forms.fieldsOf(served, stored) : undefined,
    );
    checkListOptions(list);
    if (stored.custom?.converts && list.fieldSelector !== '')
      await this.#prepareAll(context, served, stored, namespace);
    const made = this.#options.forms.form(served, stored, negotiated, context.query);
    const form = made instanceof Promise ? await made : made;
    if (stored.custom?.converts && list.fieldSelector !== '')
      await this.#prepareAll(context, served, stored, namespace);
    const { objects, meta } = await deleteCollection(
      registry,
      context,
      { stored, namespace, selectors },
      list,
      served,
      options,
    );
    if (stored.custom?.converts) await this.#options.forms.prepare(objects, served, stored);
    return { status: 200, headers: listHeaders(negotiated, context), body: form.list(objects, meta) };
  }

  async deleteOptions(context: RequestContext): Promise<DeleteRequest> {
    const { body } = context.request;
    if (body === undefined || ('bytes' in body && body.bytes.byteLength === 0))
      return parseDeleteOptions(context.query, undefined);
    const { schema } = this.#options.registry;
    const type = schema.type('meta.v1.DeleteOptions');
    if (!type) throw new Error('The schema has no DeleteOptions');
    const { object } = await decodeBody(body, {
      schema,
      expected: { group: 'meta.k8s.io', version: 'v1', kind: 'DeleteOptions' },
      type,
      fieldValidation: 'Ignore',
      mediaType: negotiateBody(context.request.headers['content-type']),
      bare: true,
      scheme: 'pkg/apis/meta/internalversion/scheme/register.go:27',
    });
    context.audit?.sent(object);
    return parseDeleteOptions(context.query, object);
  }

  /** The strategy of the endpoint: the kind's, or the subresource's. */
  #strategy({ served, stored, subresource }: Target) {
    const strategy = strategyOf(served, stored);
    return subresource === '' ? strategy : (strategy.subresources?.[subresource] ?? {});
  }

  async #authorizeCreate(context: RequestContext): Promise<void> {
    const decision = await this.#options.authorize(context, 'create');
    if (decision.kind === 'allow') return;
    const { info } = context;
    throw ApiError.forbidden({ group: info.apiGroup, resource: info.resource }, info.name, decision.reason);
  }

  /** The request's body as an object of the endpoint's kind. @throws ApiError 400, 415 */
  async decode(
    context: RequestContext,
    expected: { readonly group: string; readonly version: string; readonly kind: string },
    type: StructType,
    fieldValidation: 'Ignore' | 'Warn' | 'Strict',
    alsoVersions: readonly string[] = [],
  ): Promise<JsonObject> {
    const { body, headers } = context.request;
    const mediaType = negotiateBody(headers['content-type']);
    const decoded = decodeBody(body ?? { bytes: new Uint8Array() }, {
      schema: this.#options.registry.schema,
      expected,
      alsoVersions,
      type,
      fieldValidation,
      mediaType,
      ...(Object.hasOwn(schemes, expected.group) ? { scheme: schemes[expected.group]! } : {}),
    });
    const { object, warnings, asStored } = decoded instanceof Promise ? await decoded : decoded;
    for (const warning of warnings) context.warnings.push(warning);
    if (asStored) context.arranged = object;
    context.audit?.sent(this.#options.registry.kinds.applyDefaults(object, expected));
    return object;
  }

  updated(
    context: RequestContext,
    { served, stored }: Target,
    updated: Updated,
    negotiated: Negotiated,
  ): Promise<ApiResponse> {
    return this.written(updated.created ? 201 : 200, context, served, stored, updated.written, negotiated);
  }

  async written(
    status: number,
    context: RequestContext,
    served: ServedResource,
    stored: StoredResource,
    written: Written,
    negotiated: Negotiated,
  ): Promise<ApiResponse> {
    const { registry, forms } = this.#options;
    const made = forms.form(served, stored, negotiated, context.query);
    const form = made instanceof Promise ? await made : made;
    if (written.kind === 'stored' && stored.custom?.converts) await forms.prepare([written.object], served, stored);
    if (written.kind === 'stored')
      return objectResponse(status, form.encodable(written.object), negotiated.contentType, context.warnings);
    const value = await toServed(registry, written.value, served, stored);
    const object = form.encodableValue(value, await this.#encoder(negotiated));
    return objectResponse(status, object, negotiated.contentType, context.warnings);
  }

  /** A value that is no stored object: scales, reviews, statuses. */
  async value(
    status: number,
    context: RequestContext,
    value: JsonObject,
    negotiated: Negotiated,
  ): Promise<ApiResponse> {
    return objectResponse(
      status,
      valueEncodable(value, await this.#encoder(negotiated)),
      negotiated.contentType,
      context.warnings,
    );
  }

  status(context: RequestContext, negotiated: Negotiated, value: JsonObject): Promise<ApiResponse> {
    return this.value(200, context, value, negotiated);
  }

  #encoder({ mediaType, pretty }: Negotiated) {
    return encoderFor(mediaType, pretty, this.#options.protobufEncoder);
  }

  get registry(): Registry {
    return this.#options.registry;
  }
  warnings(context: RequestContext) {
    return warningHeader(context.warnings);
  }
}

const listHeaders = ({ contentType }: Negotiated, { warnings }: RequestContext) =>
  warnings.length === 0 ? headersFor(contentType) : { ...headersFor(contentType), ...warningHeader(warnings) };

export const endpoint = { protobuf: true, collection: false, watch: false } as const;
const customEndpoint = { protobuf: true, custom: true, collection: false, watch: false } as const;

/** Custom kinds do not travel as protobuf. */
export const endpointOf = (served: ServedResource) => (served.schema.custom ? customEndpoint : endpoint);
/** Upstream's internal packages are called by the first word of the group; both kinds of events are core's. */
const goType = ({ gvk: { group, kind }, schema }: ServedResource): string =>
  schema.custom
    ? '*unstructured.Unstructured'
    : `*${group === '' || group === 'events.k8s.io' ? 'core' : group.split('.')[0]}.${kind}`;

/** The name of a deprecated watch path is one more field term. */
function nameTerm(fieldSelector: string, name: string): string {
  if (name === '') return fieldSelector;
  return fieldSelector === '' ? `metadata.name=${name}` : `${fieldSelector},metadata.name=${name}`;
}

/** Kinds whose deletion answers with the object itself. Source: ReturnDeletedObject. */
const returnsObject: ReadonlySet<string> = new Set([
  '/pods',
  '/services',
  '/serviceaccounts',
  '/persistentvolumes',
  '/persistentvolumeclaims',
  '/resourcequotas',
  '/podtemplates',
  'storage.k8s.io/csidrivers',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/storageclasses',
  'storage.k8s.io/volumeattachments',
  'resource.k8s.io/deviceclasses',
  'resource.k8s.io/resourceclaims',
  'resource.k8s.io/resourceclaimtemplates',
  'resource.k8s.io/resourceslices',
]);

function deletionStatus(registry: Registry, served: ServedResource, name: string, deleted: Deleted): JsonObject {
  const value = deleted.object.kind === 'stored' ? registry.cache.valueOf(deleted.object.object) : deleted.object.value;
  const { group, resource } = served.qualified;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name,
      ...(group === '' ? {} : { group }),
      kind: resource,
      uid: metadataOf(value).uid ?? '',
    },
  };
}

export { methodNotAllowed, withMeta };

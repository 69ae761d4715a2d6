/** Chooses and interns the form for a negotiated answer. */
import { decodeObject, encode } from '../../api/codec/index.ts';
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Clock } from '../../base/clock.ts';
import type { Negotiated } from '../negotiation/negotiation.ts';
import { toServed } from '../registry/conversion.ts';
import { metadataOf, withMeta } from '../registry/object-meta.ts';
import type { Registry } from '../registry/registry.ts';
import type { ServedResource, StoredResource } from '../registry/resources.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { type Encoder, encoderFor } from './encoders.ts';
import type { Form } from './forms.ts';
import { JsonForm } from './json-form.ts';
import { defaultPrinter, type IncludeObject, type PrinterFor, partialMetadata, tableOf } from './table.ts';
import { type Framer, ValueForm, type ValueShape } from './value-form.ts';
import { jsonFrame } from './value-frame.ts';

export interface ProtobufSupport {
  /** Whole objects behind their envelope. */
  encoder(): Promise<Encoder>;
  /** Length-prefixed watch events. */
  framer(): Promise<Framer>;
}

export interface FormFactoryOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly printerFor: PrinterFor;
  readonly protobuf: ProtobufSupport;
}

export class FormFactory {
  readonly #options: FormFactoryOptions;
  readonly #forms = new Map<string, Form>();
  readonly #jsonForms = new Map<ServedResource, Form>();

  constructor(options: FormFactoryOptions) {
    this.#options = options;
  }

  /**
   * Synchronous for whole JSON objects, the usual case. @param query for `includeObject`.
   * @throws ApiError 400 for a bad includeObject.
   */
  form(
    served: ServedResource,
    stored: StoredResource,
    negotiated: Negotiated,
    query: URLSearchParams,
  ): Form | Promise<Form> {
    const { mediaType, as, pretty } = negotiated;
    if (mediaType === 'application/json' && as === undefined && !pretty && sameShape(served, stored))
      return this.#json(served, stored);
    const include = as?.kind === 'Table' ? includeObject(query) : 'Metadata';
    const key = [served.apiVersion, served.schema.resource, mediaType, as?.kind, as?.version, include, pretty].join(
      '|',
    );
    const found = this.#forms.get(key);
    if (found) return found;
    return this.#make(served, stored, negotiated, include).then((form) => {
      const raced = this.#forms.get(key);
      if (raced) return raced;
      this.#forms.set(key, form);
      return form;
    });
  }

  #json(served: ServedResource, stored: StoredResource): Form {
    let form = this.#jsonForms.get(served);
    if (form === undefined) {
      form = new JsonForm({
        kind: served.gvk.kind,
        apiVersion: served.apiVersion,
        builtin: true,
        valueOf: (object) => this.#options.registry.cache.valueOf(object),
        empty: emptyObject(served),
      });
      this.#jsonForms.set(served, form);
      void stored;
    }
    return form;
  }

  async #make(
    served: ServedResource,
    stored: StoredResource,
    { mediaType, as, pretty }: Negotiated,
    include: IncludeObject,
  ): Promise<Form> {
    const { protobuf } = this.#options;
    const encoder = await encoderFor(mediaType, pretty, () => protobuf.encoder());
    const framer = mediaType === 'application/vnd.kubernetes.protobuf' ? await protobuf.framer() : jsonFrame;
    const full = this.#fullShape(served, stored);
    if (as === undefined) return new ValueForm(full, encoder, framer);
    if (as.kind === 'Table') return new ValueForm(this.#tableShape(full, served, as.version, include), encoder, framer);
    return new ValueForm(metadataShape(full, as.version), encoder, framer);
  }

  #fullShape(served: ServedResource, stored: StoredResource): ValueShape {
    const { registry } = this.#options;
    const one = (object: CachedObject, revision: number): JsonObject => {
      const value = toServed(registry, registry.cache.valueOf(object), served, stored);
      return object.revision === revision ? value : withMeta(value, { resourceVersion: String(revision) });
    };
    return {
      one,
      oneValue: (value) => value,
      list: (objects, metadata) => ({
        kind: `${served.gvk.kind}List`,
        apiVersion: served.apiVersion,
        metadata,
        items: objects.map((object) => {
          const { kind: _kind, apiVersion: _apiVersion, ...item } = one(object, object.revision);
          return item;
        }),
      }),
      bookmark: (revision, initialEventsEnd) => withMeta(emptyObject(served), bookmarkMeta(revision, initialEventsEnd)),
    };
  }

  #tableShape(full: ValueShape, served: ServedResource, version: 'v1' | 'v1beta1', include: IncludeObject): ValueShape {
    const printer = this.#options.printerFor(served.schema) ?? defaultPrinter;
    const { clock } = this.#options;
    const table = (objects: readonly JsonObject[], metadata: JsonObject): JsonObject =>
      tableOf({ version, printer, objects, metadata, include, nowMs: clock.now() });
    const ofOne = (object: JsonObject): JsonObject =>
      table([object], { resourceVersion: metadataOf(object).resourceVersion ?? '' });
    return {
      one: (object, revision) => ofOne(full.one(object, revision)),
      oneValue: ofOne,
      list: (objects, metadata) =>
        table(
          objects.map((o) => full.one(o, o.revision)),
          metadata,
        ),
      bookmark: (revision, initialEventsEnd) => {
        const object = full.bookmark(revision, initialEventsEnd);
        return { ...ofOne(object), columnDefinitions: null };
      },
      streamed: (object, revision) => ({ ...ofOne(full.one(object, revision)), columnDefinitions: null }),
      first: (streamed) => ({ ...streamed, columnDefinitions: printer.columns as unknown as JsonObject[] }),
    };
  }
}

const sameShape = (served: ServedResource, stored: StoredResource): boolean =>
  served.apiVersion === stored.apiVersion || served.schema.type === stored.type;

function metadataShape(full: ValueShape, version: 'v1' | 'v1beta1'): ValueShape {
  return {
    one: (object, revision) => partialMetadata(full.one(object, revision), version),
    oneValue: (value) => partialMetadata(value, version),
    list: (objects, metadata) => ({
      kind: 'PartialObjectMetadataList',
      apiVersion: `meta.k8s.io/${version}`,
      metadata,
      items: objects.map((object) => partialMetadata(full.one(object, object.revision), version)),
    }),
    bookmark: (revision, initialEventsEnd) => partialMetadata(full.bookmark(revision, initialEventsEnd), version),
  };
}

const bookmarkMeta = (revision: number, initialEventsEnd: boolean) => ({
  resourceVersion: String(revision),
  ...(initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
});

function includeObject(query: URLSearchParams): IncludeObject {
  const given = query.get('includeObject') ?? '';
  if (given === '') return 'Metadata';
  if (given === 'None' || given === 'Metadata' || given === 'Object') return given;
  throw ApiError.badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(given)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

/** What upstream's zero value of the kind looks like: fields that are always written are there. */
export function emptyObject(served: ServedResource): JsonObject {
  const { object } = decodeObject(
    { value: { kind: served.gvk.kind, apiVersion: served.apiVersion, metadata: {} } },
    served.schema.type,
    { fieldValidation: 'Ignore' },
  );
  return object;
}

/** Bytes of a Status or another small object that no form covers. */
export const encodeJson = (value: JsonObject): Uint8Array => encode(value);

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
import {
  defaultPrinter,
  type IncludeObject,
  includeObject,
  type PrinterFor,
  partialMetadata,
  tableOf,
} from './table.ts';
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
  readonly #forms = new WeakMap<ServedResource, Map<string, Form>>();
  readonly #jsonForms = new WeakMap<ServedResource, Form>();
  readonly #converted = new WeakMap<CachedObject, Map<string, JsonObject>>();

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
    const key = `${mediaType}|${as?.kind}|${as?.version}|${include}|${pretty}`;
    let forms = this.#forms.get(served);
    if (forms === undefined) {
      forms = new Map();
      this.#forms.set(served, forms);
    }
    const found = forms.get(key);
    if (found) return found;
    const mine = forms;
    return this.#make(served, stored, negotiated, include).then((form) => {
      const raced = mine.get(key);
      if (raced) return raced;
      mine.set(key, form);
      return form;
    });
  }

  #json(served: ServedResource, stored: StoredResource): Form {
    let form = this.#jsonForms.get(served);
    if (form === undefined) {
      form = new JsonForm({
        kind: served.gvk.kind,
        apiVersion: served.apiVersion,
        builtin: served.schema.custom === undefined,
        ...(served.schema.custom ? { listKind: served.schema.custom.listKind } : {}),
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
    if (as === undefined && mediaType === 'application/vnd.kubernetes.protobuf' && !served.schema.custom) {
      const { ProtobufForm } = await import('./protobuf-form.ts');
      // Its messages are kept: nobody needs the value again for them.
      const once = this.#fullShape(served, stored, false);
      return new ProtobufForm(once, encoder, framer, served.gvk, this.#options.registry.schema);
    }
    const full = this.#fullShape(served, stored, true);
    if (as === undefined) return new ValueForm(full, encoder, framer);
    if (as.kind === 'Table') return new ValueForm(this.#tableShape(full, served, as.version, include), encoder, framer);
    return new ValueForm(metadataShape(full, as.version), encoder, framer);
  }

  /** The object in the served version; one that a webhook converts was prepared before. */
  #served(object: CachedObject, served: ServedResource, stored: StoredResource, keep: boolean): JsonObject {
    const { registry } = this.#options;
    const prepared = stored.custom?.converts ? this.#converted.get(object)?.get(served.apiVersion) : undefined;
    if (prepared !== undefined) return prepared;
    const { cache } = registry;
    const value = toServed(registry, keep ? cache.valueOf(object) : cache.valueOnce(object), served, stored);
    if (value instanceof Promise)
      throw new Error(`${served.apiVersion} ${served.gvk.kind} ${object.key} was not converted`);
    return value;
  }

  /** Brings objects into the served version where that takes a webhook's answer. @throws ApiError 500 */
  async prepare(objects: readonly CachedObject[], served: ServedResource, stored: StoredResource): Promise<void> {
    if (!stored.custom?.converts) return;
    const { apiVersion } = served;
    const { cache } = this.#options.registry;
    const missing = objects.filter(
      (object) =>
        cache.valueOf(object).apiVersion !== apiVersion && this.#converted.get(object)?.get(apiVersion) === undefined,
    );
    if (missing.length === 0) return;
    const values = await stored.custom.convert(
      missing.map((object) => cache.valueOf(object)),
      apiVersion,
    );
    for (const [i, object] of missing.entries()) {
      const known = this.#converted.get(object);
      if (known) known.set(apiVersion, values[i]!);
      else this.#converted.set(object, new Map([[apiVersion, values[i]!]]));
    }
  }

  /** Selectable fields as the served version has them; of an object that was not prepared, the stored one's. */
  fieldsOf(served: ServedResource, stored: StoredResource): (object: CachedObject) => readonly string[] {
    return (object) => {
      const value = this.#converted.get(object)?.get(served.apiVersion);
      return value === undefined ? object.fields : stored.fields.extract(value).fields;
    };
  }

  /** @param keep whether the parsed values should be at hand for the next who asks */
  #fullShape(served: ServedResource, stored: StoredResource, keep: boolean): ValueShape {
    const { registry } = this.#options;
    const one = (object: CachedObject, revision: number): JsonObject => {
      const value = this.#served(object, served, stored, keep);
      return object.revision === revision ? value : withMeta(value, { resourceVersion: String(revision) });
    };
    return {
      one,
      oneValue: (value) => value,
      list: (objects, metadata) => ({
        kind: served.schema.custom?.listKind ?? `${served.gvk.kind}List`,
        apiVersion: served.apiVersion,
        metadata: served.schema.custom ? { continue: '', ...metadata } : metadata,
        items: objects.map((object) => {
          if (served.schema.custom) return one(object, object.revision);
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
  (served.apiVersion === stored.apiVersion && !stored.custom?.converts) ||
  (!stored.custom && served.schema.type === stored.type);

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

/**
 * Custom resources: follows the definitions, keeps the registry's table, the schema and the watch cache in step with them, and says in their status how
 * far they got. Every API server does all of this; what is written is the same whoever is first.
 *
 *     definition seen -> names taken or not -> kind made, cache filled -> reachable -> Established is written
 *     definition deleted -> Terminating -> instances deleted -> finalizer taken off -> kind gone
 */
import { sameJson } from '../../api/edit.ts';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import type { LiveSchema, SchemaGroup } from '../../api/schema/live-schema.ts';
import type { ResourceSchema, StructType } from '../../api/schema/model.ts';
import { formatTime } from '../../api/time.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionStatus } from '../../api/types/apiextensions-v1.ts';
import type { Logger } from '../../base/log.ts';
import type { LiveTable } from '../registry/live-table.ts';
import { metadataOf, storedForm, withMeta } from '../registry/object-meta.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { Registry } from '../registry/registry.ts';
import type { Decision } from '../registry/rounds.ts';
import { type Ownership, statusOwned } from '../registry/server-managed.ts';
import { established, takenNames, withApproval, withCondition, withNames } from './conditions.ts';
import {
  asDefinition,
  cleanupFinalizer,
  compareVersions,
  definitionGroup,
  definitionResource,
  isServed,
  isTrue,
} from './definition.ts';
import { deleteInstances } from './instances.ts';
import { type CustomKind, discoveredVerbs, type KindOptions, kindSignature, makeKind, withDefinition } from './kind.ts';

export interface CustomResourcesOptions {
  readonly registry: Registry;
  readonly ownership: Ownership;
  readonly schema: LiveSchema;
  readonly table: LiveTable;
  readonly reader: ObjectReader;
  readonly log: Logger;
  /** What a kind is made with: rules, conversion. May load what it needs. */
  readonly kindOptions: (definition: CustomResourceDefinition) => Promise<Omit<KindOptions, 'objectMeta' | 'listMeta'>>;
}

interface Loaded {
  readonly signature: string;
  readonly kind: CustomKind;
}

const retryMs = 1_000;

/** As discovery shows it; the same value while nothing changes, so that documents made from it are kept. */
const discovered = (resource: ResourceSchema): ResourceSchema =>
  resource.custom!.terminating ? { ...resource, verbs: discoveredVerbs(true) } : resource;

export class CustomResources {
  readonly #options: CustomResourcesOptions;
  readonly #loaded = new Map<string, Loaded>();
  readonly #dirty = new Set<string>();
  /** Definitions whose instances are being deleted now. */
  readonly #finishing = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #wake: (() => void) | undefined;

  constructor(options: CustomResourcesOptions) {
    this.#options = options;
  }

  /** Makes the kinds there are, then follows the definitions until the signal aborts. @param onReady when requests reach what is there. */
  async run(signal: AbortSignal, onReady: () => void): Promise<void> {
    const { reader, registry, log } = this.#options;
    const stop = reader.onChange(definitionGroup, definitionResource, ({ object }) =>
      this.#changed(metadataOf(object).name!),
    );
    for (const object of this.#definitions()) this.#dirty.add(object.metadata.name!);
    let ready = false;
    try {
      while (!signal.aborted) {
        const names = [...this.#dirty];
        this.#dirty.clear();
        for (const name of names) {
          try {
            await this.#sync(name, signal);
          } catch (error) {
            if (signal.aborted) return;
            log.error('A definition of a custom resource cannot be served for now', { definition: name, error });
            this.#later(name, signal);
          }
        }
        for (const done of this.#waiting.splice(0)) done();
        if (!ready) onReady();
        ready = true;
        if (this.#dirty.size === 0) await this.#next(signal);
      }
    } finally {
      stop();
      for (const done of this.#waiting.splice(0)) done();
      await Promise.allSettled(this.#finishing.values());
      void registry;
    }
  }

  /** A resource that requests do not reach yet though its definition says so: resolves when it was looked at. */
  settled(group: string, resource: string): Promise<void> | undefined {
    const name = `${resource}.${group}`;
    const object = this.#options.reader.get(definitionGroup, definitionResource, '', name);
    if (object === undefined || !isServed(asDefinition(object)) || this.#loaded.has(name)) return undefined;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#dirty.add(name);
      this.#wake?.();
    });
  }

  #definitions(): readonly CustomResourceDefinition[] {
    return this.#options.reader.list(definitionGroup, definitionResource, '').map(asDefinition);
  }

  #changed(name: string): void {
    // A change of conditions alone shows at once: whoever saw it in a watch may ask for what it says.
    const loaded = this.#loaded.get(name);
    const object = this.#options.reader.get(definitionGroup, definitionResource, '', name);
    if (loaded && object && kindSignature(asDefinition(object)) === loaded.signature) {
      this.#loaded.set(name, { ...loaded, kind: withDefinition(loaded.kind, asDefinition(object)) });
      this.#publish();
    }
    this.#dirty.add(name);
    this.#wake?.();
  }

  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#wake = undefined;
        signal.removeEventListener('abort', go);
        resolve();
      };
      this.#wake = go;
      signal.addEventListener('abort', go, { once: true });
      if (signal.aborted) go();
    });
  }

  #later(name: string, signal: AbortSignal): void {
    const { clock } = this.#options.registry;
    clock.sleep(retryMs, signal).then(
      () => {
        this.#dirty.add(name);
        this.#wake?.();
      },
      () => undefined,
    );
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const object = this.#options.reader.get(definitionGroup, definitionResource, '', name);
    if (object === undefined) {
      this.#unload(name);
      // Names it held are free now.
      this.#reconsider(name);
      return;
    }
    const definition = asDefinition(object);
    const now = formatTime(this.#options.registry.clock.now());
    const named = withNames(definition, takenNames(this.#definitions(), definition.spec.group), now);
    const proposed: CustomResourceDefinition = {
      ...definition,
      status: withApproval({ ...definition, status: named }, now),
    };
    if (isServed(proposed)) await this.#load(proposed, signal);
    else this.#unload(name);
    const accepted = proposed.status?.conditions?.find(({ type }) => type === 'NamesAccepted')?.status === 'True';
    const next = accepted && !isTrue(proposed, 'Established') ? established(proposed, now) : proposed.status;
    if (next !== undefined && !sameJson(next, definition.status)) await this.#writeStatus(definition, next, signal);
    if (named !== definition.status && !sameJson(named.acceptedNames, definition.status?.acceptedNames))
      this.#reconsider(name);
    if (definition.metadata.deletionTimestamp && definition.metadata.finalizers?.includes(cleanupFinalizer))
      this.#finish(name, signal);
  }

  /** Others of the group whose names were taken may have them now. */
  #reconsider(name: string): void {
    const group = name.slice(name.indexOf('.') + 1);
    for (const { spec, metadata, status } of this.#definitions())
      if (spec.group === group && metadata.name !== name && !sameJson(spec.names, status?.acceptedNames))
        this.#dirty.add(metadata.name!);
  }

  async #load(definition: CustomResourceDefinition, signal: AbortSignal): Promise<void> {
    const { registry, kindOptions } = this.#options;
    const name = definition.metadata.name!;
    const signature = kindSignature(definition);
    const before = this.#loaded.get(name);
    if (before?.signature === signature) {
      this.#loaded.set(name, { signature, kind: withDefinition(before.kind, definition) });
      this.#publish();
      return;
    }
    const kind = makeKind(deepFreeze(definition), {
      ...(await kindOptions(definition)),
      ...this.#metaTypes(),
    });
    const { stored } = kind;
    await registry.cache.add(
      {
        prefix: stored.prefix,
        extract: (value) => stored.fields.extract(value),
        indexNodes: false,
        readStored: (value) => stored.custom!.readStored(value),
      },
      signal,
    );
    if (before && before.kind.stored.prefix !== stored.prefix) registry.cache.remove(before.kind.stored.prefix);
    this.#loaded.set(name, { signature, kind });
    this.#publish();
  }

  #unload(name: string): void {
    const loaded = this.#loaded.get(name);
    if (!loaded) return;
    this.#loaded.delete(name);
    this.#publish();
    this.#options.registry.cache.remove(loaded.kind.stored.prefix);
  }

  #metaTypes(): { readonly objectMeta: StructType; readonly listMeta: StructType } {
    const objectMeta = this.#options.schema.type('meta.v1.ObjectMeta');
    const listMeta = this.#options.schema.type('meta.v1.ListMeta');
    if (!objectMeta || !listMeta) throw new Error('The schema has no ObjectMeta or ListMeta');
    return { objectMeta, listMeta };
  }

  /** Shows the table and the schema what is loaded now. Discovery and OpenAPI tell of established kinds alone. */
  #publish(): void {
    const { table, schema } = this.#options;
    const kinds = [...this.#loaded.values()].map(({ kind }) => kind).sort((a, b) => (a.name < b.name ? -1 : 1));
    table.setCustom(kinds.flatMap(({ served }) => served));
    const shown = kinds.filter(({ definition }) => isTrue(definition, 'Established'));
    const resources = shown.flatMap(({ served }) => served.map(({ schema: one }) => discovered(one)));
    const versions = new Map<string, Set<string>>();
    for (const { group, version } of resources) {
      const known = versions.get(group);
      if (known) known.add(version);
      else versions.set(group, new Set([version]));
    }
    const groups = [...versions]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, names]): SchemaGroup => {
        const ordered = [...names].sort(compareVersions);
        return { name, preferred: ordered[0]!, versions: ordered };
      });
    schema.setCustom(
      groups,
      resources,
      kinds.flatMap(({ types }) => types),
    );
  }

  /** Compare and swap; a definition that changed meanwhile is looked at again by its own event. */
  async #writeStatus(
    definition: CustomResourceDefinition,
    status: CustomResourceDefinitionStatus,
    signal: AbortSignal,
  ): Promise<void> {
    const { resourceVersion } = definition.metadata;
    await this.#edit(definition.metadata.name!, signal, (object) =>
      metadataOf(object).resourceVersion === resourceVersion ? { ...object, status: status as JsonObject } : undefined,
    );
  }

  /** @param change returns the definition as it is to be, `undefined` to leave it. Without a finalizer a deleted one goes. */
  async #edit(
    name: string,
    signal: AbortSignal,
    change: (object: JsonObject) => JsonObject | undefined,
  ): Promise<void> {
    const { registry } = this.#options;
    const stored = registry.table.storedResource(definitionGroup, definitionResource);
    if (!stored) throw new Error('Definitions of custom resources are not stored');
    const decide = (current: Parameters<Parameters<typeof registry.rounds.update>[2]>[0]): Decision => {
      if (current === undefined) return { kind: 'keep' };
      const object = registry.cache.valueOf(current);
      const changed = change(object);
      if (changed === undefined) return { kind: 'keep' };
      const next = statusOwned(this.#options.ownership, stored, object, changed);
      const { deletionTimestamp, finalizers = [] } = metadataOf(next);
      if (deletionTimestamp && finalizers.length === 0) return { kind: 'delete' };
      return { kind: 'write', value: deepFreeze(storedForm(next, stored.gvk.kind, stored.apiVersion)) };
    };
    await registry.rounds.update(stored, name, decide, signal);
  }

  /** Deletes what is left of a kind, then lets its definition go. Runs beside everything else: objects with finalizers may take long. */
  #finish(name: string, signal: AbortSignal): void {
    if (this.#finishing.has(name)) return;
    const { log } = this.#options;
    const work = this.#deleteKind(name, signal)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        log.error('Cannot delete the objects of a custom resource for now', { definition: name, error });
        this.#later(name, signal);
      })
      .finally(() => this.#finishing.delete(name));
    this.#finishing.set(name, work);
  }

  async #deleteKind(name: string, signal: AbortSignal): Promise<void> {
    const { registry } = this.#options;
    const now = (): string => formatTime(registry.clock.now());
    const terminating = (status: 'True' | 'False', reason: string, message: string) => (object: JsonObject) => ({
      ...object,
      status: withCondition(
        (object.status ?? {}) as CustomResourceDefinitionStatus,
        { type: 'Terminating', status, reason, message },
        now(),
      ) as JsonObject,
    });
    await this.#edit(
      name,
      signal,
      terminating('True', 'InstanceDeletionInProgress', 'CustomResource deletion is in progress'),
    );
    const kind = this.#loaded.get(name)?.kind;
    let last = terminating('False', 'NeverEstablished', 'resource was never established');
    if (kind && isTrue(kind.definition, 'Established')) {
      await deleteInstances(registry, kind, signal);
      last = terminating('False', 'InstanceDeletionCompleted', 'removed all instances');
    }
    await this.#edit(name, signal, (object) => {
      const { finalizers = [] } = metadataOf(object);
      const left = finalizers.filter((finalizer) => finalizer !== cleanupFinalizer);
      return withMeta(last(object), { finalizers: left.length === 0 ? undefined : left });
    });
  }
}

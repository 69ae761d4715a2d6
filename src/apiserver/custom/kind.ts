/** One definition as resources of the registry: a stored one, and a served one for each version. */
import { createHash } from 'node:crypto';
import { coerceStored } from '../../api/codec/custom.ts';
import { sameJson } from '../../api/edit.ts';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import type { GroupVersionKind, ResourceSchema, StructType, SubresourceSchema } from '../../api/schema/model.ts';
import { applySchemaDefaults } from '../../api/structural/defaults.ts';
import { customListType, customStructType } from '../../api/structural/struct-type.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
} from '../../api/types/apiextensions-v1.ts';
import { fieldLabels } from '../registry/field-labels.ts';
import { customPrefix } from '../registry/keys.ts';
import type { CustomStorage, ServedResource, StoredResource } from '../registry/resources.ts';
import { compareVersions, isTrue, storageVersionOf } from './definition.ts';
import { customStrategy, type RuleValidator } from './strategy.ts';

export interface CustomKind {
  readonly name: string;
  readonly definition: CustomResourceDefinition;
  readonly stored: StoredResource;
  /** One for each version, those that are not served included. */
  readonly versions: readonly ServedResource[];
  /** Those that requests reach. */
  readonly served: readonly ServedResource[];
  /** Structs of the objects and of their lists. */
  readonly types: readonly (readonly [GroupVersionKind, StructType])[];
}

export interface KindOptions {
  readonly objectMeta: StructType;
  readonly listMeta: StructType;
  /** Rules of a version's schema. */
  readonly rules: (type: StructType, version: CustomResourceDefinitionVersion) => RuleValidator | undefined;
  /** Brings objects from version to version by a webhook. Absent: its definition asks for none. */
  readonly webhook?: (objects: readonly JsonObject[], apiVersion: string) => Promise<readonly JsonObject[]>;
}

/** What of a definition makes its kind: while it stays the same, the kind does. */
export const kindSignature = ({ metadata, spec, status }: CustomResourceDefinition): string =>
  JSON.stringify([metadata.uid, spec, status?.acceptedNames ?? null]);

export function makeKind(definition: CustomResourceDefinition, options: KindOptions): CustomKind {
  const { spec, metadata } = definition;
  const { group } = spec;
  const names = acceptedNames(definition);
  const types = new Map(
    spec.versions.map((version) => [
      `${group}/${version.name}`,
      customStructType({
        gvk: { group, version: version.name, kind: names.kind },
        schema: version.schema?.openAPIV3Schema,
        objectMeta: options.objectMeta,
        selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.replace(/^\./, '')),
      }),
    ]),
  );
  const storage = storageVersionOf(definition)!;
  const apiVersion = `${group}/${storage.name}`;
  const resources = spec.versions.map((version) =>
    resourceSchema(definition, version, types.get(`${group}/${version.name}`)!),
  );
  const stored: StoredResource = {
    group,
    resource: names.plural,
    gvk: { group, version: storage.name, kind: names.kind },
    type: types.get(apiVersion)!,
    apiVersion,
    namespaced: spec.scope === 'Namespaced',
    prefix: customPrefix(group, names.plural),
    fields: fieldLabels(`${group}/${names.plural}`, resources),
    strategy: { allowUnconditionalUpdate: false },
    isPods: false,
    ttlSeconds: 0,
    custom: customStorage(String(metadata.uid), apiVersion, types, options.webhook),
  };
  const versions = resources.map((schema): ServedResource => {
    const version = spec.versions.find(({ name }) => name === schema.version)!;
    const strategy = customStrategy({
      kind: names.kind,
      apiVersion: `${group}/${version.name}`,
      schema: version.schema?.openAPIV3Schema,
      status: version.subresources?.status !== undefined,
      scale: schema.custom?.scale,
      rules: options.rules(schema.type, version),
    });
    return {
      schema,
      gvk: { group, version: version.name, kind: names.kind },
      apiVersion: `${group}/${version.name}`,
      qualified: { group, resource: names.plural },
      stored,
      strategy,
    };
  });
  return {
    name: metadata.name!,
    definition,
    stored,
    versions,
    served: versions.filter((_, i) => spec.versions[i]!.served),
    types: resources.flatMap(({ version, type, custom }) => [
      [{ group, version, kind: names.kind }, type] as const,
      [{ group, version, kind: custom!.listKind }, customListType(type, custom!.listKind, options.listMeta)] as const,
    ]),
  };
}

/** The same kind under a definition whose conditions changed. */
export function withDefinition(kind: CustomKind, definition: CustomResourceDefinition): CustomKind {
  const terminating = isTrue(definition, 'Terminating');
  if (kind.versions.every(({ schema }) => schema.custom!.terminating === terminating)) return { ...kind, definition };
  const versions = kind.versions.map((served) => ({
    ...served,
    schema: {
      ...served.schema,
      custom: { ...served.schema.custom!, terminating },
    },
  }));
  return {
    ...kind,
    definition,
    versions,
    served: versions.filter((_, i) => definition.spec.versions[i]!.served),
  };
}

function acceptedNames({ spec, status }: CustomResourceDefinition): CustomResourceDefinitionNames {
  const accepted = status?.acceptedNames;
  return accepted?.plural ? accepted : spec.names;
}

const allVerbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];
const terminatingVerbs = ['delete', 'deletecollection', 'get', 'list', 'watch'];
/** What discovery lists: nothing is made any more while the definition goes. */
export const discoveredVerbs = (terminating: boolean): readonly string[] => (terminating ? terminatingVerbs : allVerbs);

function resourceSchema(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  type: StructType,
): ResourceSchema {
  const { spec } = definition;
  const { group } = spec;
  const names = acceptedNames(definition);
  const storage = storageVersionOf(definition)!;
  const subresources: Record<string, SubresourceSchema> = {};
  const verbs = ['get', 'patch', 'update'];
  if (version.subresources?.status) subresources.status = { verbs, kind: names.kind, group, version: version.name };
  if (version.subresources?.scale) subresources.scale = { verbs, kind: 'Scale', group: 'autoscaling', version: 'v1' };
  const warning = version.deprecated ? (version.deprecationWarning ?? deprecation(definition, version)) : undefined;
  const scale = version.subresources?.scale;
  return {
    group,
    version: version.name,
    resource: names.plural,
    kind: names.kind,
    singular: names.singular ?? '',
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: spec.scope === 'Namespaced',
    verbs: allVerbs,
    subresources,
    storageVersion: { group, version: storage.name },
    storageVersionHash: versionHash(`${group}/${storage.name}/${names.kind}`),
    level: 'ga',
    servedByDefault: true,
    columns: [],
    fieldSelectors: [
      'metadata.name',
      ...(spec.scope === 'Namespaced' ? ['metadata.namespace'] : []),
      ...(version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.replace(/^\./, '')),
    ],
    type,
    custom: {
      listKind: names.listKind ?? `${names.kind}List`,
      printerColumns: version.additionalPrinterColumns ?? [],
      ...(scale ? { scale } : {}),
      ...(warning === undefined ? {} : { warning }),
      terminating: isTrue(definition, 'Terminating'),
    },
  };
}

/** Source: apiserver/pkg/endpoints/discovery (StorageVersionHash). */
const versionHash = (text: string): string =>
  createHash('sha256').update(text).digest().subarray(0, 8).toString('base64');

function deprecation({ spec }: CustomResourceDefinition, { name }: CustomResourceDefinitionVersion): string {
  const newer = spec.versions
    .filter((version) => version.served && !version.deprecated && compareVersions(version.name, name) < 0)
    .map((version) => version.name)
    .sort(compareVersions);
  const use = newer[0] === undefined ? '' : `; use ${spec.group}/${newer[0]} ${spec.names.kind}`;
  return `${spec.group}/${name} ${spec.names.kind} is deprecated${use}`;
}

function customStorage(
  uid: string,
  storageVersion: string,
  types: ReadonlyMap<string, StructType>,
  webhook: KindOptions['webhook'],
): CustomStorage {
  const relabel = (object: JsonObject, apiVersion: string): JsonObject => {
    if (object.apiVersion === apiVersion) return object;
    const type = types.get(apiVersion);
    const labelled = { ...object, apiVersion };
    // Versions of one schema hold the same objects.
    if (type === undefined || sameSchema(type, types.get(String(object.apiVersion)))) return Object.freeze(labelled);
    return coerceStored(labelled, type);
  };
  const coerced = async (objects: readonly JsonObject[], apiVersion: string): Promise<readonly JsonObject[]> => {
    const converted = await webhook!(objects, apiVersion);
    const type = types.get(apiVersion);
    return type === undefined ? converted : converted.map((object) => coerceStored(object, type));
  };
  return {
    uid,
    converts: webhook !== undefined,
    convert: (objects, apiVersion) =>
      webhook ? coerced(objects, apiVersion) : objects.map((object) => relabel(object, apiVersion)),
    readStored(value) {
      const type = types.get(String(value.apiVersion));
      if (type === undefined) return value;
      const defaulted = applySchemaDefaults(coerceStored(value, type), type.custom?.schema);
      const present = webhook ? defaulted : relabel(defaulted, storageVersion);
      return sameJson(present, value) ? value : deepFreeze(present);
    },
  };
}

const sameSchema = (a: StructType, b: StructType | undefined): boolean =>
  b !== undefined && (a.custom?.schema === b.custom?.schema || sameJson(a.custom?.schema, b.custom?.schema));

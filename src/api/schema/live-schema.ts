/** The built-in schema with custom kinds beside it. What it is made of changes as definitions come and go; each state is a value. */
import type { GroupVersionKind, ResourceSchema, Schema, StructType } from './model.ts';

export interface SchemaGroup {
  readonly name: string;
  readonly preferred: string;
  readonly versions: readonly string[];
}

export class LiveSchema implements Schema {
  readonly #base: Schema;
  #current: Schema;

  constructor(base: Schema) {
    this.#base = base;
    this.#current = base;
  }

  /** The present state: another value after each change, never changed itself. */
  get current(): Schema {
    return this.#current;
  }

  /** @param groups of custom kinds; a group that is built in, too, gets their versions behind its own. */
  setCustom(
    groups: readonly SchemaGroup[],
    resources: readonly ResourceSchema[],
    types: readonly (readonly [GroupVersionKind, StructType])[],
  ): void {
    this.#current = withCustom(this.#base, groups, resources, types);
  }

  type(name: string): StructType | undefined {
    return this.#current.type(name);
  }
  byGvk(gvk: GroupVersionKind): StructType | undefined {
    return this.#current.byGvk(gvk);
  }
  get types(): ReadonlyMap<string, StructType> {
    return this.#current.types;
  }
  get groups(): Schema['groups'] {
    return this.#current.groups;
  }
  get resources(): readonly ResourceSchema[] {
    return this.#current.resources;
  }
  resource(group: string, version: string, resource: string): ResourceSchema | undefined {
    return this.#current.resource(group, version, resource);
  }
}

function withCustom(
  base: Schema,
  groups: readonly SchemaGroup[],
  resources: readonly ResourceSchema[],
  kinds: readonly (readonly [GroupVersionKind, StructType])[],
): Schema {
  const types = new Map(kinds.map(([{ group, version, kind }, type]) => [`${group}/${version}/${kind}`, type]));
  const byName = new Map(resources.map((one) => [`${one.group}/${one.version}/${one.resource}`, one]));
  const builtin = new Set(base.groups.map(({ name }) => name));
  const merged = base.groups.map((group) => {
    const more = groups.find(({ name }) => name === group.name);
    return more ? { ...group, versions: [...new Set([...group.versions, ...more.versions])] } : group;
  });
  return {
    type: (name) => base.type(name),
    byGvk: (gvk) => base.byGvk(gvk) ?? types.get(`${gvk.group}/${gvk.version}/${gvk.kind}`),
    types: base.types,
    groups: [...merged, ...groups.filter(({ name }) => !builtin.has(name))],
    resources: [...base.resources, ...resources],
    resource: (group, version, resource) =>
      base.resource(group, version, resource) ?? byName.get(`${group}/${version}/${resource}`),
  };
}

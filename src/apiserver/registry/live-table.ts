/** The table of built-in resources with custom ones beside it, which come and go. */
import type { ResourceTable, ServedResource, StoredResource } from './resources.ts';

export class LiveTable implements ResourceTable {
  readonly #base: ResourceTable;
  #served: readonly ServedResource[];
  #stored: readonly StoredResource[];
  #custom = new Map<string, ServedResource>();
  #versions = new Map<string, Set<string>>();

  constructor(base: ResourceTable) {
    this.#base = base;
    this.#served = base.served;
    this.#stored = base.stored;
  }

  /** All custom resources there are from now on, those that cannot be reached (not served) left out. */
  setCustom(served: readonly ServedResource[]): void {
    const custom = new Map<string, ServedResource>();
    const versions = new Map<string, Set<string>>();
    for (const one of served) {
      const { group, version, resource } = one.schema;
      // A definition never hides a built-in resource.
      if (this.#base.find(group, version, resource)) continue;
      custom.set(`${group}/${version}/${resource}`, one);
      const known = versions.get(group);
      if (known) known.add(version);
      else versions.set(group, new Set([version]));
    }
    this.#custom = custom;
    this.#versions = versions;
    this.#served = [...this.#base.served, ...custom.values()];
    const stored = new Set<StoredResource>();
    for (const one of custom.values()) if (one.stored) stored.add(one.stored);
    this.#stored = [...this.#base.stored, ...stored];
  }

  hasGroup(group: string): boolean {
    return this.#base.hasGroup(group) || this.#versions.has(group);
  }
  hasBuiltInGroup(group: string): boolean {
    return this.#base.hasGroup(group);
  }
  hasVersion(group: string, version: string): boolean {
    return this.#base.hasVersion(group, version) || (this.#versions.get(group)?.has(version) ?? false);
  }
  find(group: string, version: string, resource: string): ServedResource | undefined {
    return this.#base.find(group, version, resource) ?? this.#custom.get(`${group}/${version}/${resource}`);
  }
  storedResource(group: string, resource: string): StoredResource | undefined {
    return (
      this.#base.storedResource(group, resource) ??
      this.#stored.find((one) => one.custom && one.group === group && one.resource === resource)
    );
  }
  get stored(): readonly StoredResource[] {
    return this.#stored;
  }
  get served(): readonly ServedResource[] {
    return this.#served;
  }
}

/** Applies against a naive twin that knows an object as a set of leaves, each with its owners. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeObject } from '../codec/index.ts';
import { isConflict } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { type ApplyRequest, createApplier } from './apply.ts';

const type = builtinSchema.byGvk({ group: '', version: 'v1', kind: 'Pod' })!;
const applier = createApplier();

/** Leaves by a short path: `label:a`, `image:x` (makes container x), `port:x/80`, `finalizer:f`. */
type Leaves = ReadonlyMap<string, string>;

const names = ['x', 'y', 'z'];
const value = fc.constantFrom('1', '2');
const entry = fc.oneof(
  fc.tuple(fc.constantFrom('label:a', 'label:b', 'label:c'), value),
  fc.tuple(fc.constantFrom(...names.map((name) => `image:${name}`)), value),
  fc.tuple(fc.constantFrom(...names.flatMap((name) => [`port:${name}/1`, `port:${name}/2`])), value),
  fc.tuple(fc.constantFrom('finalizer:e.com/a', 'finalizer:e.com/b'), fc.constant('')),
);
const leaves = fc.array(entry, { maxLength: 8 }).map((entries): Leaves => new Map(entries));
const step = fc.record({ manager: fc.constantFrom('a', 'b', 'c'), wanted: leaves, force: fc.boolean() });

function configOf(wanted: Leaves): JsonObject {
  const labels: Record<string, string> = {};
  const finalizers: string[] = [];
  const containers = new Map<string, { name: string; image?: string; ports?: JsonObject[] }>();
  const container = (name: string) => {
    if (!containers.has(name)) containers.set(name, { name });
    return containers.get(name)!;
  };
  for (const [path, text] of wanted) {
    const [kind, rest = ''] = path.split(':');
    if (kind === 'label') labels[rest] = text;
    else if (kind === 'finalizer') finalizers.push(rest);
    else if (kind === 'image') container(rest).image = text;
    else {
      const [name = '', port] = rest.split('/');
      const c = container(name);
      c.ports ??= [];
      c.ports.push({ containerPort: Number(port), name: `n${text}` });
    }
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'p',
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(finalizers.length === 0 ? {} : { finalizers }),
    },
    ...(containers.size === 0 ? {} : { spec: { containers: [...containers.values()] as unknown as JsonObject[] } }),
  };
}

function leavesOf(object: JsonObject): Map<string, string> {
  const found = new Map<string, string>();
  const { labels = {}, finalizers = [] } = object.metadata as unknown as {
    labels?: Record<string, string>;
    finalizers?: string[];
  };
  for (const [key, text] of Object.entries(labels)) found.set(`label:${key}`, text);
  for (const finalizer of finalizers) found.set(`finalizer:${finalizer}`, '');
  const { containers } = (object.spec ?? {}) as {
    containers?: { name: string; image?: string; ports?: { containerPort: number; name?: string }[] }[];
  };
  for (const { name, image, ports = [] } of containers ?? []) {
    found.set(`item:${name}`, '');
    if (image !== undefined && image !== '') found.set(`image:${name}`, image);
    for (const port of ports) {
      found.set(`port:${name}/${port.containerPort}`, '');
      if (port.name !== undefined) found.set(`name:${name}/${port.containerPort}`, port.name.slice(1));
    }
  }
  return found;
}

/** What the twin holds: leaves, and who asks for each. A container or port is there while anybody asks for something in it. */
class Twin {
  readonly values = new Map<string, string>();
  readonly asked = new Map<string, ReadonlySet<string>>();

  /** @returns false on a conflict: nothing happens. */
  apply(manager: string, wanted: Leaves, force: boolean): boolean {
    const full = new Map(wanted);
    for (const [path, text] of wanted) {
      if (path.startsWith('port:')) full.set(path, '').set(path.replace('port', 'name'), text);
      const item = /^(?:image|port):([a-z])/.exec(path)?.[1];
      if (item !== undefined) full.set(`item:${item}`, '');
    }
    const others = (path: string) =>
      [...this.asked].filter(([other, paths]) => other !== manager && paths.has(path)).map(([other]) => other);
    const changed = [...full].filter(([path, text]) => this.values.has(path) && this.values.get(path) !== text);
    const contested = changed.filter(([path]) => others(path).length > 0);
    if (contested.length > 0 && !force) return false;
    for (const [path] of contested)
      for (const other of others(path))
        this.asked.set(other, new Set([...this.asked.get(other)!].filter((p) => p !== path)));
    const dropped = [...(this.asked.get(manager) ?? [])].filter((path) => !full.has(path));
    this.asked.set(manager, new Set(full.keys()));
    for (const path of dropped) if (others(path).length === 0) this.values.delete(path);
    for (const [path, text] of full) this.values.set(path, text);
    return true;
  }
}

function apply(live: JsonObject | undefined, manager: string, config: JsonObject, force: boolean, now: string) {
  const request: ApplyRequest = {
    live,
    config,
    type,
    apiVersion: 'v1',
    kind: 'Pod',
    manager,
    subresource: '',
    force,
    now,
    ignored: [['status']],
    decode: (tree) => decodeObject({ value: tree }, type, { fieldValidation: 'Ignore' }).object,
    applyDefaults: (object) => object,
    typeOf: () => undefined,
    convert: (object) => object,
  };
  return applier.apply(request);
}

const sorted = (map: Leaves) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

test('apply: any history of applies leaves what the naive twin leaves', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const twin = new Twin();
      let live: JsonObject | undefined;
      steps.forEach(({ manager, wanted, force }, at) => {
        const now = `2026-01-01T00:00:${String(at).padStart(2, '0')}Z`;
        const config = configOf(wanted);
        let accepted = true;
        try {
          live = apply(live, manager, config, force, now);
        } catch (error) {
          if (!isConflict(error)) throw error;
          accepted = false;
        }
        assert.equal(accepted, twin.apply(manager, wanted, force), `step ${at}`);
        assert.deepEqual(sorted(leavesOf(live!)), sorted(twin.values), `step ${at}`);
        // Once more changes nothing, not even an object's identity.
        if (accepted) assert.equal(apply(live, manager, config, false, '2027-01-01T00:00:00Z'), live, `step ${at}`);
      });
    }),
    { numRuns: 400 },
  );
});

test('apply: when everybody un-applies, nothing is left', () => {
  const nothing = configOf(new Map());
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
      let live: JsonObject | undefined;
      for (const { manager, wanted } of steps)
        live = apply(live, manager, configOf(wanted), true, '2026-01-01T00:00:00Z');
      for (const manager of ['a', 'b', 'c']) live = apply(live, manager, nothing, false, '2026-01-01T00:00:01Z');
      // What was taken by force from everybody who asked for it has no owner only if its taker dropped it.
      assert.deepEqual((live!.metadata as JsonObject).managedFields, undefined);
      assert.deepEqual(sorted(leavesOf(live!)), []);
    }),
    { numRuns: 200 },
  );
});

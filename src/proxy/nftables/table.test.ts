import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServicePortRules } from '../service-map.ts';
import { renderTable } from './render.ts';
import { type NftTable, renderDifference, renderFull } from './table.ts';

const options = { tableName: 'test', clusterCidr: '10.244.0.0/16' };

const endpoints = fc.uniqueArray(
  fc.integer({ min: 2, max: 9 }).map((n) => ({ ip: `10.244.0.${n}`, port: 8080 })),
  { maxLength: 4, selector: (e) => e.ip },
);
const rule: fc.Arbitrary<ServicePortRules> = fc.record({
  name: fc.constantFrom('a/a:', 'a/b:http', 'b/c:'),
  protocol: fc.constantFrom('tcp' as const, 'udp' as const),
  clusterIps: fc.constant([]),
  port: fc.constantFrom(80, 443),
  nodePort: fc.constantFrom(0, 30080),
  endpoints,
  externalEndpoints: endpoints,
  dropInternal: fc.boolean(),
  dropExternal: fc.boolean(),
  externalPolicyLocal: fc.boolean(),
  affinitySeconds: fc.constantFrom(0, 60),
});
const table = fc.uniqueArray(rule, { maxLength: 3, selector: (r) => r.name }).map((rules) =>
  renderTable(
    rules.map((r, i) => ({ ...r, clusterIps: [`10.96.0.${i + 1}`], nodePort: r.nodePort === 0 ? 0 : r.nodePort + i })),
    options,
  ),
);

test('nft table: loading the difference gives the same table as loading the whole', () => {
  fc.assert(
    fc.property(table, table, (a, b) => {
      const kernel = new Kernel();
      kernel.apply(renderFull(a));
      kernel.apply(renderDifference(a, b));
      const fresh = new Kernel();
      fresh.apply(renderFull(b));
      assert.deepEqual(kernel.state(), fresh.state());
    }),
  );
});

test('nft table: no change renders nothing', () => {
  fc.assert(fc.property(table, (a) => renderDifference(a, a) === ''));
});

test('nft table: a Service without endpoints is refused, and one with three is balanced', () => {
  const base = {
    name: 'default/web:',
    protocol: 'tcp' as const,
    clusterIps: ['10.96.0.7'],
    port: 80,
    nodePort: 0,
    externalEndpoints: [],
    dropInternal: false,
    dropExternal: false,
    externalPolicyLocal: false,
    affinitySeconds: 0,
  };
  const none = renderTable([{ ...base, endpoints: [] }], options);
  const three = renderTable(
    [{ ...base, endpoints: [2, 3, 4].map((n) => ({ ip: `10.244.0.${n}`, port: 8080 })) }],
    options,
  );
  assert.deepEqual([...none.sets.get('no-endpoint-services')!.elements], [['10.96.0.7 . tcp . 80', 'goto refuse']]);
  assert.equal(
    renderDifference(none, three),
    `add chain ip test service-b31d72447a0b
delete element ip test no-endpoint-services { 10.96.0.7 . tcp . 80 }
add rule ip test service-b31d72447a0b ip saddr != 10.244.0.0/16 jump mark-for-masquerade
add rule ip test service-b31d72447a0b meta l4proto tcp dnat ip to numgen random mod 3 map { 0 : 10.244.0.2 . 8080, 1 : 10.244.0.3 . 8080, 2 : 10.244.0.4 . 8080 }
add element ip test service-ips { 10.96.0.7 . tcp . 80 : goto service-b31d72447a0b }
add element ip test hairpin-connections { 10.244.0.2 . 10.244.0.2, 10.244.0.3 . 10.244.0.3, 10.244.0.4 . 10.244.0.4 }
`,
  );
});

/** A naive twin of what the kernel does with the commands we render; refuses what nft would refuse. */
class Kernel {
  private readonly objects = new Map<string, string[]>();

  apply(text: string): void {
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const [, verb, what, name, rest] =
        /^(\w+) (table|chain|rule|map|set|element) ip test ?([^ ]*) ?(.*)$/.exec(line) ?? assert.fail(line);
      const key = what === 'rule' || what === 'element' ? name! : `${name}`;
      if (what === 'table') {
        if (verb === 'delete') this.objects.clear();
      } else if (what === 'chain' || what === 'map' || what === 'set') {
        if (verb === 'add') {
          if (!this.objects.has(key)) this.objects.set(key, []);
        } else if (verb === 'flush') this.need(key).length = 0;
        else {
          this.need(key);
          this.assertUnused(key);
          this.objects.delete(key);
        }
      } else if (what === 'rule') {
        for (const target of rest!.matchAll(/(?:jump|goto|@)\s?([a-z0-9-]+)/g)) this.need(target[1]!);
        this.need(key).push(rest!);
      } else {
        const elements = this.need(key);
        for (const element of rest!.replace(/^\{ | \}$/g, '').split(', ')) {
          if (verb === 'add') {
            const target = /goto ([a-z0-9-]+)$/.exec(element);
            if (target) this.need(target[1]!);
            elements.push(element);
          } else {
            const index = elements.findIndex((e) => e === element || e.startsWith(`${element} : `));
            assert.notEqual(index, -1, `no element ${element} in ${key}`);
            elements.splice(index, 1);
          }
        }
      }
    }
  }

  state(): unknown {
    const isChain = (items: string[]): boolean =>
      items.some((i) => /jump|goto|dnat|update|reject|masquerade/.test(i) && !/^[^:]+ : goto/.test(i));
    return [...this.objects]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, items]) => [name, isChain(items) ? items : [...items].sort()]);
  }

  private need(name: string): string[] {
    return this.objects.get(name) ?? assert.fail(`no object ${name}`);
  }

  private assertUnused(name: string): void {
    for (const [other, items] of this.objects)
      for (const item of items)
        assert.ok(
          !new RegExp(`(goto|jump|@) ?${name}\\b(?!-)`).test(item) || other === name,
          `${name} is still used by ${other}: ${item}`,
        );
  }
}

export type { NftTable };

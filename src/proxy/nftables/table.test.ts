import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServicePortRules } from '../service-map.ts';
import { families, type TableOptions } from './base-table.ts';
import { fragmentOf } from './fragment.ts';
import { LiveTable } from './live-table.ts';

const options: TableOptions = { tableName: 'test', clusterCidr: '10.244.0.0/16', family: families.IPv4 };

const endpoints = fc.uniqueArray(
  fc.integer({ min: 2, max: 9 }).map((n) => ({ ip: `10.244.0.${n}`, port: 8080 })),
  { maxLength: 4, selector: (e) => e.ip },
);
const rule: fc.Arbitrary<ServicePortRules> = fc
  .record({
    name: fc.constantFrom('a/a:', 'a/a:http', 'a/b:http', 'b/c:'),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    // Ports of two Services may collide on an external address.
    port: fc.constantFrom(80, 443),
    nodePort: fc.constantFrom(0, 30080),
    endpoints,
    more: endpoints,
    some: fc.boolean(),
    externalIps: fc.constantFrom([], ['192.0.2.1'], ['192.0.2.1', '192.0.2.2']),
    sourceRanges: fc.constantFrom([], ['198.51.100.0/24'], ['0.0.0.0/0']),
    dropInternal: fc.boolean(),
    dropExternal: fc.boolean(),
    externalPolicyLocal: fc.boolean(),
    affinitySeconds: fc.constantFrom(0, 60),
  })
  .map(({ more, some, ...r }) => ({
    ...r,
    clusterIps: [`10.96.0.${r.name.length * 10 + r.name.charCodeAt(2) - 96}`],
    clusterEndpoints: more,
    externalEndpoints: r.externalPolicyLocal && some ? more.slice(0, 1) : r.externalPolicyLocal ? [] : more,
    loadBalancerIps: r.externalIps.slice(0, 1),
    localIps: r.endpoints.slice(0, 1).map((e) => e.ip),
  }));
/** Service -> its ports. */
const world = fc
  .uniqueArray(rule, { maxLength: 4, selector: (r) => r.name })
  .map((rules) => Map.groupBy(rules, (r) => r.name.split(':')[0]!));

function set(table: LiveTable, before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, ServicePortRules[]>) {
  for (const name of before.keys()) if (!after.has(name)) table.set(name, undefined);
  for (const [name, rules] of after) table.set(name, fragmentOf(rules, options));
}

test('nft table: loading differences one after the other gives the same table as loading the whole', () => {
  fc.assert(
    fc.property(fc.array(world, { minLength: 2, maxLength: 4 }), (worlds) => {
      const table = new LiveTable(options);
      const kernel = new Kernel();
      let previous: ReadonlyMap<string, ServicePortRules[]> = new Map();
      for (const next of worlds) {
        set(table, previous, next);
        kernel.apply(table.transaction());
        table.done();
        assert.equal(table.transaction(), '');
        previous = next;
      }
      table.forget();
      const fresh = new Kernel();
      fresh.apply(table.transaction());
      assert.deepEqual(kernel.state(), fresh.state());
    }),
  );
});

const base: ServicePortRules = {
  name: 'default/web:',
  protocol: 'tcp',
  clusterIps: ['10.96.0.7'],
  port: 80,
  nodePort: 0,
  externalIps: [],
  loadBalancerIps: [],
  sourceRanges: [],
  endpoints: [],
  clusterEndpoints: [],
  externalEndpoints: [],
  dropInternal: false,
  dropExternal: false,
  externalPolicyLocal: false,
  affinitySeconds: 0,
  localIps: [],
};
const at = (...last: number[]) => last.map((n) => ({ ip: `10.244.0.${n}`, port: 8080 }));

/** What a change from one state of a Service to another loads. */
function change(before: Partial<ServicePortRules>, after: Partial<ServicePortRules>): string[] {
  const table = new LiveTable(options);
  // Another Service keeps the chains of three endpoints in use.
  table.set(
    'a/other',
    fragmentOf([{ ...base, name: 'a/other:', clusterIps: ['10.96.0.1'], endpoints: at(7, 8, 9) }], options),
  );
  table.set('default/web', fragmentOf([{ ...base, ...before }], options));
  table.transaction();
  table.done();
  table.set('default/web', fragmentOf([{ ...base, ...after }], options));
  return table.transaction().trimEnd().split('\n');
}

test('nft table: a Service that gets three endpoints adds elements only', () => {
  assert.deepEqual(change({}, { endpoints: at(2, 3, 4), localIps: ['10.244.0.2'] }), [
    'delete element ip test no-endpoint-services { 10.96.0.7 . tcp . 80 }',
    'add element ip test service-ips { 10.96.0.7 . tcp . 80 : goto cluster-tcp-3 }',
    'add element ip test endpoints-tcp { 10.96.0.7 . 80 . 0 : 10.244.0.2 . 8080, 10.96.0.7 . 80 . 1 : 10.244.0.3 . 8080, 10.96.0.7 . 80 . 2 : 10.244.0.4 . 8080 }',
    'add element ip test hairpin-connections { 10.244.0.2 . 10.244.0.2 }',
  ]);
});

test('nft table: one endpoint of three changes one element', () => {
  assert.deepEqual(change({ endpoints: at(2, 3, 4) }, { endpoints: at(2, 3, 5) }), [
    'delete element ip test endpoints-tcp { 10.96.0.7 . 80 . 2 }',
    'add element ip test endpoints-tcp { 10.96.0.7 . 80 . 2 : 10.244.0.5 . 8080 }',
  ]);
});

test('nft table: the first Service with four endpoints makes their chain, the last takes it away', () => {
  const made = change({ endpoints: at(2, 3, 4) }, { endpoints: at(2, 3, 4, 5) });
  assert.deepEqual(made.slice(0, 1), ['add chain ip test cluster-tcp-4']);
  const gone = change({ endpoints: at(2, 3, 4, 5) }, { endpoints: at(2, 3, 4) });
  assert.deepEqual(gone.slice(-2), ['flush chain ip test cluster-tcp-4', 'delete chain ip test cluster-tcp-4']);
});

test("nft table: under externalTrafficPolicy Local, strangers reach this node's endpoints, pods and the node all", () => {
  const added = change(
    {},
    { nodePort: 30080, clusterEndpoints: at(2, 3), externalEndpoints: at(2), externalPolicyLocal: true },
  );
  assert.deepEqual(
    added.filter((line) => line.startsWith('add rule')),
    [
      'add rule ip test nodeport-local-tcp-2-1 ip saddr 10.244.0.0/16 dnat ip to tcp dport . numgen random mod 2 map @nodeport-endpoints-tcp',
      'add rule ip test nodeport-local-tcp-2-1 fib saddr type local jump mark-for-masquerade',
      'add rule ip test nodeport-local-tcp-2-1 fib saddr type local dnat ip to tcp dport . numgen random mod 2 map @nodeport-endpoints-tcp',
      'add rule ip test nodeport-local-tcp-2-1 dnat ip to tcp dport . numgen random mod 1 map @nodeport-local-endpoints-tcp',
    ],
  );
});

test("nft table: source ranges guard the load balancer's address, before it is translated", () => {
  const added = change(
    { clusterEndpoints: at(2), externalEndpoints: at(2) },
    {
      clusterEndpoints: at(2),
      externalEndpoints: at(2),
      externalIps: ['192.0.2.1'],
      loadBalancerIps: ['192.0.2.1'],
      sourceRanges: ['198.51.100.0/24', '198.51.100.7/32'],
    },
  ).join('\n');
  assert.match(added, /firewall-[0-9a-f]{12} ip saddr != \{ 198\.51\.100\.0\/24, 192\.0\.2\.1 \} drop/);
  assert.match(added, /firewall-ips \{ 192\.0\.2\.1 \. tcp \. 80 : goto firewall-/);
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

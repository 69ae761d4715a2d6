/** Services on two API servers over one store: what they get, what is refused, and what is given back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { Service } from '../../api/types/core-v1.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts';
import { createMemoryStore } from '../../store/memory/memory-store.ts';
import type { Store } from '../../store/store.ts';
import { alwaysAllow } from '../authorization/index.ts';
import { type ApiServer, createApiServer } from '../index.ts';
import { nodePortsKey } from './node-ports.ts';
import { PortSet, parsePortRange } from './port-set.ts';
import { createServiceAllocator, type ServiceAllocator } from './service-allocator.ts';

interface Answer {
  readonly code: number;
  readonly object: JsonObject;
  readonly message: string;
}

class World {
  readonly clock: VirtualClock = createVirtualClock();
  readonly store: Store = createMemoryStore({ clock: this.clock });
  readonly servers: ApiServer[] = [];
  readonly allocators: ServiceAllocator[] = [];
  #seed = 1;

  async start(count: number, options: { serviceCidrs?: string[]; nodePortRange?: string } = {}): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { clock, store } = this;
      const server = createApiServer({
        store,
        clock,
        random: createSeededRandom(this.#seed++),
        log: silentLogger,
        metrics: createMetricsRegistry(),
        security: () => ({
          authenticate: () => ({ name: 'admin', groups: ['system:masters', 'system:authenticated'] }),
          authorizer: alwaysAllow,
          admission: [],
        }),
        hooks: ({ reader, random }) => {
          const allocator = createServiceAllocator({
            store,
            reader,
            clock,
            random,
            log: silentLogger,
            serviceCidrs: options.serviceCidrs ?? ['10.96.0.0/24'],
            ...(options.nodePortRange === undefined ? {} : { nodePortRange: options.nodePortRange }),
          });
          this.allocators.push(allocator);
          return allocator.hooks;
        },
      });
      await server.start();
      this.servers.push(server);
    }
  }

  async call(
    server: number,
    method: string,
    path: string,
    value?: JsonValue,
    contentType = 'application/json',
  ): Promise<Answer> {
    const [raw = '', query = ''] = path.split('?');
    const response = await this.servers[server]!.handler({
      method,
      path: raw,
      query,
      headers: { 'content-type': contentType, accept: 'application/json' },
      ...(value === undefined ? {} : { body: { value } }),
      remoteAddress: 'in-process',
      signal: new AbortController().signal,
    });
    const { body } = response;
    const object = body.kind === 'object' ? body.object.value() : body.kind === 'list' ? body.value() : {};
    return { code: response.status, object, message: String(object.message ?? '') };
  }

  /** Creates a Service in `default`. */
  create(name: string, spec: JsonObject, options: { server?: number; query?: string } = {}): Promise<Answer> {
    return this.call(options.server ?? 0, 'POST', `/api/v1/namespaces/default/services${options.query ?? ''}`, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec,
    });
  }
  patch(name: string, spec: JsonObject, server = 0): Promise<Answer> {
    return this.call(
      server,
      'PATCH',
      `/api/v1/namespaces/default/services/${name}`,
      { spec },
      'application/merge-patch+json',
    );
  }
  remove(name: string, server = 0): Promise<Answer> {
    return this.call(server, 'DELETE', `/api/v1/namespaces/default/services/${name}`);
  }
  async addresses(): Promise<string[]> {
    const { kvs } = await this.store.range({ key: '/registry/ipaddresses/', end: '/registry/ipaddresses0' });
    return kvs.map((kv) => kv.key.slice('/registry/ipaddresses/'.length));
  }
  async nodePorts(range = '30000-32767'): Promise<number[]> {
    const kv = (await this.store.range({ key: nodePortsKey })).kvs[0];
    if (!kv) return [];
    const stored = JSON.parse(Buffer.from(kv.value).toString()) as { range: string; data: string };
    return PortSet.parse(parsePortRange(range), parsePortRange(stored.range), stored.data).ports();
  }
  async stop(): Promise<void> {
    for (const server of this.servers) await server.stop();
    await this.store.close();
    assert.equal(this.clock.pendingTimers, 0);
  }
}

function it(
  name: string,
  body: (world: World) => Promise<void>,
  options: { serviceCidrs?: string[]; nodePortRange?: string } = {},
): void {
  test(`service allocator: ${name}`, async () => {
    const world = new World();
    await world.start(2, options);
    try {
      await body(world);
    } finally {
      await world.stop();
    }
  });
}
const specOf = ({ object }: Answer): NonNullable<Service['spec']> => (object as unknown as Service).spec ?? {};
const web = { ports: [{ port: 80 }], selector: { app: 'a' } };
const created = (answer: Answer): NonNullable<Service['spec']> => {
  assert.equal(answer.code, 201, answer.message);
  return specOf(answer);
};

it('a Service gets an address of the upper band, and an IPAddress that names it', async (world) => {
  const { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy } = created(await world.create('web', web));
  assert.deepEqual([clusterIPs, ipFamilies, ipFamilyPolicy], [[clusterIP], ['IPv4'], 'SingleStack']);
  const last = Number(clusterIP!.split('.')[3]);
  assert.ok(clusterIP!.startsWith('10.96.0.') && last >= 16 && last <= 254, `${clusterIP}`);
  const { object } = await world.call(0, 'GET', `/apis/networking.k8s.io/v1/ipaddresses/${clusterIP}`);
  assert.deepEqual(object.spec, { parentRef: { resource: 'services', namespace: 'default', name: 'web' } });
  assert.deepEqual((object.metadata as JsonObject).labels, {
    'ipaddress.kubernetes.io/ip-family': 'IPv4',
    'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
  });
});

it('a Service keeps its fields in the order of the schema', async (world) => {
  const keys = Object.keys(created(await world.create('web', { ...web, type: 'NodePort' })));
  assert.deepEqual(keys, [
    'ports',
    'selector',
    'clusterIP',
    'clusterIPs',
    'type',
    'sessionAffinity',
    'externalTrafficPolicy',
    'ipFamilies',
    'ipFamilyPolicy',
    'internalTrafficPolicy',
  ]);
});

it('an address asked for is taken once, whichever API server is asked', async (world) => {
  created(await world.create('one', { ...web, clusterIP: '10.96.0.10' }));
  const refused = await world.create('two', { ...web, clusterIP: '10.96.0.10' }, { server: 1 });
  assert.equal(refused.code, 422);
  assert.equal(
    refused.message,
    'Service "two" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated',
  );
  assert.equal((await world.call(0, 'GET', '/api/v1/namespaces/default/services/two')).code, 404);
});

it("the API server's own Service takes the address that was written for it", async (world) => {
  const address = (name: string, ip: string): JsonObject => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: { name: ip },
    spec: { parentRef: { resource: 'services', namespace: 'default', name } },
  });
  for (const [name, ip] of [
    ['kubernetes', '10.96.0.1'],
    ['web', '10.96.0.2'],
  ] as const)
    assert.equal((await world.call(0, 'POST', '/apis/networking.k8s.io/v1/ipaddresses', address(name, ip))).code, 201);
  created(await world.create('kubernetes', { ...web, clusterIP: '10.96.0.1' }));
  const second = await world.create('kubernetes', { ...web, clusterIP: '10.96.0.1' }, { server: 1 });
  assert.equal(second.code, 409);
  assert.ok((await world.addresses()).includes('10.96.0.1'), 'a second creation does not take it away');
  assert.equal((await world.create('web', { ...web, clusterIP: '10.96.0.2' })).code, 422);
});

it('what cannot be allocated is refused in words that people know', async (world) => {
  const cases: readonly (readonly [JsonObject, number, string])[] = [
    [
      { ...web, clusterIP: '172.30.0.5' },
      422,
      'spec.clusterIPs: Invalid value: ["172.30.0.5"]: failed to allocate IP 172.30.0.5: the provided network does not match the current range',
    ],
    [
      { ...web, clusterIP: '10.96.0.255' },
      422,
      'spec.clusterIPs: Invalid value: ["10.96.0.255"]: failed to allocate IP 10.96.0.255: the provided IP (10.96.0.255) is not in the valid range. The range of valid IPs is 10.96.0.0/24',
    ],
    [
      { ...web, clusterIP: '1.2.3' },
      422,
      'spec.clusterIPs[0]: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      { ...web, ipFamilies: ['IPv6'] },
      422,
      'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    ],
    [
      { ...web, ipFamilyPolicy: 'RequireDualStack' },
      422,
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    ],
    [
      { ...web, clusterIP: '2001:db8::5' },
      422,
      'spec.clusterIPs[0]: Invalid value: ["2001:db8::5"]: IPv6 is not configured on this cluster',
    ],
    [
      { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] },
      422,
      'spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
    ],
    [
      {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 80, nodePort: 30080 },
          { name: 'b', port: 81, nodePort: 30080 },
        ],
      },
      422,
      'spec.ports[1].nodePort: Invalid value: 30080: provided port is already allocated',
    ],
  ];
  for (const [spec, code, message] of cases) {
    const answer = await world.create('bad', spec);
    assert.deepEqual([answer.code, answer.message], [code, `Service "bad" is invalid: ${message}`]);
  }
  assert.deepEqual([await world.addresses(), await world.nodePorts()], [[], []], 'nothing stays taken');
});

it('headless and ExternalName Services get no address', async (world) => {
  const headless = created(await world.create('headless', { ...web, clusterIP: 'None' }));
  assert.deepEqual(
    [headless.clusterIPs, headless.ipFamilies, headless.ipFamilyPolicy],
    [['None'], ['IPv4'], 'SingleStack'],
  );
  const free = created(await world.create('free', { clusterIP: 'None', ports: [{ port: 80 }] }));
  assert.deepEqual([free.ipFamilies, free.ipFamilyPolicy], [['IPv4', 'IPv6'], 'RequireDualStack']);
  const external = created(await world.create('external', { type: 'ExternalName', externalName: 'example.com' }));
  assert.deepEqual([external.clusterIP, external.ipFamilies], [undefined, undefined]);
  assert.deepEqual(await world.addresses(), []);
});

it(
  'two API servers never hand out one address or port twice, and a full range says so',
  async (world) => {
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, i) => world.create(`s${i}`, { ...web, type: 'NodePort' }, { server: i % 2 })),
    );
    const specs = answers.filter((answer) => answer.code === 201).map(specOf);
    assert.equal(specs.length, 14, 'a /28 has 14 addresses');
    assert.equal(new Set(specs.map((spec) => spec.clusterIP)).size, 14);
    assert.equal(new Set(specs.map((spec) => spec.ports![0]!.nodePort)).size, 14);
    for (const { code, message } of answers.filter((answer) => answer.code !== 201))
      assert.deepEqual(
        [code, message],
        [500, 'Internal error occurred: failed to allocate a serviceIP: range is full'],
      );
    assert.equal((await world.nodePorts()).length, 14, 'the refused ones hold no port');
  },
  { serviceCidrs: ['10.96.0.0/28'] },
);

it(
  'a full port range gives the address back',
  async (world) => {
    created(await world.create('one', { ...web, type: 'NodePort' }));
    created(await world.create('two', { ...web, type: 'NodePort' }, { server: 1 }));
    const before = await world.addresses();
    const refused = await world.create('three', { ...web, type: 'NodePort' });
    assert.deepEqual(
      [refused.code, refused.message],
      [500, 'Internal error occurred: failed to allocate a nodePort: range is full'],
    );
    assert.deepEqual(await world.addresses(), before);
  },
  { nodePortRange: '30000-30001' },
);

it('TCP and UDP on one port share a node port; other ports do not', async (world) => {
  const ports = created(
    await world.create('dns', {
      type: 'NodePort',
      ports: [
        { name: 'udp', port: 53, protocol: 'UDP' },
        { name: 'tcp', port: 53, protocol: 'TCP' },
        { name: 'metrics', port: 9153, nodePort: 30053 },
      ],
    }),
  ).ports!.map((port) => port.nodePort);
  assert.equal(ports[0], ports[1]);
  assert.equal(ports[2], 30053);
  assert.notEqual(ports[0], 30053);
  assert.equal((await world.nodePorts()).length, 2);
  const taken = await world.create(
    'other',
    { type: 'NodePort', ports: [{ port: 80, nodePort: 30053 }] },
    { server: 1 },
  );
  assert.equal(
    taken.message,
    'Service "other" is invalid: spec.ports[0].nodePort: Invalid value: 30053: provided port is already allocated',
  );
});

it('a change of type takes and gives back', async (world) => {
  const { clusterIP } = created(await world.create('web', web));
  const asNodePort = specOf(await world.patch('web', { type: 'NodePort' }, 1));
  assert.equal(asNodePort.clusterIP, clusterIP, 'the address stays');
  const nodePort = asNodePort.ports![0]!.nodePort!;
  assert.deepEqual(await world.nodePorts(), [nodePort]);
  const back = specOf(await world.patch('web', { type: 'ClusterIP' }));
  assert.equal(back.ports![0]!.nodePort, undefined);
  assert.deepEqual(await world.nodePorts(), []);
  const gone = specOf(
    await world.patch('web', {
      type: 'ExternalName',
      externalName: 'x.example.com',
      clusterIP: '',
      clusterIPs: null,
      ports: null,
    }),
  );
  assert.deepEqual([gone.clusterIP, gone.clusterIPs], [undefined, undefined]);
  assert.deepEqual(await world.addresses(), []);
  const again = await world.patch(
    'web',
    { type: 'ClusterIP', externalName: null, ports: [{ port: 80, protocol: 'TCP' }] },
    1,
  );
  assert.equal(again.code, 200, again.message);
  assert.deepEqual(await world.addresses(), [specOf(again).clusterIP!]);
});

it('a changed node port frees the old one, an unchanged one stays', async (world) => {
  created(await world.create('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }));
  await world.patch('web', { ports: [{ port: 80, protocol: 'TCP', nodePort: 30081 }] }, 1);
  assert.deepEqual(await world.nodePorts(), [30081]);
  const kept = await world.patch('web', { sessionAffinity: 'ClientIP' });
  assert.equal(specOf(kept).ports![0]!.nodePort, 30081);
  assert.deepEqual(await world.nodePorts(), [30081]);
});

it('a load balancer with local traffic gets a health check port, and loses it with the policy', async (world) => {
  const spec = created(await world.create('lb', { ...web, type: 'LoadBalancer', externalTrafficPolicy: 'Local' }));
  assert.ok(spec.healthCheckNodePort! >= 30000);
  assert.equal((await world.nodePorts()).length, 2);
  const cluster = specOf(await world.patch('lb', { externalTrafficPolicy: 'Cluster' }));
  assert.equal(cluster.healthCheckNodePort, undefined);
  assert.deepEqual(await world.nodePorts(), [spec.ports![0]!.nodePort!]);
  const none = created(
    await world.create('lb2', { ...web, type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }),
  );
  assert.equal(none.ports![0]!.nodePort, undefined);
});

it('a deleted Service gives everything back', async (world) => {
  created(await world.create('lb', { ...web, type: 'LoadBalancer', externalTrafficPolicy: 'Local' }));
  await world.remove('lb', 1);
  assert.deepEqual([await world.addresses(), await world.nodePorts()], [[], []]);
});

it('a create that fails because of its name gives everything back', async (world) => {
  created(await world.create('web', { ...web, type: 'NodePort' }));
  const [addresses, ports] = [await world.addresses(), await world.nodePorts()];
  const again = await world.create('web', { ...web, type: 'NodePort' }, { server: 1 });
  assert.equal(again.code, 409);
  assert.deepEqual([await world.addresses(), await world.nodePorts()], [addresses, ports]);
});

it('a dry run takes nothing', async (world) => {
  const spec = created(await world.create('web', { ...web, type: 'NodePort' }, { query: '?dryRun=All' }));
  assert.ok(spec.clusterIP && spec.ports![0]!.nodePort);
  assert.deepEqual([await world.addresses(), await world.nodePorts()], [[], []]);
});

it(
  'a dual-stack cluster gives one address of each family, and takes the second back',
  async (world) => {
    const single = created(await world.create('single', web));
    assert.deepEqual(single.ipFamilies, ['IPv4']);
    const dual = created(await world.create('dual', { ...web, ipFamilyPolicy: 'PreferDualStack' }));
    assert.deepEqual(dual.ipFamilies, ['IPv4', 'IPv6']);
    assert.match(dual.clusterIPs![1]!, /^fd00::/);
    const upgraded = specOf(await world.patch('single', { ipFamilyPolicy: 'RequireDualStack' }, 1));
    assert.equal(upgraded.clusterIPs!.length, 2);
    assert.equal((await world.addresses()).length, 4);
    const downgraded = specOf(await world.patch('single', { ipFamilyPolicy: 'SingleStack' }));
    assert.deepEqual([downgraded.clusterIPs, downgraded.ipFamilies], [single.clusterIPs, ['IPv4']]);
    assert.equal((await world.addresses()).length, 3);
  },
  { serviceCidrs: ['10.96.0.0/24', 'fd00::/108'] },
);

it('addresses of a further ServiceCIDR are used once it is ready', async (world) => {
  const cidr = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'more' },
    spec: { cidrs: ['10.97.0.0/24'] },
  };
  assert.equal((await world.call(0, 'POST', '/apis/networking.k8s.io/v1/servicecidrs', cidr)).code, 201);
  assert.equal((await world.create('early', { ...web, clusterIP: '10.97.0.7' })).code, 422);
  const conditions = [
    { type: 'Ready', status: 'True', reason: '', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ];
  await world.call(
    0,
    'PATCH',
    '/apis/networking.k8s.io/v1/servicecidrs/more/status',
    { status: { conditions } },
    'application/merge-patch+json',
  );
  await world.clock.settle();
  created(await world.create('now', { ...web, clusterIP: '10.97.0.7' }, { server: 1 }));
});

it('repair frees what a crash left taken, after a while, and notes what was never noted', async (world) => {
  const kept = created(await world.create('kept', { ...web, type: 'NodePort' }));
  // What a server leaves that dies between the address and the Service.
  const { registry } = world.servers[0]!;
  const stored = registry.table.storedResource('', 'services')!;
  const lost = { metadata: { name: 'lost', namespace: 'default' }, spec: { ...web, type: 'NodePort' } };
  await registry.hooks.reserve(stored, lost, undefined, { dryRun: false, signal: new AbortController().signal });
  assert.deepEqual([(await world.addresses()).length, (await world.nodePorts()).length], [2, 2]);
  // And what nobody wrote down.
  await world.store.txn({ compare: [], success: [{ type: 'delete', key: `/registry/ipaddresses/${kept.clusterIP}` }] });
  await world.store.txn({ compare: [], success: [{ type: 'delete', key: nodePortsKey }] });
  await registry.hooks.reserve(
    stored,
    { ...lost, spec: { ...lost.spec, clusterIP: 'None', clusterIPs: ['None'] } },
    undefined,
    {
      dryRun: false,
      signal: new AbortController().signal,
    },
  );
  await world.clock.settle();
  const stop = new AbortController();
  const running = world.allocators[1]!.repair(stop.signal);
  await world.clock.settle();
  assert.ok((await world.addresses()).includes(kept.clusterIP!), 'noted at once');
  assert.ok((await world.nodePorts()).includes(kept.ports![0]!.nodePort!));
  assert.equal((await world.addresses()).length, 2, 'a fresh address may belong to a write under way');
  assert.equal((await world.nodePorts()).length, 2);
  await world.clock.advance(4 * 180_000);
  assert.deepEqual(await world.addresses(), [kept.clusterIP!]);
  assert.deepEqual(await world.nodePorts(), [kept.ports![0]!.nodePort!]);
  stop.abort();
  await running;
});

/** What is kept between changes must not be seen: after any changes the index answers as one made anew from the same objects. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import { createAsker, createSampleCluster, queryBytes, replyText, service, slice } from './testdata/sample-cluster.ts';

const serviceNames = ['a', 'b'];
const sliceNames = ['s1', 's2', 's3'];
const endpoint = fc.record({
  addresses: fc.constantFrom(['10.0.0.1'], ['10.0.0.2'], ['10.0.0.3']),
  hostname: fc.constantFrom('h1', 'h2'),
  conditions: fc.constantFrom({}, { ready: true }, { ready: false }),
});
const change = fc.oneof(
  fc.record({
    kind: fc.constant('service' as const),
    name: fc.constantFrom(...serviceNames),
    spec: fc.constantFrom(
      undefined,
      { clusterIP: 'None', clusterIPs: ['None'] },
      { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [{ name: 'http', port: 80 }] },
      { clusterIP: '10.96.0.2', clusterIPs: ['10.96.0.2'], ports: [{ name: 'dns', port: 53 }] },
      { type: 'ExternalName', externalName: 'a.default.svc.cluster.local' },
    ),
  }),
  fc.record({
    kind: fc.constant('slice' as const),
    name: fc.constantFrom(...sliceNames),
    of: fc.option(fc.constantFrom(...serviceNames)),
    endpoints: fc.array(endpoint, { maxLength: 3 }),
    port: fc.constantFrom(80, 81),
  }),
  fc.record({ kind: fc.constant('ask' as const) }),
);

const questions = [
  ...serviceNames.flatMap((name) => {
    const full = `${name}.default.svc.cluster.local`;
    return [queryBytes(full, 'A'), queryBytes(full, 'SRV'), queryBytes(`h1.${full}`, 'A')];
  }),
  ...['1.0.0.10', '2.0.0.10', '1.0.96.10', '2.0.96.10'].map((name) => queryBytes(`${name}.in-addr.arpa`, 'PTR')),
];

test('cluster index: after any changes it answers as one made anew', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
      const lasting = createSampleCluster();
      lasting.namespaces.set({ metadata: { name: 'default' } });
      const ask = createAsker(lasting);
      const answers = (asker: typeof ask): string[][] =>
        questions.map((query) => replyText(asker(query, { transport: 'tcp' })!).sort());
      const slices = new Map<string, EndpointSlice>();
      const services = new Map<string, ReturnType<typeof service>>();
      for (const step of changes) {
        if (step.kind === 'service') {
          if (step.spec) services.set(step.name, service(step.name, step.spec));
          else services.delete(step.name);
          if (step.spec) lasting.services.set(services.get(step.name)!);
          else lasting.services.delete(`default/${step.name}`);
        } else if (step.kind === 'slice') {
          if (step.of === null) {
            slices.delete(step.name);
            lasting.slices.delete(`default/${step.name}`);
          } else {
            const ports = [{ name: 'http', protocol: 'TCP', port: step.port }];
            slices.set(step.name, slice(step.of, step.endpoints, { name: step.name, ports }));
            lasting.slices.set(slices.get(step.name)!);
          }
        } else answers(ask);
      }
      const fresh = createSampleCluster();
      fresh.namespaces.set({ metadata: { name: 'default' } });
      for (const object of slices.values()) fresh.slices.set(object);
      for (const object of services.values()) fresh.services.set(object);
      assert.deepEqual(answers(ask), answers(createAsker(fresh)));
    }),
    { numRuns: 300 },
  );
});

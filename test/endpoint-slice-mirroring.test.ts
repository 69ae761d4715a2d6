/** Hand-made Endpoints and their slices, on the real API server in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources } from '../src/api/types/resources.ts';
import { endpointSliceController } from '../src/controllers/endpoint-slice/controller.ts';
import { endpointSliceMirroringController } from '../src/controllers/endpoint-slice-mirroring/controller.ts';
import { endpointsController } from '../src/controllers/endpoints/controller.ts';
import { namespace, withWorkloads } from './support/workload-cluster.ts';

test('endpoint slice mirroring: slices follow hand-made Endpoints until the Service selects pods', () =>
  withWorkloads(
    {
      controllers: [endpointSliceMirroringController(), endpointsController(), endpointSliceController()],
      kubelet: false,
      nodes: 0,
    },
    async ({ client, clock, events }) => {
      const services = client.resource(resources.services);
      const endpoints = client.resource(resources.endpoints);
      const slices = client.resource(resources.endpointSlices);
      const mirrored = async () => {
        await clock.advance(5_000);
        const { items } = await slices.list({
          namespace,
          labelSelector: 'endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io',
        });
        return items.map(
          (slice) => `${slice.addressType} ${(slice.endpoints ?? []).map((e) => e.addresses[0]).join()}`,
        );
      };
      const subsets = (...ips: string[]) => [{ addresses: ips.map((ip) => ({ ip })), ports: [{ port: 5432 }] }];
      await endpoints.create({ metadata: { name: 'db', namespace }, subsets: subsets('192.0.2.1') });
      assert.deepEqual(await mirrored(), [], 'there is no Service');
      await services.create({ metadata: { name: 'db', namespace }, spec: { ports: [{ port: 5432 }] } });
      assert.deepEqual(await mirrored(), ['IPv4 192.0.2.1']);
      const current = await endpoints.get('db', { namespace });
      await endpoints.update({ ...current, subsets: subsets('192.0.2.1', '192.0.2.2', '2001:db8::1') });
      assert.deepEqual((await mirrored()).sort(), ['IPv4 192.0.2.1,192.0.2.2', 'IPv6 2001:db8::1']);
      const [slice] = (await slices.list({ namespace })).items;
      await slices.delete(slice!.metadata.name!, { namespace });
      assert.equal((await mirrored()).length, 2, 'made again');
      const skip = { metadata: { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } } };
      await endpoints.patch('db', { type: 'merge', patch: skip }, { namespace });
      assert.deepEqual(await mirrored(), []);
      await endpoints.patch('db', { type: 'merge', patch: { metadata: { labels: null } } }, { namespace });
      assert.equal((await mirrored()).length, 2);
      await services.patch('db', { type: 'merge', patch: { spec: { selector: { app: 'db' } } } }, { namespace });
      assert.deepEqual(await mirrored(), []);
      assert.deepEqual(await events('Endpoints'), []);
    },
  ));

/** Properties against naive twins: what a watcher was told equals what there is; an index equals a scan. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startTestServer } from '../testdata/test-server.ts';

const namespaces = ['a', 'a-b', 'b'];
const nodes = ['', 'n1', 'n2'];
const step = fc.record({
  verb: fc.constantFrom('create', 'label', 'delete'),
  namespace: fc.constantFrom(...namespaces),
  name: fc.constantFrom('p', 'q', 'r'),
  label: fc.constantFrom('x', 'y'),
  node: fc.constantFrom(...nodes),
});

interface Seen {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Record<string, string>;
    readonly resourceVersion: string;
  };
  readonly spec: { readonly nodeName?: string };
}
const id = ({ metadata }: Seen): string => `${metadata.namespace}/${metadata.name}`;

const views = [
  { query: '', path: '/api/v1/pods', of: () => true },
  { query: 'labelSelector=l%3Dx', path: '/api/v1/pods', of: (p: Seen) => p.metadata.labels?.l === 'x' },
  { query: '', path: '/api/v1/namespaces/a/pods', of: (p: Seen) => p.metadata.namespace === 'a' },
  { query: 'fieldSelector=spec.nodeName%3Dn1', path: '/api/v1/pods', of: (p: Seen) => p.spec.nodeName === 'n1' },
  {
    query: 'fieldSelector=metadata.name%3Dq',
    path: '/api/v1/namespaces/b/pods',
    of: (p: Seen) => p.metadata.namespace === 'b' && p.metadata.name === 'q',
  },
] as const;

test('watch cache: a watcher that replays its events knows what a list shows, and a list is a filtered scan', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const t = await startTestServer();
      const streams = await Promise.all(views.map(({ path, query }) => t.watch(`${path}?watch=1&${query}`)));
      for (const { verb, namespace, name, label, node } of steps) {
        const pods = `/api/v1/namespaces/${namespace}/pods`;
        if (verb === 'create')
          await t.send('POST', pods, {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name, labels: { l: label } },
            spec: { ...(node ? { nodeName: node } : {}), containers: [{ name: 'c', image: 'i' }] },
          });
        else if (verb === 'label')
          await t.send(
            'PATCH',
            `${pods}/${name}`,
            { metadata: { labels: { l: label } } },
            { 'content-type': 'application/merge-patch+json' },
          );
        else await t.send('DELETE', `${pods}/${name}?gracePeriodSeconds=0`);
      }
      const all = (await t.send('GET', '/api/v1/pods')).body.items as readonly Seen[];
      for (const [i, { path, query, of }] of views.entries()) {
        const known = new Map<string, string>();
        for (const frame of streams[i]!.take() ?? []) {
          const object = frame.object() as unknown as Seen;
          if (frame.type === 'DELETED') known.delete(id(object));
          else known.set(id(object), object.metadata.resourceVersion);
        }
        const want = all.filter(of).map((p) => [id(p), p.metadata.resourceVersion]);
        const listed = (await t.send('GET', `${path}?${query}`)).body.items as readonly Seen[];
        assert.deepEqual(
          listed.map((p) => [id(p), p.metadata.resourceVersion]),
          want,
        );
        assert.deepEqual([...known].sort(), [...want].sort());
      }
      await t.stop();
    }),
    { numRuns: 40 },
  );
});

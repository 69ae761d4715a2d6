import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestServer } from '../../testdata/test-server.ts';

test('componentstatuses: asked when somebody looks', async () => {
  let failure: string | undefined;
  const { send, stop } = await startTestServer({ components: [{ name: 'scheduler', check: () => failure }] });
  const path = '/api/v1/componentstatuses';
  try {
    const well = { type: 'Healthy', status: 'True', message: 'ok' };
    const list = await send('GET', path);
    assert.equal(list.headers.warning, '299 - "v1 ComponentStatus is deprecated in v1.19+"');
    assert.deepEqual(list.body, {
      kind: 'ComponentStatusList',
      apiVersion: 'v1',
      metadata: {},
      items: [
        { metadata: { name: 'scheduler' }, conditions: [well] },
        { metadata: { name: 'etcd-0' }, conditions: [well] },
      ],
    });
    failure = 'connection refused';
    const one = await send('GET', `${path}/scheduler`);
    assert.deepEqual(one.body.conditions, [{ type: 'Healthy', status: 'False', message: failure }]);
    const table = await send('GET', path, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    assert.deepEqual(
      (table.body.rows as { cells: unknown }[]).map(({ cells }) => cells),
      [
        ['scheduler', 'Unhealthy', failure, ''],
        ['etcd-0', 'Healthy', 'ok', ''],
      ],
    );
    assert.equal((await send('GET', `${path}/none`)).body.message, 'componentstatus "none" not found');
    assert.deepEqual((await send('GET', `${path}?labelSelector=a`)).body.items, []);
    assert.equal((await send('GET', `${path}?fieldSelector=metadata.name%3Detcd-0`)).text.match(/etcd-0/g)?.length, 1);
    assert.equal((await send('GET', `${path}?labelSelector=a%3D%3D%3D`)).status, 400);
    assert.equal((await send('POST', path, {})).status, 405);
  } finally {
    await stop();
  }
});

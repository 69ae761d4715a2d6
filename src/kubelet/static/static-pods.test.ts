import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../base/console-log.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { createPodCompleter } from './complete-pod.ts';
import { createStaticPodFeed } from './static-pods.ts';

const manifest = (name: string, image = 'i') =>
  JSON.stringify({ kind: 'Pod', apiVersion: 'v1', metadata: { name }, spec: { containers: [{ name: 'c', image }] } });

test('static pods: appear, change and go with their files; what is no pod is left out and told', async () => {
  const path = mkdtempSync(join(tmpdir(), 'bireme-static-'));
  const complaints: string[] = [];
  const feed = createStaticPodFeed({
    nodeName: 'n1',
    path,
    url: '',
    urlHeader: {},
    fileCheckFrequencyMs: 1000,
    httpCheckFrequencyMs: 1000,
    complete: createPodCompleter(),
    clock: createVirtualClock(),
    log: { ...silentLogger, error: (_, pairs) => complaints.push(String(pairs?.error)) },
  });
  const seen: string[] = [];
  feed.subscribe({
    onPod: (pod) => void seen.push(`+${pod.metadata.name} ${pod.spec?.containers[0]?.image}`),
    onGone: (pod) => void seen.push(`-${pod.metadata.name} ${pod.spec?.containers[0]?.image}`),
  });
  const { signal } = new AbortController();
  try {
    writeFileSync(join(path, 'web.yaml'), manifest('web'));
    writeFileSync(join(path, '.hidden'), manifest('hidden'));
    writeFileSync(join(path, 'broken.yaml'), 'kind: Pod\nmetadata: {name: broken}\nspec: {}\n');
    await feed.look(signal);
    await feed.look(signal);
    writeFileSync(join(path, 'web.yaml'), manifest('web', 'j'));
    await feed.look(signal);
    const [pod] = feed.list();
    assert.deepEqual(
      [
        pod?.metadata.namespace,
        pod?.spec?.nodeName,
        pod?.spec?.restartPolicy,
        pod?.metadata.annotations?.['kubernetes.io/config.source'],
      ],
      ['default', 'n1', 'Always', 'file'],
    );
    assert.equal(pod?.metadata.annotations?.['kubernetes.io/config.hash'], pod?.metadata.uid);
    rmSync(join(path, 'web.yaml'));
    await feed.look(signal);
    assert.deepEqual(seen, ['+web-n1 i', '-web-n1 i', '+web-n1 j', '-web-n1 j']);
    assert.equal(complaints.length, 1);
    assert.match(complaints[0]!, /invalid pod: spec\.containers: Required value/);
  } finally {
    rmSync(path, { recursive: true });
  }
});

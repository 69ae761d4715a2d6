import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { createRealClock } from '../base/real-clock.ts';
import {
  addEntry,
  cleanUserKubeconfig,
  type KubeconfigEntry,
  laterChange,
  mergeUserKubeconfig,
  removeEntry,
} from './user-kubeconfig.ts';

const entry: KubeconfigEntry = {
  name: 'bireme',
  server: 'https://127.0.0.1:6443',
  certificateAuthority: 'CA',
  clientCertificate: 'CERT',
  clientKey: 'KEY',
};
const other = `# mine
apiVersion: v1
kind: Config
clusters:
- name: work
  cluster: {server: https://work} # keep
users: []
contexts:
- name: work
  context: {cluster: work, user: me}
current-context: work
preferences: {}
`;

test('kubeconfig: an entry goes into a foreign file and comes out, leaving comments and the current context as they were', () => {
  const { text, previousContext } = addEntry(other, entry);
  const merged = parse(text) as { contexts: { name: string }[]; 'current-context': string };
  assert.deepEqual(
    merged.contexts.map((c) => c.name),
    ['work', 'bireme'],
  );
  assert.equal(merged['current-context'], 'bireme');
  assert.match(text, /# keep/);
  assert.equal(previousContext, 'work');
  const back = removeEntry(text, 'bireme', previousContext);
  assert.deepEqual(parse(back!), parse(other));
  assert.match(back!, /# mine/);
});

test('kubeconfig: adding twice replaces the entry', () => {
  const once = addEntry(other, entry).text;
  const twice = addEntry(once, { ...entry, server: 'https://127.0.0.1:7443' });
  const merged = parse(twice.text) as { clusters: { name: string; cluster: { server: string } }[] };
  assert.deepEqual(
    merged.clusters.map((c) => `${c.name} ${c.cluster.server}`),
    ['work https://work', 'bireme https://127.0.0.1:7443'],
  );
});

test('kubeconfig: a context the user switched to meanwhile stays current', () => {
  const { text } = addEntry(other, entry);
  const switched = text.replace('current-context: bireme', 'current-context: work');
  assert.equal(
    (parse(removeEntry(switched, 'bireme', '')!) as { 'current-context': string })['current-context'],
    'work',
  );
});

test('kubeconfig: a file that is not a mapping is refused, not overwritten', () => {
  assert.throws(() => addEntry('- a\n- b\n', entry), /not a YAML mapping/);
});

test('kubeconfig: a file that we made is 0600 and goes away again, with its lock', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-kubeconfig-'));
  try {
    const clock = createRealClock();
    const path = join(folder, '.kube', 'config');
    const change = await mergeUserKubeconfig(path, entry, { clock });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(existsSync(`${path}.lock`), false);
    await cleanUserKubeconfig(change, clock);
    assert.equal(existsSync(join(folder, '.kube')), false);
    mkdirSync(join(folder, '.kube'));
    writeFileSync(path, other);
    await cleanUserKubeconfig(await mergeUserKubeconfig(path, entry, { clock }), clock);
    assert.deepEqual(parse(readFileSync(path, 'utf8')), parse(other));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('kubeconfig: what nobody touched since comes back letter by letter, over a second start too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-kubeconfig-'));
  try {
    const clock = createRealClock();
    const path = join(folder, 'config');
    const odd = 'apiVersion: v1\nkind: Config\ncurrent-context: "" # mine\n';
    writeFileSync(path, odd);
    const first = await mergeUserKubeconfig(path, entry, { clock });
    const moved = { ...entry, server: 'https://127.0.0.1:7443' };
    const both = laterChange(first, await mergeUserKubeconfig(path, moved, { clock }));
    await cleanUserKubeconfig(both, clock);
    assert.equal(readFileSync(path, 'utf8'), odd);

    const again = await mergeUserKubeconfig(path, entry, { clock });
    writeFileSync(path, `${readFileSync(path, 'utf8')}extensions: []\n`);
    const late = laterChange(again, await mergeUserKubeconfig(path, moved, { clock }));
    assert.equal(late.before, undefined);
    await cleanUserKubeconfig(late, clock);
    assert.match(readFileSync(path, 'utf8'), /extensions/);
    assert.doesNotMatch(readFileSync(path, 'utf8'), /7443/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/**
 * kubectl, unchanged, asks our API server what upstream's answered once (`answers.txt`): Done when 2 of issue 4. The newest kubectl at hand runs all
 * commands, the others those where versions speak differently; KUBECTL_ALL=1 runs everything with each, 0 nothing, KUBECTL_ONLY=1.20,1.33
 * only these versions; KUBECTL_REPORT=FILE gets what differs.
 */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Node } from '../../src/api/types/core-v1.ts';
import { createKubeletClient } from '../../src/cluster/kubelet-client.ts';
import { findCommand, kubectlVersion, requires } from '../requirements.ts';
import { startHttpsControlPlane } from '../support/https-control-plane.ts';
import { differences, readAnswers } from './answers.ts';
import { readCommands, runCommands, versions } from './commands.ts';

/** `equal`: how many answers are, of all commands, by version; may only rise. `reasons`: why a command's answer differs. */
const { equal, reasons } = JSON.parse(readFileSync(new URL('score.json', import.meta.url), 'utf8')) as {
  readonly equal: Readonly<Record<string, number>>;
  readonly reasons: Readonly<Record<string, string>>;
};
const answers = readAnswers();
const { KUBECTL_ONLY: only, KUBECTL_ALL: all, KUBECTL_REPORT: report } = process.env;
const usable = versions.filter(
  (version) => findCommand(kubectlVersion(version)) && (only?.split(',').includes(version) ?? true),
);

test('recorded: kubectl hears from us what upstream answers', { concurrency: true }, async (t) => {
  if (usable.length === 0) {
    requires(t, { optional: versions.map(kubectlVersion) });
    return;
  }
  await Promise.all(usable.map((version) => t.test(`kubectl ${version}`, (t) => replay(t, version))));
});

async function replay(t: TestContext, version: string): Promise<void> {
  const plane = await startHttpsControlPlane(({ clock }) => {
    const kubelet = createKubeletClient({
      clock,
      node: (name) => plane.controlPlane.server.reader.get('', 'nodes', '', name) as unknown as Node | undefined,
      hollow: () => undefined,
    });
    t.after(() => kubelet.close());
    return { kubelet };
  });
  t.after(() => plane.stop());
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, plane.kubeconfig, { mode: 0o600 });

  const everything = all === undefined ? version === usable.at(-1) : all === '1';
  const commands = readCommands().filter(({ short }) => short || everything);
  const unexpected: string[] = [];
  let asked = 0;
  let count = 0;
  for await (const [key, outcome] of runCommands({ kubectl: kubectlVersion(version), kubeconfig, folder }, commands)) {
    asked++;
    const lines = differences(outcome, answers.get(version)!.get(key));
    if (lines.length === 0) count++;
    else {
      const text = [`kubectl ${key}`, ...lines.map((line) => `  ${line}`)].join('\n');
      if (report) appendFileSync(report, `${version}: ${text}\n\n`);
      if (!(key in reasons)) unexpected.push(text);
    }
  }
  console.log(`kubectl ${version}: ${count} of ${asked} answers are upstream's`);
  assert.deepEqual(unexpected, []);
  if (!everything) return;
  assert.ok(count >= equal[version]!, `${count} answers are upstream's, there were ${equal[version]}`);
  if (count > equal[version]!)
    console.log(`kubectl ${version} rose to ${count}; write it into test/kubectl/score.json`);
}

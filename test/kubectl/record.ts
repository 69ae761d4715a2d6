/**
 * Records what another API server, fresh and without controllers, answers to one kubectl:
 *
 *   KUBECONFIG=theirs.conf node test/kubectl/record.ts --version 1.33
 *   KUBECONFIG=theirs.conf node test/kubectl/record.ts --version 1.33 --check
 *
 * `--check` runs the short list, on a fresh server again, and says which answers depend on commands that are not in it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { kubectlVersion } from '../requirements.ts';
import { differences, readAnswers, writeAnswers } from './answers.ts';
import { readCommands, runCommands } from './commands.ts';

const { values } = parseArgs({
  options: { version: { type: 'string', default: '1.33' }, check: { type: 'boolean', default: false } },
});
const { version, check } = values;
const { KUBECONFIG: kubeconfig } = process.env;
if (!kubeconfig) throw new Error('KUBECONFIG names the server');
const folder = mkdtempSync(join(tmpdir(), 'kubectl-'));
try {
  const commands = readCommands().filter(({ short }) => short || !check);
  const runner = { kubectl: kubectlVersion(version), kubeconfig, folder };
  const outcomes = new Map(await Array.fromAsync(runCommands(runner, commands)));
  if (check) {
    const answers = readAnswers().get(version)!;
    for (const [key, outcome] of outcomes)
      for (const line of differences(outcome, answers.get(key)!)) console.log(`${key}: ${line}`);
  } else writeAnswers(version, outcomes);
  console.log(`${version}: ${outcomes.size} commands`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Runs all commands with one kubectl against our API server and another's, and prints what differs.
 *
 *   UPSTREAM_KUBECONFIG=theirs.conf OURS_KUBECONFIG=ours.conf node test/kubectl/compare.ts --kubectl kubectl [--short] [--record golden.json]
 *
 * `--record` writes the other server's outcomes, for `kubectl.test.ts`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { differences, readCommands, runCommands } from './commands.ts';

const { values } = parseArgs({
  options: {
    kubectl: { type: 'string', default: 'kubectl' },
    short: { type: 'boolean', default: false },
    record: { type: 'string' },
    run: { type: 'string', default: '1' },
  },
});
const { UPSTREAM_KUBECONFIG: upstream, OURS_KUBECONFIG: own } = process.env;
if (!upstream || !own) throw new Error('UPSTREAM_KUBECONFIG and OURS_KUBECONFIG name the two servers');
const commands = readCommands().filter(({ short }) => short || !values.short);
const folder = mkdtempSync(join(tmpdir(), 'kubectl-'));
try {
  const [ours, theirs] = await Promise.all(
    [own, upstream].map((kubeconfig, i) =>
      runCommands(
        {
          kubectl: values.kubectl,
          kubeconfig,
          namespace: `kc${values.run}`,
          folder: mkdtempSync(join(folder, `${i}-`)),
        },
        commands,
      ),
    ),
  );
  const different = differences(ours!, theirs!);
  console.log(different.join('\n\n'));
  console.log(`${values.kubectl}: ${ours!.size - different.length} of ${ours!.size} commands equal`);
  if (values.record) writeFileSync(values.record, `${JSON.stringify(Object.fromEntries(theirs!), null, 1)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

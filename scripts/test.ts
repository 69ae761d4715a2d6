/**
 * `npm test`: every test once. Tests on real machines (test/e2e) get a second try, if nothing else failed and not more than two files of them;
 * those that needed it are named at the end (docs/decisions/0006-second-try.md). Arguments are given to `node --test`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const secondTries = 2;

/** @returns the files in which something failed; null when the runner failed without naming one. */
function runTests(files: readonly string[]): readonly string[] | null {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-test-'));
  try {
    const failed = join(folder, 'failed');
    const reporters = [
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=./test/failed-files.ts',
      `--test-reporter-destination=${failed}`,
    ];
    const { status, error } = spawnSync(
      process.execPath,
      ['--test', '--import', './test/property-seed.ts', ...reporters, ...process.argv.slice(2), ...files],
      { cwd: root, stdio: 'inherit' },
    );
    if (error) throw error;
    if (status === 0) return [];
    const named = readFileSync(failed, 'utf8').split('\n').filter(Boolean);
    return named.length > 0 ? named.map((file) => relative(root, file)) : null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const failed = runTests(['src/**/*.test.ts', 'test/**/*.test.ts']);
const mayTryAgain =
  failed?.length && failed.length <= secondTries && failed.every((file) => file.startsWith('test/e2e/'));
if (!failed || (failed.length > 0 && !mayTryAgain)) process.exitCode = 1;
else if (failed.length > 0) {
  console.log(`\nA second try for ${failed.join(', ')}\n`);
  const again = runTests(failed);
  if (again?.length === 0) console.log(`\nUnsteady, passed at the second try only: ${failed.join(', ')}`);
  else process.exitCode = 1;
}

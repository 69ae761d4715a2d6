/**
 * Builds the published package into dist/: one bundle per entry with shared chunks, so that what is loaded late (x509, gRPC, OpenAPI) stays
 * apart and V8's compile cache covers the rest.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundle, repository } from './bundle.ts';

// Another folder by argument, for a test that must not touch the one that is published.
const dist = resolve(process.argv[2] ?? join(repository, 'dist'));
rmSync(dist, { recursive: true, force: true });
const { outputs } = await bundle({ bireme: 'src/cli/main.ts', testing: 'src/testing/index.ts' }, dist);
const bytes = Object.values(outputs).reduce((sum, output) => sum + output.bytes, 0);
console.log(`dist: ${Object.keys(outputs).length} files, ${(bytes / 1e6).toFixed(2)} MB`);

// Declarations of what `bireme/testing` exports, for people who write tests against it. They refer to each other by `.ts`, which a package
// that ships no sources must not.
const types = join(dist, 'types');
const tsc = spawnSync(
  join(repository, 'node_modules', '.bin', 'tsc'),
  ['-p', join(repository, 'tsconfig.types.json'), '--outDir', types],
  { stdio: 'inherit' },
);
if (tsc.status !== 0) process.exit(tsc.status ?? 1);
for (const entry of readdirSync(types, { recursive: true, encoding: 'utf8' })) {
  if (!entry.endsWith('.d.ts')) continue;
  const path = join(types, entry);
  writeFileSync(path, readFileSync(path, 'utf8').replace(/(from '|import\(')(\.[^']*)\.ts'/g, "$1$2.js'"));
}

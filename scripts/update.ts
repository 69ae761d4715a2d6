/**
 * Writes every generated file (`npm run update`); with `--verify` writes nothing and fails, naming the files, when one is out of date.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSchema, type ResourcesFile, type TypeFile } from '../src/api/schema/load.ts';
import { type CriNode, renderCri } from './generate-cri.ts';
import { renderTypes } from './generate-types.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));

const packages = readdirSync(join(root, 'schema/types'))
  .sort()
  .map((file) => file.replace(/\.json$/, ''));
const files: Record<string, TypeFile> = {};
for (const pkg of packages) files[pkg] = read(`schema/types/${pkg}.json`) as TypeFile;
const schema = buildSchema(files, read('schema/resources.json') as ResourcesFile);

const generated = renderTypes(schema, packages);
generated.set('src/runtime/cri-types.ts', renderCri(read('schema/cri.json') as CriNode));
const stale: string[] = [];
const verify = process.argv.includes('--verify');
for (const [path, content] of generated) {
  const full = join(root, path);
  if (existsSync(full) && readFileSync(full, 'utf8') === content) continue;
  stale.push(path);
  if (verify) continue;
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content);
}
for (const file of readdirSync(join(root, 'src/api/types'))) {
  const path = `src/api/types/${file}`;
  if (generated.has(path)) continue;
  stale.push(path);
  if (!verify) unlinkSync(join(root, path));
}
if (verify && stale.length > 0) {
  console.error(`Out of date, run \`npm run update\`:\n  ${stale.join('\n  ')}`);
  process.exit(1);
}
console.log(
  verify
    ? `${generated.size} generated files are up to date`
    : `${stale.length} of ${generated.size} generated files written`,
);

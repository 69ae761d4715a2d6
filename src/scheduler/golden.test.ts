/** Golden scripts of `testdata/*.golden`. `UPDATE_GOLDEN=1` rewrites them; review the difference. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runScript } from './testdata/script.ts';

const folder = join(import.meta.dirname, 'testdata');

for (const file of readdirSync(folder).filter((name) => name.endsWith('.golden'))) {
  test(`scheduler: the script ${file} prints what it did`, () => {
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    const actual = runScript(text);
    if (process.env.UPDATE_GOLDEN) writeFileSync(path, actual);
    else assert.equal(actual, text);
  });
}

/**
 * How many golden cases match exactly, a number per group that may only rise (`score.json`). With GOLDEN_REPORT=FILE the failing cases and what differs go into
 * that file, to work from.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { groups, loadCases } from './cases.ts';
import { type Outcome, Runner } from './runner.ts';
import { startGoldenServer } from './server.ts';

type Score = Record<string, number>;

test('golden: no fewer cases match than before', async () => {
  const server = await startGoldenServer();
  const runner = new Runner(server);
  const score: Score = {};
  const totals: Score = {};
  const failures: string[] = [];
  // Discovery was recorded on an empty server: the other cases make custom resources and APIServices.
  for (const group of groups.toSorted((a, b) => Number(b === 'discovery') - Number(a === 'discovery'))) {
    const cases = loadCases(group);
    // Discovery was recorded of a server without any kinds of users, the generated cases of one of their own.
    const fresh = group === 'discovery' || group === 'generated' ? await startGoldenServer() : undefined;
    const outcomes = await (fresh ? new Runner(fresh) : runner).run(cases);
    await fresh?.stop();
    totals[group] = outcomes.length;
    score[group] = outcomes.filter((o) => o.differences.length === 0).length;
    failures.push(...outcomes.filter((o) => o.differences.length > 0).map((o) => report(group, o)));
  }
  await server.stop();
  const file = process.env.GOLDEN_REPORT;
  if (file) writeFileSync(file, failures.join('\n'));
  const best = JSON.parse(readFileSync(new URL('score.json', import.meta.url), 'utf8')) as Score;
  const line = groups.map((g) => `${g} ${score[g]}/${totals[g]}`).join(', ');
  console.log(`golden: ${line}`);
  for (const group of groups) {
    assert.ok(score[group]! >= (best[group] ?? 0), `${group}: ${score[group]} cases match, there were ${best[group]}`);
    if (score[group]! > (best[group] ?? 0))
      console.log(`golden: ${group} rose to ${score[group]}; write it into test/golden/score.json`);
  }
});

const report = (group: string, { name, differences }: Outcome): string =>
  `== ${group} ${name}\n${differences.map((line) => `   ${line}`).join('\n')}`;

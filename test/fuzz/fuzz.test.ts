/**
 * `FUZZ_SECONDS=600 node --test test/fuzz/fuzz.test.ts` for longer, `FUZZ_SEED=random` elsewhere, `FUZZ_SEED=n` for the same again, `FUZZ_SEED=n FUZZ_ROUND=m` for one round of it.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { fuzz } from './fuzz.ts';

const seconds = Number(process.env.FUZZ_SECONDS ?? 20);
const given = process.env.FUZZ_SEED;
/** The same in every run of CI, as the property tests': what fails there is what was changed. */
const seed = given === 'random' ? randomInt(2 ** 31) : Number(given ?? 20_261_123);
const round = process.env.FUZZ_ROUND === undefined ? undefined : Number(process.env.FUZZ_ROUND);

test(`fuzz: nothing random makes the API server fail (seed ${seed})`, { timeout: (seconds + 120) * 1000 }, async () => {
  const start = performance.now();
  const result = await fuzz({
    seed,
    goOn: () => round !== undefined || performance.now() - start < seconds * 1000,
    ...(round === undefined ? {} : { round }),
  });
  console.log(
    `fuzz: seed ${seed}: ${result.requests} requests, ${result.stored} stored objects read back; ${JSON.stringify(result.statuses)}`,
  );
  const told = result.findings.map(
    ({ what, where, request, status, answer }) =>
      `${where}: ${what}\n  ${request.method} ${request.path}?${request.query} ${JSON.stringify(request.headers)} as ${request.user}\n  ${
        request.body === undefined ? '' : JSON.stringify(Buffer.from(request.body).toString('latin1').slice(0, 1500))
      }\n  ${status} ${answer}`,
  );
  assert.equal(told.length, 0, told.join('\n\n'));
});

/**
 * Loaded before every test file: property tests draw from one seed, so that a run can be repeated and CI says the same twice.
 * `PROPERTY_SEED=random npm test` looks elsewhere; a failure prints its seed, to be given as `PROPERTY_SEED=123`.
 */
import fc from 'fast-check';

const given = process.env.PROPERTY_SEED;
if (given !== 'random')
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: given === undefined ? 20_261_123 : Number(given) });

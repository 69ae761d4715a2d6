import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlagError, type FlagSpecs, parseDuration, parseFlags } from './flags.ts';

const specs: FlagSpecs = {
  'leader-elect': { type: 'bool', default: 'true' },
  'secure-port': { type: 'int', default: '10259' },
  concurrent: { type: 'int32', default: '5' },
  'lease-duration': { type: 'duration', default: '15s' },
  names: { type: 'strings', default: '[a,b]' },
  issuer: { type: 'stringArray' },
  gates: { type: 'mapStringBool' },
  kubeconfig: { type: 'string' },
  v: { type: 'Level', shorthand: 'v' },
};

test('flags: a value follows an equals sign or stands alone; a switch needs none', () => {
  const flags = parseFlags(specs, ['--secure-port', '0', '--kubeconfig=/a=b', '--leader-elect=false', '-v=4']);
  assert.deepEqual(
    [flags.number('secure-port'), flags.text('kubeconfig'), flags.bool('leader-elect'), flags.number('v')],
    [0, '/a=b', false, 4],
  );
  assert.equal(parseFlags(specs, ['--leader-elect']).bool('leader-elect'), true);
  assert.equal(parseFlags(specs, ['-v3']).number('v'), 3);
});

test('flags: what is not given has its default', () => {
  const flags = parseFlags(specs, []);
  assert.deepEqual(
    [flags.number('secure-port'), flags.duration('lease-duration'), flags.list('names'), flags.optional('kubeconfig')],
    [10259, 15_000, ['a', 'b'], undefined],
  );
  assert.deepEqual(flags.given, []);
});

test('flags: an underscore counts as a dash', () => {
  assert.equal(parseFlags(specs, ['--secure_port=1']).number('secure-port'), 1);
});

test('flags: the last value wins, lists and maps add up, an array keeps its commas', () => {
  const flags = parseFlags(specs, [
    '--secure-port=1',
    '--secure-port=2',
    '--names=x,y',
    '--names=z',
    '--issuer=a,b',
    '--issuer=c',
    '--gates=A=true,B=false',
    '--gates=__proto__=x',
  ]);
  assert.equal(flags.number('secure-port'), 2);
  assert.deepEqual(flags.list('names'), ['x', 'y', 'z']);
  assert.deepEqual(flags.list('issuer'), ['a,b', 'c']);
  assert.deepEqual(Object.entries(flags.map('gates')), [
    ['A', 'true'],
    ['B', 'false'],
    ['__proto__', 'x'],
  ]);
});

const refused: readonly (readonly [readonly string[], string])[] = [
  [['--nothing'], 'unknown flag: --nothing'],
  [['--constructor=1'], 'unknown flag: --constructor'],
  [['-x'], "unknown shorthand flag: 'x' in -x"],
  [['--secure-port'], 'flag needs an argument: --secure-port'],
  [['--secure-port=x'], 'invalid argument "x" for "--secure-port" flag: strconv.ParseInt: parsing "x": invalid syntax'],
  [
    ['--concurrent=3000000000'],
    'invalid argument "3000000000" for "--concurrent" flag: strconv.ParseInt: parsing "3000000000": value out of range',
  ],
  [
    ['--leader-elect=yes'],
    'invalid argument "yes" for "--leader-elect" flag: strconv.ParseBool: parsing "yes": invalid syntax',
  ],
  [['--lease-duration=15'], 'invalid argument "15" for "--lease-duration" flag: time: invalid duration "15"'],
  [['-v=x'], 'invalid argument "x" for "-v, --v" flag: strconv.ParseInt: parsing "x": invalid syntax'],
  [['--=x'], 'bad flag syntax: --=x'],
  [['serve'], 'unknown command "serve"'],
];
for (const [args, message] of refused)
  test(`flags: ${args.join(' ')} is refused in upstream's words`, () => {
    assert.throws(
      () => parseFlags(specs, args),
      (error: unknown) => error instanceof FlagError && error.message === message,
    );
  });

test('flags: durations are Go durations', () => {
  assert.deepEqual(['1h0m0s', '1.5s', '100ms', '-2m', '0', '', '5', '1d', '1s x'].map(parseDuration), [
    3_600_000,
    1500,
    100,
    -120_000,
    0,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CelCompileError, CelError, compile, createEnvironment, fromJson, perCallLimit, toJson } from './index.ts';
import { dyn } from './types.ts';

const environment = createEnvironment({ variables: { object: dyn, other: dyn } });
const variables = (name: string) =>
  name === 'object' ? fromJson({ a: 1, b: 1.5, list: [3, 1, 2], map: { x: 'y' }, name: 'web' }) : undefined;
const run = (text: string): unknown => toJson(compile(text, environment).program.run(variables, perCallLimit).value);

const values: readonly [text: string, value: unknown][] = [
  ['1 + 2 * 3', 7],
  ['-2 - -3', 1],
  ['7 / 2', 3],
  ['-7 % 3', -1],
  ['1.5 + 2.5', 4],
  ['"a" + "b"', 'ab'],
  ['[1, 2] + [3]', [1, 2, 3]],
  ['1 < 2 && 2 <= 2', true],
  ['dyn(1) == 1.0', true],
  ['1u == dyn(1)', true],
  ['"x" in {"x": 1}', true],
  ['2 in [1, 2]', true],
  ['object.a == 1', true],
  ['object.b == 1.5', true],
  ['has(object.a) && !has(object.z)', true],
  ['object.list.all(x, x > 0)', true],
  ['object.list.exists(x, x == 2)', true],
  ['object.list.exists_one(x, x > 2)', true],
  ['object.list.map(x, x * 2)', [6, 2, 4]],
  ['object.list.filter(x, x > 1)', [3, 2]],
  ['[1, 2, 3].map(x, x > 1, x + 1)', [3, 4]],
  ['object.map.all(k, k == "x")', true],
  ['[{"a": 1}, {}].exists(x, x.a == 1)', true],
  ['[{}, {"a": 1}].exists(x, x.a == 1)', true],
  ['true || 1 / 0 == 1', true],
  ['1 / 0 == 1 || true', true],
  ['size("héllo") == 5', true],
  ['"%s is %d, %.2f".format([dyn("a"), 1, 1.5])', 'a is 1, 1.50'],
  ['"a,b".split(",")', ['a', 'b']],
  ['["a", "b"].join("-")', 'a-b'],
  ['"hello".replace("l", "L", 1)', 'heLlo'],
  ['"hello".substring(1, 3)', 'el'],
  ['"Hello".lowerAscii()', 'hello'],
  ['"hello".indexOf("l")', 2],
  ['"hello".lastIndexOf("l")', 3],
  ['"abc".charAt(1)', 'b'],
  ['"foo123".matches("[0-9]+$")', true],
  ['"abc 123 45".findAll("[0-9]+")', ['123', '45']],
  ['[3, 1].isSorted()', false],
  ['[1, 2, 3].sum()', 6],
  ['[1, 2, 3].max()', 3],
  ['sets.contains([1, 2], [2])', true],
  ['url("https://a.example:80/p?q=1").getPort()', '80'],
  ['ip("10.0.0.1").family()', 4],
  ['cidr("10.0.0.0/8").containsIP("10.1.2.3")', true],
  ['cidr("10.0.0.0/8").containsCIDR(cidr("10.1.0.0/16"))', true],
  ['quantity("1Gi").isGreaterThan(quantity("1G"))', true],
  ['quantity("50k").asInteger()', 50_000],
  ['quantity("1").add(quantity("500m")).isInteger()', false],
  ['format.dns1123Label().validate("Bad").hasValue()', true],
  ['semver("1.2.3").isLessThan(semver("1.10.0"))', true],
  ['object.?z.orValue("none")', 'none'],
  ['object.?map.?x.orValue("none")', 'y'],
  ['[1, ?optional.none()]', [1]],
  ['duration("1h30m").getMinutes()', 90],
  ['timestamp("2024-01-02T03:04:05Z").getFullYear()', 2024],
  ['timestamp("2024-01-02T03:04:05Z") - timestamp("2024-01-01T03:04:05Z") == duration("24h")', true],
  ['string(timestamp("2024-01-02T03:04:05Z"))', '2024-01-02T03:04:05Z'],
  ['type(1) == int', true],
  ['int("42") + 1', 43],
  ['object.list[0] == 3', true],
  ['[1, 2].transformList(i, v, i + v)', [1, 3]],
  ['{"a": 1}.transformMap(k, v, v + 1)', { a: 2 }],
  ['[1, 2].all(i, v, v > i)', true],
  ['r"\\d" == "\\\\d"', true],
  ['"""a"b"""', 'a"b'],
  ['1 > 0 ? "yes" : "no"', 'yes'],
  ['[[1], [2]].flatten()', [1, 2]],
  ['[3, 1, 2].sort()', [1, 2, 3]],
  ['lists.range(3)', [0, 1, 2]],
];
for (const [text, value] of values) test(`cel: ${text}`, () => assert.deepEqual(run(text), value));

const failures: readonly [text: string, message: string][] = [
  ['object.z == 1', 'no such key: z'],
  ['1 / 0', 'division by zero'],
  ['object.list[5]', 'index out of bounds: 5'],
  ['9223372036854775807 + 1', 'integer overflow'],
  ['object.a + "x"', 'no such overload'],
];
for (const [text, message] of failures)
  test(`cel: ${text} fails with "${message}"`, () =>
    assert.throws(
      () => run(text),
      (error) => error instanceof CelError && error.message === message,
    ));

const refused: readonly [text: string, message: string][] = [
  [
    '1 + "a"',
    `ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | 1 + "a"\n | ..^`,
  ],
  ['missing.x', `ERROR: <input>:1:1: undeclared reference to 'missing' (in container '')\n | missing.x\n | ^`],
  ['foo(1)', `ERROR: <input>:1:4: undeclared reference to 'foo' (in container '')\n | foo(1)\n | ...^`],
  [
    '1 +',
    `ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 +\n | ...^`,
  ],
  ['[1, "a"]', `ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, "a"]\n | ....^`],
  ['1 && true', `ERROR: <input>:1:1: expected type 'bool' but found 'int'\n | 1 && true\n | ^`],
];
for (const [text, message] of refused)
  test(`cel: ${text} does not compile, in cel-go's words`, () =>
    assert.throws(
      () => compile(text, environment),
      (error) => {
        assert.ok(error instanceof CelCompileError);
        assert.equal(error.message, message);
        return true;
      },
    ));

test('cel: an expression that costs too much ends', () => {
  const items = Array.from({ length: 1_000 }, (_, i) => i);
  const { program } = compile('object.all(x, object.all(y, x + y >= 0))', environment);
  assert.throws(() => program.run(() => fromJson(items), perCallLimit), /actual cost limit exceeded/);
});

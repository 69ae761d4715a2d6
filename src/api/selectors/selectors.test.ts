import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatFieldMatcher, matchFields, parseFieldSelector, requiredFieldValue } from './field-selector.ts';
import {
  formatLabelMatcher,
  formatLabelSelector,
  labelMatcherFrom,
  matchLabels,
  requiredLabelValue,
} from './label-selector.ts';
import { parseLabelSelector } from './parse-label-selector.ts';

const objects: readonly (readonly [string, Readonly<Record<string, string>> | undefined])[] = [
  ['c0', { app: 'y', i: '0' }],
  ['c1', { app: 'x', i: '1' }],
  ['c2', { app: 'y', i: '2', only2: '' }],
  ['c3', { app: 'x', i: '3', only3: 'a' }],
  ['none', undefined],
];
for (const [why, selector, want] of [
  ['nothing asked', '', ['c0', 'c1', 'c2', 'c3', 'none']],
  ['equals', 'i=0', ['c0']],
  ['double equals', 'i==0', ['c0']],
  ['not equals matches what lacks the key', 'app!=x', ['c0', 'c2', 'none']],
  ['in', 'i in (0,1)', ['c0', 'c1']],
  ['notin matches what lacks the key', 'i notin (0,1,2)', ['c3', 'none']],
  ['exists', 'only3', ['c3']],
  ['does not exist, and', '!only3,app', ['c0', 'c1', 'c2']],
  ['greater', 'i>2', ['c3']],
  ['less', 'i<1', ['c0']],
  ['greater needs an integer label', 'app>0', []],
  ['an empty value', 'only2=', ['c2']],
  ['an empty set value', 'only2 in ()', ['c2']],
  ['empty members of a set', 'only2 in (,b)', ['c2']],
  ['in as a key and as a value', 'in in (in)', []],
  ['an inherited property is no label', 'constructor', []],
  ['spaces anywhere', '  app  =  x ,  i  in ( 1 , 2 ) ', ['c1']],
] as const)
  test(`label selector: ${why} (${selector})`, () => {
    const matcher = parseLabelSelector(selector);
    assert.deepEqual(
      objects.filter(([, labels]) => matchLabels(matcher, labels)).map(([name]) => name),
      want,
    );
  });

const keyRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
for (const [selector, message] of [
  ['i===', "unable to parse requirement: found '=', expected: identifier"],
  ['i in (0', "unable to parse requirement: found '', expected: ',' or ')'"],
  ['i=a b', "found 'b', expected: ',' or 'end of string'"],
  ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
  [
    'i>x',
    "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
  ],
  ['i$=1', `unable to parse requirement: <nil>: Invalid value: "i$": ${keyRule}`],
  ['i=0,', "found '', expected: identifier after ','"],
  [',a', "found ',', expected: !, identifier, or 'end of string'"],
  ['a in b', "unable to parse requirement: found 'b' expected: '('"],
  ['a in (=', "unable to parse requirement: found '=', expected: ',', ')' or identifier"],
  ['a in (,', "unable to parse requirement: found '', expected: ',', or identifier"],
  ['!x=a', "found '=', expected: ',' or 'end of string'"],
  ['!', "unable to parse requirement: found '', expected: identifier"],
] as const)
  test(`label selector: refuses ${selector}`, () =>
    assert.throws(() => parseLabelSelector(selector), { name: 'SelectorError', message }));

test('label selector: the canonical text is sorted by key and parses back', () => {
  const text = '!gone,app=x,here,i<9,i>2,tier in (a,b),zone notin (c)';
  assert.equal(
    formatLabelMatcher(parseLabelSelector('tier in (b,a), app=x, here, !gone, i>2, i<9, zone notin (c)')),
    text.replace('i<9,i>2', 'i>2,i<9').replace('!gone,app=x', 'app=x,!gone'),
  );
});

test('label selector: from the API type', () => {
  assert.equal(matchLabels(labelMatcherFrom(undefined), { a: 'b' }), false);
  assert.equal(matchLabels(labelMatcherFrom({}), { a: 'b' }), true);
  const matcher = labelMatcherFrom({
    matchLabels: { app: 'x' },
    matchExpressions: [{ key: 'i', operator: 'NotIn', values: ['3'] }],
  });
  assert.deepEqual(
    objects.filter(([, l]) => matchLabels(matcher, l)).map(([n]) => n),
    ['c1'],
  );
  assert.equal(requiredLabelValue(matcher, 'app'), 'x');
  assert.equal(requiredLabelValue(matcher, 'i'), undefined);
  assert.throws(() => labelMatcherFrom({ matchExpressions: [{ key: 'i', operator: 'Near' }] }), {
    message: '"Near" is not a valid label selector operator',
  });
  assert.throws(() => labelMatcherFrom({ matchExpressions: [{ key: 'i', operator: 'In' }] }), {
    message: "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty",
  });
  assert.equal(formatLabelSelector({}), '<none>');
});

const pods: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  p0: { 'metadata.name': 'p0', 'spec.nodeName': '' },
  p1: { 'metadata.name': 'p1', 'spec.nodeName': 'n1' },
  odd: { 'metadata.name': 'a=b,c\\', 'spec.nodeName': 'n1' },
};
for (const [why, selector, want] of [
  ['equals', 'metadata.name=p1', ['p1']],
  ['not equals', 'metadata.name!=p1', ['p0', 'odd']],
  ['an empty value', 'spec.nodeName=', ['p0']],
  ['not empty', 'spec.nodeName!=', ['p1', 'odd']],
  ['and, empty terms ignored', 'spec.nodeName==n1,,metadata.name=p1', ['p1']],
  ['escapes', 'metadata.name=a\\=b\\,c\\\\', ['odd']],
] as const)
  test(`field selector: ${why} (${selector})`, () => {
    const matcher = parseFieldSelector(selector);
    assert.deepEqual(
      Object.entries(pods)
        .filter(([, fields]) => matchFields(matcher, (f) => fields[f] ?? ''))
        .map(([name]) => name),
      want,
    );
  });

for (const [selector, message] of [
  ['metadata.name', "invalid selector: 'metadata.name'; can't understand 'metadata.name'"],
  ['metadata.name in (a,b)', "invalid selector: 'metadata.name in (a,b)'; can't understand 'b)'"],
  ['metadata.name=a\\', 'invalid field selector: invalid escape sequence: \\'],
  ['metadata.name=a\\x', 'invalid field selector: invalid escape sequence: \\x'],
  ['metadata.name=a=b', 'invalid field selector: unescaped character in value: 61'],
] as const)
  test(`field selector: refuses ${selector}`, () => assert.throws(() => parseFieldSelector(selector), { message }));

test('field selector: labels are converted, and the text reads back', () => {
  const matcher = parseFieldSelector('spec.host=n\\,1', (field, value) => [
    field === 'spec.host' ? 'spec.nodeName' : field,
    value,
  ]);
  assert.equal(requiredFieldValue(matcher, 'spec.nodeName'), 'n,1');
  assert.equal(formatFieldMatcher(matcher), 'spec.nodeName=n\\,1');
});

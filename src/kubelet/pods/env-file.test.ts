import assert from 'node:assert/strict';
import { test } from 'node:test';
import { variableOf } from './env-file.ts';

for (const [name, text, want] of [
  ['a value in single quotes', "A='one'\nKEY='two'\n", 'two'],
  ['a value over several lines', "KEY='one\ntwo'\n", 'one\ntwo'],
  ['what a shell would expand stays', "KEY='$HOME \\n'\n", '$HOME \\n'],
  ['a comment behind the value', "KEY='one' # why\n", 'one'],
  ['comments and blank lines', "# KEY='no'\n\n  \n  KEY='yes'\n", 'yes'],
  ['a space before the value: empty, as in a shell', "KEY= 'one'\n", ''],
  ['the first of two', "KEY='one'\nKEY='two'\n", 'one'],
  ['lines that end as on Windows', "KEY='one'\r\n", 'one'],
  ['a key that is not there', "A='one'\n", ''],
  ['what comes behind the key is not judged', "KEY='one'\nnonsense\n", 'one'],
] as const)
  test(`env file: ${name}`, () => assert.equal(variableOf(text, 'KEY'), want));

for (const [name, text, want] of [
  ['no equals sign', "A\nKEY='one'", "invalid environment variable format at line 1: missing '='"],
  ['no name', "='one'", 'invalid environment variable format at line 1: empty variable name'],
  ['a space behind the name', "KEY ='one'", "at line 1: whitespace before '=' is not allowed"],
  ['no quotes', '\nKEY=one', 'at line 2: value must be enclosed in single quotes'],
  ['more behind the value', "KEY='one'two", 'at line 1: unexpected content after closing quote'],
  ['an open quote', "KEY='one\ntwo", 'starting at line 1: unclosed single quote'],
] as const)
  test(`env file: refuses ${name}`, () =>
    assert.throws(
      () => variableOf(text, 'KEY'),
      (error: Error) => error.message.endsWith(want),
    ));

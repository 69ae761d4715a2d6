/**
 * One variable of a file of them, as `fileKeyRef` names it (KEP-3721): lines `NAME='value'`, the value in single quotes, over several lines if
 * it must. Pure. Source: pkg/kubelet/util/env.
 */

/** @returns '' for what is not in the file. @throws Error for a line that is no such thing, up to the one that is looked for */
export function variableOf(text: string, key: string): string {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  // What follows the last line's end is no line.
  if (lines.at(-1) === '') lines.pop();
  for (let i = 0; i < lines.length; i++) {
    const line = trimLeft(lines[i]!);
    if (line === '' || line.startsWith('#')) continue;
    const refuse = (why: string): never => {
      throw new Error(`invalid environment variable format at line ${i + 1}: ${why}`);
    };
    const equals = line.indexOf('=');
    if (equals === -1) refuse("missing '='");
    const name = line.slice(0, equals);
    if (name.trim() === '') refuse('empty variable name');
    if (/[ \t]$/.test(name)) refuse("whitespace before '=' is not allowed");
    const rest = line.slice(equals + 1);
    // As a shell reads it: a space ends the value before it has begun.
    if (/^[ \t]/.test(rest)) {
      if (name === key) return '';
      continue;
    }
    if (!rest.startsWith("'")) refuse('value must be enclosed in single quotes');
    const first = i + 1;
    let value = '';
    let part = rest.slice(1);
    for (;;) {
      const end = part.indexOf("'");
      if (end >= 0) {
        const after = trimLeft(part.slice(end + 1));
        if (after !== '' && !after.startsWith('#')) refuse('unexpected content after closing quote');
        value += part.slice(0, end);
        break;
      }
      value += `${part}\n`;
      if (++i >= lines.length)
        throw new Error(`invalid environment variable format starting at line ${first}: unclosed single quote`);
      part = lines[i]!;
    }
    if (name === key) return value;
  }
  return '';
}

const trimLeft = (text: string): string => text.replace(/^[ \t]+/, '');

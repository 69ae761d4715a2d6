/** Compares an answer with what upstream answered. Placeholders stand for what differs between two clusters. */

const placeholder =
  /<(?:uid|time|microtime|rv|continue|clusterIP|nodePort|token|rand|rand5|hash|age|description|address|commit|go|pem|identity|date)>/g;
const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const patterns = new Map<string, RegExp>();

function patternOf(expected: string): RegExp {
  let pattern = patterns.get(expected);
  if (!pattern) {
    const source = expected.split(placeholder).map(escapeRegExp).join('[\\s\\S]*?');
    patterns.set(expected, (pattern = new RegExp(`^${source}$`)));
  }
  return pattern;
}

/** @returns differences, one a line: `path: expected X, got Y`; empty when they match. */
export function differences(expected: unknown, actual: unknown, path = '$'): string[] {
  if (typeof expected === 'string') {
    if (expected.search(placeholder) >= 0) {
      const shown = typeof actual === 'number' ? String(actual) : actual;
      if (typeof shown === 'string' && patternOf(expected).test(shown)) return [];
    } else if (expected === actual) return [];
    return [`${path}: expected ${show(expected)}, got ${show(actual)}`];
  }
  if (typeof expected !== 'object' || expected === null)
    return expected === actual ? [] : [`${path}: expected ${show(expected)}, got ${show(actual)}`];
  if (typeof actual !== 'object' || actual === null || Array.isArray(expected) !== Array.isArray(actual))
    return [`${path}: expected ${show(expected)}, got ${show(actual)}`];
  const found: string[] = [];
  if (Array.isArray(expected)) {
    const list = actual as unknown[];
    if (expected.length !== list.length) found.push(`${path}: expected ${expected.length} entries, got ${list.length}`);
    for (let i = 0; i < Math.min(expected.length, list.length); i++)
      found.push(...differences(expected[i], list[i], `${path}[${i}]`));
    for (let i = expected.length; i < list.length; i++) found.push(`${path}[${i}]: too much: ${show(list[i])}`);
    for (let i = list.length; i < expected.length; i++) found.push(`${path}[${i}]: missing: ${show(expected[i])}`);
    return found;
  }
  const wanted = expected as Record<string, unknown>;
  const got = actual as Record<string, unknown>;
  for (const key of Object.keys(wanted)) {
    if (!Object.hasOwn(got, key)) found.push(`${path}.${key}: missing: ${show(wanted[key])}`);
    else found.push(...differences(wanted[key], got[key], `${path}.${key}`));
  }
  for (const key of Object.keys(got))
    if (!Object.hasOwn(wanted, key)) found.push(`${path}.${key}: too much: ${show(got[key])}`);
  return found;
}

function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 400 ? `${text.slice(0, 400)}...` : text;
}

/** Pieces of Prometheus' text format 0.0.4, written as Go writes them: `le` is compared as text by many a dashboard. */

/** `a="x",b="y"`: what stands between the braces. */
export const labelText = (names: readonly string[], values: Readonly<Record<string, string>>): string =>
  names.map((name) => `${name}="${escaped(values[name] ?? '')}"`).join(',');

const escaped = (text: string): string =>
  /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text;

/** `1e+06`, `0.005`, `1e-05`: the shortest text that reads back as the number, with an exponent from a million up. */
export function boundText(bound: number): string {
  const magnitude = Math.abs(bound);
  if (bound === 0 || (magnitude >= 1e-4 && magnitude < 1e6)) return String(bound);
  const [mantissa = '', exponent = ''] = bound.toExponential().split('e');
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

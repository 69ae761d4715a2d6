/** The Accept header as goautoneg reads it: clauses with their parameters, best first. */
export interface AcceptClause {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
  /** Without `q`; names and values as written. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** Higher quality first, then the more specific, then the order of the header. Clauses that make no sense are skipped. */
export function parseAccept(header: string): AcceptClause[] {
  const clauses: AcceptClause[] = [];
  for (const part of header.split(',')) {
    const [range = '', ...rest] = part.split(';').map((text) => text.trim());
    const [type = '', subtype = type === '*' ? '*' : undefined, ...more] = range.split('/').map((text) => text.trim());
    if (type === '' || subtype === undefined || more.length > 0) continue;
    let quality = 1;
    const parameters: [string, string][] = [];
    for (const parameter of rest) {
      const equals = parameter.indexOf('=');
      if (equals < 0) continue;
      const name = parameter.slice(0, equals).trim();
      const value = parameter
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
      if (name === 'q') quality = Number.isFinite(Number(value)) && value !== '' ? Number(value) : 1;
      else parameters.push([name, value]);
    }
    clauses.push({ type, subtype, quality, parameters });
  }
  const wildcards = ({ type, subtype }: AcceptClause): number => (type === '*' ? 2 : subtype === '*' ? 1 : 0);
  return clauses.sort((a, b) => b.quality - a.quality || wildcards(a) - wildcards(b));
}

/** Where in an expression something is, and how a mistake there is shown. Source: cel-go/common (Error.ToDisplayString). */

export interface CelIssue {
  /** Code points from the start. */
  readonly offset: number;
  readonly message: string;
}

/** An expression that cannot be used. The message shows each mistake under the line it is in. */
export class CelCompileError extends Error {
  override readonly name = 'CelCompileError';
  readonly issues: readonly CelIssue[];
  constructor(text: string, issues: readonly CelIssue[]) {
    super(issuesText(text, issues));
    this.issues = issues;
  }
}

const maxSnippet = 16_384;

export function issuesText(text: string, issues: readonly CelIssue[]): string {
  // Of nothing there is no first column to point at.
  if (text === '') return issues.map(({ message }) => `ERROR: <input>:1:0: ${message}`).join('\n');
  const points = [...text];
  const located = issues.map((issue) => ({ issue, ...locate(points, issue.offset) }));
  located.sort((a, b) => a.line - b.line || a.column - b.column);
  const lines = text.split('\n');
  return located
    .map(({ issue, line, column }) => {
      const head = `ERROR: <input>:${line}:${column + 1}: ${issue.message}`;
      const snippet = lines[line - 1];
      if (snippet === undefined || snippet.length > maxSnippet) return head;
      const shown = snippet.replaceAll('\t', ' ');
      const before = [...shown].slice(0, column).map((c) => (Buffer.byteLength(c) > 1 ? '．' : '.'));
      const at = [...shown][column];
      const mark = at !== undefined && Buffer.byteLength(at) > 1 ? '＾' : '^';
      return `${head}\n | ${shown}\n | ${before.join('')}${mark}`;
    })
    .join('\n');
}

function locate(points: readonly string[], offset: number): { readonly line: number; readonly column: number } {
  let line = 1;
  let start = 0;
  for (let i = 0; i < offset && i < points.length; i++)
    if (points[i] === '\n') {
      line++;
      start = i + 1;
    }
  return { line, column: Math.max(0, offset - start) };
}

/** A Prometheus page written sample by sample, with the time each was taken. */
export type Labels = Readonly<Record<string, string>>;

/** Collects samples by metric, so that each metric's lines stand together. */
export function createPage() {
  const lines: string[] = [];
  return {
    metric(
      name: string,
      type: 'counter' | 'gauge',
      help: string,
      samples: Iterable<readonly [Labels, number | undefined, number?]>,
    ) {
      let headed = false;
      for (const [labels, value, atMs] of samples) {
        if (value === undefined) continue;
        if (!headed) lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
        headed = true;
        lines.push(`${name}${labelText(labels)} ${value}${atMs === undefined ? '' : ` ${Math.round(atMs)}`}`);
      }
    },
    text: () => `${lines.join('\n')}\n`,
  };
}

function labelText(labels: Labels): string {
  const parts: string[] = [];
  for (const name of Object.keys(labels).sort())
    parts.push(`${name}="${labels[name]!.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`);
  return parts.length > 0 ? `{${parts.join(',')}}` : '';
}

/** A page of Prometheus' text format, taken apart for comparison. */
export interface MetricFact {
  readonly type: string;
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
}

interface Found {
  type: string;
  labels: Set<string>;
  buckets: Set<number>;
  samples: number;
}

export function readPage(text: string): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>();
  for (const line of text.split('\n')) {
    const typed = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (typed) found.set(typed[1]!, { type: typed[2]!, labels: new Set(), buckets: new Set(), samples: 0 });
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+/.exec(line);
    if (!sample) continue;
    const metric = found.get(sample[1]!) ?? found.get(sample[1]!.replace(/_(bucket|sum|count)$/, ''));
    if (!metric) throw new Error(`A sample without a type: ${line}`);
    metric.samples++;
    for (const [, name = '', value = ''] of (sample[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      if (name === 'le' && metric.type === 'histogram') metric.buckets.add(Number(value.replace('+Inf', 'Infinity')));
      else if (name !== 'quantile') metric.labels.add(name);
    }
  }
  return found;
}

/** How a page differs from what upstream's says, one line each. What nobody has counted yet shows no labels. */
export function differences(
  page: ReadonlyMap<string, Found>,
  facts: Readonly<Record<string, MetricFact>>,
): { readonly missing: readonly string[]; readonly different: readonly string[] } {
  const missing: string[] = [];
  const different: string[] = [];
  for (const [name, fact] of Object.entries(facts)) {
    const ours = page.get(name);
    if (!ours) {
      missing.push(name);
      continue;
    }
    if (ours.type !== fact.type) different.push(`${name} is a ${ours.type}, not a ${fact.type}`);
    if (ours.samples === 0) continue;
    const labels = [...ours.labels].sort().join(',');
    const wanted = [...(fact.labels ?? [])].sort().join(',');
    if (labels !== wanted) different.push(`${name} has the labels ${labels}, not ${wanted}`);
    const buckets = [...ours.buckets].filter(Number.isFinite);
    const bounds = fact.buckets ?? [];
    const same = buckets.length === bounds.length && buckets.every((bound, i) => close(bound, bounds[i]!));
    if (!same) different.push(`${name} has the buckets ${buckets.join(' ')}, not ${bounds.join(' ')}`);
  }
  return { missing, different };
}

/** Upstream's bounds are multiplied step by step and lose the last digits. */
const close = (a: number, b: number): boolean => Math.abs(a - b) <= Math.abs(b) * 1e-9;

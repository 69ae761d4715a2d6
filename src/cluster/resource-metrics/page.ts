/** A kubelet's `/metrics/resource` page as numbers. Pure. Source of the names: pkg/kubelet/metrics/collectors/resource_metrics.go. */

export interface Point {
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly atMs: number;
}

export interface NodePage {
  readonly node: Point | undefined;
  /** `namespace/pod` -> container -> point. */
  readonly pods: ReadonlyMap<string, ReadonlyMap<string, Point>>;
}

interface Draft {
  cpuSeconds?: number;
  memoryBytes?: number;
  atMs?: number;
}

/** What is not understood is left out, as is a container of which one of the two numbers is missing. */
export function parsePage(text: string): NodePage {
  const node: Draft = {};
  const pods = new Map<string, Map<string, Draft>>();
  const of = (labels: string): Draft | undefined => {
    const [namespace, pod, container] = ['namespace', 'pod', 'container'].map((name) => labelOf(labels, name));
    if (!namespace || !pod || !container) return undefined;
    const key = `${namespace}/${pod}`;
    let containers = pods.get(key);
    if (!containers) pods.set(key, (containers = new Map()));
    let draft = containers.get(container);
    if (!draft) containers.set(container, (draft = {}));
    return draft;
  };
  for (const line of text.split('\n')) {
    const match = /^([a-z_]+)(?:\{(.*)\})? ([^ ]+)(?: (\d+))?$/.exec(line);
    if (!match) continue;
    const [, name, labels = '', value, stamp] = match;
    const number = Number(value);
    if (!Number.isFinite(number)) continue;
    const draft = name!.startsWith('node_') ? node : name!.startsWith('container_') ? of(labels) : undefined;
    if (!draft) continue;
    if (name!.endsWith('_cpu_usage_seconds_total')) {
      draft.cpuSeconds = number;
      if (stamp !== undefined) draft.atMs = Number(stamp);
    } else if (name!.endsWith('_memory_working_set_bytes')) draft.memoryBytes = number;
  }
  const whole = ({ cpuSeconds, memoryBytes, atMs }: Draft): Point | undefined =>
    cpuSeconds === undefined || memoryBytes === undefined || atMs === undefined
      ? undefined
      : { cpuSeconds, memoryBytes, atMs };
  const result = new Map<string, Map<string, Point>>();
  for (const [key, containers] of pods) {
    const points = new Map<string, Point>();
    for (const [name, draft] of containers) {
      const point = whole(draft);
      if (point) points.set(name, point);
    }
    // One container without numbers makes the pod's sum wrong: the pod waits for the next page.
    if (points.size === containers.size) result.set(key, points);
  }
  return { node: whole(node), pods: result };
}

function labelOf(labels: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|,)${name}="((?:[^"\\\\]|\\\\.)*)"`).exec(labels)?.[1];
  return found?.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
}

/**
 * What the pure parts of a write cost: CPU time per call, and as a ratio to encoding the same pod as JSON once in the same run.
 * Run: node bench/api.ts
 */
import { decodeObject, encodeText } from '../src/api/codec/index.ts';
import { deepFreeze } from '../src/api/freeze.ts';
import type { JsonObject } from '../src/api/json.ts';
import { createFieldManager } from '../src/api/managed-fields/managed-fields.ts';
import { applyPatch } from '../src/api/patch/patch.ts';
import { podRequests } from '../src/api/pod/resources.ts';
import { parseMilli } from '../src/api/quantity.ts';
import { builtinSchema } from '../src/api/schema/builtin.ts';
import { matchLabels } from '../src/api/selectors/label-selector.ts';
import { parseLabelSelector } from '../src/api/selectors/parse-label-selector.ts';
import type { Pod } from '../src/api/types/core-v1.ts';

const type = builtinSchema.byGvk({ group: '', version: 'v1', kind: 'Pod' })!;
const container = (name: string): JsonObject => ({
  name,
  image: 'registry.example/app:1.2.3',
  env: [
    { name: 'A', value: '1' },
    { name: 'B', value: '2' },
  ],
  ports: [{ containerPort: 8080, protocol: 'TCP' }],
  resources: { requests: { cpu: '250m', memory: '64Mi' }, limits: { memory: '128Mi' } },
  volumeMounts: [{ name: 'config', mountPath: '/etc/app' }],
});
const podOf = (i: number): JsonObject =>
  decodeObject(
    {
      value: {
        kind: 'Pod',
        apiVersion: 'v1',
        metadata: { name: `web-${i}`, labels: { app: 'web', tier: 'front' } },
        spec: {
          containers: [container('app'), container('sidecar')],
          volumes: [{ name: 'config', configMap: { name: 'app', defaultMode: 420 } }],
        },
      },
    },
    type,
    { fieldValidation: 'Strict' },
  ).object;

const pods = Array.from({ length: 2000 }, (_, i) => podOf(i));
const fields = createFieldManager();
const write = (next: JsonObject, previous?: JsonObject): JsonObject =>
  fields.update({
    next,
    ...(previous ? { previous } : {}),
    type,
    manager: 'bench',
    apiVersion: 'v1',
    now: '2026-01-01T00:00:00Z',
    ignored: [['status']],
  });
const live = write(pods[0]!);
const statusPatch = deepFreeze({
  status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
});
const selector = parseLabelSelector('app=web,tier in (front,back)');
const quantities = ['100m', '1', '250Mi', '1.5', '2Gi', '500m', '64Mi', '1500m'];

/** Nanoseconds of CPU per call, the best of five rounds. */
function cost(calls: number, body: (i: number) => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  let kept: unknown;
  for (let round = 0; round < 5; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < calls; i++) kept = body(i);
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, ((user + system) * 1000) / calls);
  }
  if (kept === undefined) throw new Error('the benchmark did nothing');
  return best;
}

const encode = cost(pods.length, (i) => encodeText(pods[i]!));
const rows: readonly (readonly [string, number])[] = [
  ['encode the pod as JSON', encode],
  ['managedFields of a create', cost(pods.length, (i) => write(pods[i]!))],
  ['managedFields of an update that changes nothing', cost(pods.length, () => write(live, live))],
  [
    'strategic merge of a status',
    cost(pods.length, () => applyPatch({ type: 'strategic', patch: statusPatch, object: live, structType: type })),
  ],
  ['pod requests', cost(pods.length, (i) => podRequests(pods[i] as unknown as Pod))],
  [
    'match two label requirements',
    cost(200_000, (i) =>
      matchLabels(selector, (pods[i % 2000]!['metadata'] as JsonObject)['labels'] as Record<string, string>),
    ),
  ],
  ['read a quantity', cost(200_000, (i) => parseMilli(quantities[i & 7]!))],
];
for (const [what, nanoseconds] of rows)
  process.stdout.write(
    `${what.padEnd(50)} ${(nanoseconds / 1000).toFixed(2).padStart(8)} us  ${(nanoseconds / encode).toFixed(3).padStart(7)} x encoding\n`,
  );

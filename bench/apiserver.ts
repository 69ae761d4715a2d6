/**
 * CPU per operation of the API server in process: no HTTP, memory store, real security chain left out. Run: `node bench/apiserver.ts [filter]`. The targets
 * include HTTPS and are in brackets; this is the server's own share.
 */
import type { ApiHandler, ApiResponse } from '../src/api/exchange.ts';
import { alwaysAllow } from '../src/apiserver/authorization/union.ts';
import { createApiServer } from '../src/apiserver/index.ts';
import { silentLogger } from '../src/base/console-log.ts';
import { createMetricsRegistry } from '../src/base/metrics.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { createSeededRandom } from '../src/base/seeded-random.ts';
import { createMemoryStore } from '../src/store/memory/memory-store.ts';

const concurrency = 32;
const podsAtRest = 5_000;
const filter = process.argv[2] ?? '';
const leave = new AbortController();

const clock = createRealClock();
const store = createMemoryStore({ clock });
const server = createApiServer({
  store,
  clock,
  random: createSeededRandom(1),
  log: silentLogger,
  metrics: createMetricsRegistry(),
  security: () => ({
    authenticate: () => ({ name: 'admin', groups: ['system:masters'] }),
    authorizer: alwaysAllow,
    admission: [],
  }),
});
await server.start();
const handler: ApiHandler = server.handler;

const pods = '/api/v1/namespaces/default/pods';

/** About 3.4 kB as stored, like a real pod with its managed fields. */
function podBytes(name: string, shard: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace: 'default',
        labels: { app: 'bench', shard: String(shard), 'pod-template-hash': '6d4cf56db6' },
        annotations: { 'example.com/revision': '1', 'example.com/checksum': 'a'.repeat(64) },
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'ReplicaSet',
            name: 'bench-6d4cf56db6',
            uid: '1c2f9a7e-0000-4000-8000-000000000001',
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: {
        nodeName: `node-${shard % 50}`,
        serviceAccountName: 'default',
        volumes: [
          { name: 'config', configMap: { name: 'bench', items: [{ key: 'app.conf', path: 'app.conf' }] } },
          { name: 'data', emptyDir: {} },
          {
            name: 'kube-api-access',
            projected: {
              sources: [
                { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
                { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
              ],
            },
          },
        ],
        containers: ['app'].map((c) => ({
          name: c,
          image: `registry.example.com/team/${c}:v1.2.3`,
          command: ['/bin/server', '--listen=:8080'],
          env: [
            { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
            { name: 'LOG_LEVEL', value: 'info' },
          ],
          ports: [{ name: 'http', containerPort: 8080 }],
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '500m', memory: '256Mi' } },
          readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10 },
          volumeMounts: [
            { name: 'config', mountPath: '/etc/app' },
            { name: 'data', mountPath: '/data' },
            { name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true },
          ],
        })),
        tolerations: [
          { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
        ],
      },
    }),
  );
}

async function send(
  method: string,
  path: string,
  body?: Uint8Array,
  contentType = 'application/json',
): Promise<ApiResponse> {
  const at = path.indexOf('?');
  const response = await handler({
    method,
    path: at < 0 ? path : path.slice(0, at),
    query: at < 0 ? '' : path.slice(at + 1),
    headers: { accept: 'application/json', 'content-type': contentType, 'user-agent': 'bench/1.0' },
    ...(body ? { body: { bytes: body } } : {}),
    remoteAddress: '127.0.0.1',
    signal: leave.signal,
  });
  if (response.status >= 300)
    throw new Error(
      `${method} ${path}: ${response.status} ${response.body.kind === 'object' ? Buffer.from(response.body.object.bytes()) : ''}`,
    );
  return response;
}

/** Makes the bytes that would go to the socket. */
function bytesOf({ body }: ApiResponse): number {
  if (body.kind === 'object') return body.object.bytes().byteLength;
  if (body.kind === 'list') {
    let total = 0;
    for (const chunk of body.chunks()) total += chunk.byteLength;
    return total;
  }
  return 0;
}

async function measure(
  name: string,
  target: string,
  count: number,
  run: (i: number) => Promise<ApiResponse>,
): Promise<void> {
  if (!name.includes(filter)) return;
  let next = 0;
  let bytes = 0;
  const before = process.cpuUsage();
  const started = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < count) {
        const response = await run(next++);
        bytes += bytesOf(response);
      }
    }),
  );
  const { user, system } = process.cpuUsage(before);
  const wall = performance.now() - started;
  const cpu = (user + system) / 1000 / count;
  console.log(
    `${name.padEnd(34)} ${cpu.toFixed(4)} ms CPU  ${(wall / count).toFixed(4)} ms wall  ${(bytes / count).toFixed(0)} B  [${target}]`,
  );
}

const warm = filter === '' ? 'warm ' : filter;
await measure(`${warm} create`, '', 2_000, (i) => send('POST', pods, podBytes(`warm-${i}`, i % 100)));
await measure(`${warm} delete`, '', 2_000, (i) => send('DELETE', `${pods}/warm-${i}?gracePeriodSeconds=0`));
await measure('create pod', '0.4', podsAtRest, (i) => send('POST', pods, podBytes(`pod-${i}`, i % 100)));
if (filter !== '' && !'create pod'.includes(filter))
  for (let i = 0; i < podsAtRest; i++) await send('POST', pods, podBytes(`pod-${i}`, i % 100));
await measure('get pod', '0.13', 20_000, (i) => send('GET', `${pods}/pod-${i % podsAtRest}`));
await measure('merge patch pod', '0.6', 5_000, (i) =>
  send(
    'PATCH',
    `${pods}/pod-${i % podsAtRest}`,
    Buffer.from(`{"metadata":{"annotations":{"n":"${i}"}}}`),
    'application/merge-patch+json',
  ),
);
await measure('patch status', '0.6', 5_000, (i) =>
  send(
    'PATCH',
    `${pods}/pod-${i % podsAtRest}/status`,
    Buffer.from(`{"status":{"message":"n${i}"}}`),
    'application/strategic-merge-patch+json',
  ),
);
const applyType = 'application/apply-patch+yaml';
const applied = (i: number, value: string) =>
  Buffer.from(
    podBytes(`pod-${i}`, i % 100)
      .toString()
      .replace('"annotations":{', `"annotations":{"v":"${value}",`),
  );
await measure('apply pod, first', '', podsAtRest, (i) =>
  send('PATCH', `${pods}/pod-${i}?fieldManager=bench&force=true`, applied(i, '1'), applyType),
);
const again = Array.from({ length: podsAtRest }, (_, i) => applied(i, '1'));
await measure('apply pod, unchanged', '0.3', podsAtRest, (i) =>
  send('PATCH', `${pods}/pod-${i}?fieldManager=bench&force=true`, again[i]!, applyType),
);
await measure('apply pod, changed', '', podsAtRest, (i) =>
  send('PATCH', `${pods}/pod-${i}?fieldManager=bench&force=true`, applied(i, '2'), applyType),
);
await measure('list 1% by label', '0.8', filter === '' ? 1_000 : 6_000, (i) =>
  send('GET', `${pods}?labelSelector=shard%3D${i % 100}`),
);
await measure('list by node', '', 1_000, (i) =>
  send('GET', `/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-${i % 50}`),
);
await measure(`list ${podsAtRest}`, '30', 40, () => send('GET', pods));
await measure(`list ${podsAtRest} as table`, '', 5, () => sendTable());
await watchers(1_000, 500);
await measure('delete pod', '0.5', podsAtRest, (i) => send('DELETE', `${pods}/pod-${i}?gracePeriodSeconds=0`));

function sendTable(): Promise<ApiResponse> {
  return handler({
    method: 'GET',
    path: pods,
    query: '',
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    remoteAddress: '127.0.0.1',
    signal: leave.signal,
  });
}

/** Every watcher takes every event's bytes. */
async function watchers(count: number, events: number): Promise<void> {
  if (!'watch event'.includes(filter)) return;
  let taken = 0;
  const loops: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    const { body } = await send('GET', `${pods}?watch=1&resourceVersion=${await store.currentRevision()}`);
    if (body.kind !== 'watch') throw new Error('Not a watch');
    const { stream } = body;
    loops.push(
      (async () => {
        for (;;) {
          const frames = stream.take();
          if (frames === undefined) return;
          for (const frame of frames) if (frame.bytes().byteLength > 0) taken++;
          if (frames.length === 0) await stream.ready();
        }
      })(),
    );
  }
  const before = process.cpuUsage();
  for (let i = 0; i < events; i++)
    await send(
      'PATCH',
      `${pods}/pod-${i}`,
      Buffer.from(`{"metadata":{"annotations":{"w":"${i}"}}}`),
      'application/merge-patch+json',
    );
  while (taken < events * count) await clock.yield();
  const { user, system } = process.cpuUsage(before);
  console.log(
    `${'watch event, 1000 watchers'.padEnd(34)} ${((user + system) / taken).toFixed(3)} us CPU a delivery, the write included  [8]`,
  );
  void loops;
}

leave.abort();
await server.stop();
await store.close();

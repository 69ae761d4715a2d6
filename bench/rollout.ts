/**
 * A Deployment of 1,000 replicas on 50 hollow nodes until all its pods are bound, and until all are ready: the built package (`npm run build`) on the embedded
 * store, one process with API server, scheduler, controllers and the 50 kubelets, a client over HTTPS. Run: `node bench/rollout.ts [runs] [replicas] [nodes]`.
 */
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { join } from 'node:path';
import { cpuSeconds, inTemporaryDirectory, residentMiB, startBuiltCluster } from './support/built-cluster.ts';
import { conditions, print } from './support/figures.ts';
import { type Credentials, http2Wire } from './support/wire.ts';

const [runs = 3, replicas = 1000, nodes = 50] = process.argv.slice(2).map(Number);
const apps = '/apis/apps/v1/namespaces/default/deployments';
const podPath = '/api/v1/namespaces/default/pods';
const json = 'application/json';
const bound: number[] = [];
const boundCpu: number[] = [];
const ready: number[] = [];
const readyCpu: number[] = [];
const resident: number[] = [];

for (let run = 0; run < runs; run++) await inTemporaryDirectory(rollOut);
console.log(conditions());
print({
  what: `${replicas} replicas, ${nodes} nodes: all bound`,
  target: 2,
  upstream: 3.9,
  unit: 's',
  measured: bound,
});
print({ what: '  CPU of all components', target: 3, upstream: 7.5, unit: 's', measured: boundCpu });
print({ what: '  all ready', unit: 's', measured: ready });
print({ what: '  CPU of all components', unit: 's', measured: readyCpu });
print({ what: '  resident set then', unit: 'MiB', measured: resident });

async function rollOut(directory: string): Promise<void> {
  const cluster = await startBuiltCluster(directory, { hollowNodes: nodes });
  const pid = cluster.process.pid!;
  try {
    const credentials = credentialsOf(readFileSync(join(directory, 'kubeconfig'), 'utf8'));
    const wire = http2Wire(cluster.port, credentials, 1);
    // What a start leaves to do (leases, service accounts, images of nodes) is not the rollout's.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const counts = await watchPods(cluster.port, credentials);
    const cpu = cpuSeconds(pid);
    const began = performance.now();
    const body = Buffer.from(JSON.stringify(deployment()));
    await wire.send({ method: 'POST', path: apps, body, contentType: json });
    await counts.reached('bound');
    bound.push((performance.now() - began) / 1000);
    boundCpu.push(cpuSeconds(pid) - cpu);
    await counts.reached('ready');
    ready.push((performance.now() - began) / 1000);
    readyCpu.push(cpuSeconds(pid) - cpu);
    resident.push(residentMiB(pid));
    counts.close();
    wire.close();
  } finally {
    await cluster.stop();
  }
}

function deployment(): object {
  const labels = { app: 'web' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            { name: 'app', image: 'registry.example/app:1', resources: { requests: { cpu: '10m', memory: '16Mi' } } },
          ],
        },
      },
    },
  };
}

type Stage = 'bound' | 'ready';
interface Counts {
  /** Resolves when all replicas are so far. */
  reached(stage: Stage): Promise<void>;
  close(): void;
}

/** One watch of the namespace's pods, which is empty yet. */
async function watchPods(port: number, credentials: Credentials): Promise<Counts> {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    ...credentials,
    settings: { initialWindowSize: 8 << 20 },
  });
  const stream = session.request({ ':path': `${podPath}?watch=1`, accept: json });
  const seen: Record<Stage, Set<string>> = { bound: new Set(), ready: new Set() };
  const waiting: { readonly stage: Stage; readonly resolve: () => void }[] = [];
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { object } = JSON.parse(line) as { object: WatchedPod };
      if (object.spec?.nodeName) seen.bound.add(object.metadata.name);
      if (object.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'))
        seen.ready.add(object.metadata.name);
    }
    for (const { stage, resolve } of waiting) if (seen[stage].size >= replicas) resolve();
  });
  await new Promise((resolve, reject) => {
    stream.once('response', resolve);
    stream.once('error', reject);
  });
  return {
    reached: (stage) =>
      new Promise<void>((resolve, reject) => {
        stream.once('end', () => reject(new Error('The server has ended the watch')));
        if (seen[stage].size >= replicas) resolve();
        else waiting.push({ stage, resolve });
      }),
    close: () => session.destroy(),
  };
}

interface WatchedPod {
  readonly metadata: { readonly name: string };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** The administrator's, as `up` wrote them. */
function credentialsOf(kubeconfig: string): Credentials {
  const pem = (field: string): string =>
    Buffer.from(new RegExp(`${field}: *"?([A-Za-z0-9+/=]+)`).exec(kubeconfig)?.[1] ?? '', 'base64').toString();
  return { ca: pem('certificate-authority-data'), cert: pem('client-certificate-data'), key: pem('client-key-data') };
}

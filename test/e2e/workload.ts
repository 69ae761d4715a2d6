/** Pods of tests: busybox with a script, and what is asked of them. */
import type { Container, Pod, PodSpec } from '../../src/api/types/core-v1.ts';
import { resources } from '../../src/api/types/resources.ts';
import type { ClusterAccess } from './cluster.ts';

export const image = 'localhost/test/busybox:1';
export const namespace = 'default';

export const busybox = (script: string, more: Partial<Container> = {}): Container => ({
  name: 'main',
  image,
  imagePullPolicy: 'Never',
  command: ['sh', '-c', script],
  ...more,
});

/** Answers its own name on port 8080. */
export const server: PodSpec = {
  terminationGracePeriodSeconds: 2,
  // Away from a dead node as soon as it is known to be dead.
  tolerations: ['not-ready', 'unreachable'].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 1,
  })),
  containers: [
    busybox('mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www', {
      readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
    }),
  ],
};

/** A shell command that prints what is answered there, or `lost`. */
export const fetch = (host: string): string => `wget -q -O - http://${host}/ || echo lost`;

export const createPod = (cluster: ClusterAccess, name: string, spec: PodSpec): Promise<Pod> =>
  cluster.client.resource(resources.pods).create({
    metadata: { namespace, name },
    spec: { terminationGracePeriodSeconds: 0, ...spec },
  });

export async function untilPod(
  cluster: ClusterAccess,
  name: string,
  what: string,
  ok: (pod: Pod) => boolean,
  timeoutMs = 60_000,
): Promise<Pod> {
  const [pod] = await cluster.until(
    resources.pods,
    `pod ${name} ${what}`,
    (all) => all[0] !== undefined && ok(all[0]),
    { namespace, fieldSelector: `metadata.name=${name}`, timeoutMs },
  );
  return pod!;
}

/** Runs a pod to its end. @returns its log. */
export async function ran(cluster: ClusterAccess, name: string, spec: PodSpec): Promise<string> {
  await createPod(cluster, name, { restartPolicy: 'Never', ...spec });
  await untilPod(cluster, name, 'has ended', (pod) => pod.status?.phase === 'Succeeded');
  return podLog(cluster, name);
}

export async function podLog(cluster: ClusterAccess, name: string, container?: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/log`;
  for await (const chunk of await cluster.client.transport.stream({
    method: 'GET',
    path,
    ...(container === undefined ? {} : { query: { container } }),
  }))
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export const isReady = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  (pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false);

export const allReady =
  (count: number) =>
  (pods: readonly Pod[]): boolean =>
    pods.length === count && pods.every(isReady);

/** How often each line occurs. */
export function tally(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of text.trim().split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

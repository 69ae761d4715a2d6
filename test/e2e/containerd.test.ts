/** A machine with containerd: what pods see, what happens when something dies, and that nothing stays behind. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Container, Pod, PodSpec } from '../../src/api/types/core-v1.ts';
import { resources } from '../../src/api/types/resources.ts';
import { busyboxArchive } from '../images.ts';
import { requires } from '../requirements.ts';
import { accessTo, type ClusterAccess } from './cluster.ts';
import { containerdNeeds, type Machine, port, startMachine } from './machine.ts';

const image = 'localhost/test/busybox:1';

test('containerd: pods run, survive the death of every process of ours, and go away without a trace', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  const machine = await startMachine(t);
  const archive = join(machine.folder, 'busybox.tar');
  writeFileSync(archive, busyboxArchive(image));
  const before = await machine.look();
  const up = async (): Promise<ClusterAccess> => {
    succeeded(await machine.bireme('up'));
    return accessTo(machine.dataDir, `https://${machine.address}:${port}`);
  };
  let cluster = await up();
  t.after(() => cluster.close());
  const imported = await machine.bireme('image import', archive);
  succeeded(imported);
  assert.match(imported.stdout, /Imported localhost\/test\/busybox:1/);
  await cluster.until(resources.serviceAccounts, 'the default service account', (all) => all.length > 0, {
    namespace: 'default',
  });
  await cluster.client.resource(resources.configMaps).create(configMap);
  await cluster.client.resource(resources.secrets).create(secret);

  await t.test('files and environment of a pod are as its spec says', () => filesAndEnvironment(t, cluster));
  await t.test('a claim gets a folder on the node, its group and its parts; both go with it', () =>
    claim(machine, cluster),
  );
  await t.test('a Service answers a pod on its cluster address, and so does the API server with its token', () =>
    services(cluster),
  );
  await t.test('a killed container is started again', () => killedContainer(machine, cluster));
  await t.test('a deleted pod is replaced', () => deletedPod(cluster));
  await t.test('a pod can be created again under its name while the old one ends', () => sameName(cluster));

  const running = await webContainers(cluster);
  for (const [name, text] of [
    ['node process', `node --data-dir ${machine.dataDir}`],
    ['containerd', `containerd --config ${machine.dataDir}`],
    ['node process and containerd', machine.dataDir],
  ] as const)
    await t.test(`kill -9 of the ${name}: it is started again and adopts what runs`, async () => {
      const victims = await machine.pids(text);
      const control = await machine.pids('up --data-dir');
      const shims = await machine.pids('containerd-shim');
      const chosen = victims.filter((pid) => !control.includes(pid) && !shims.includes(pid));
      assert.ok(chosen.length > 0, `no process has "${text}"`);
      const since = Date.now();
      await machine.kill(...chosen);
      await nodeReports(cluster, since);
      assert.deepEqual(await webContainers(cluster), running);
    });

  await t.test('kill -9 of the control plane, then up: what was acknowledged is there, what ran runs on', async () => {
    const names: string[] = [];
    for (let i = 0; i < 20; i++) {
      const { metadata } = await cluster.client
        .resource(resources.configMaps)
        .create({ metadata: { namespace: 'default', name: `kept-${i}` } });
      names.push(metadata.name ?? '');
    }
    await machine.kill(...(await machine.pids('up --data-dir')));
    await cluster.close();
    assert.equal((await machine.bireme('status')).code, 1);
    cluster = await up();
    const { items } = await cluster.client.resource(resources.configMaps).list({ namespace: 'default' });
    const there = new Set(items.map((item) => item.metadata.name));
    assert.deepEqual(
      names.filter((name) => !there.has(name)),
      [],
    );
    await nodeReports(cluster, Date.now());
    assert.deepEqual(await webContainers(cluster), running);
    assert.equal((await machine.bireme('status')).code, 0);
  });

  await t.test('after kill -9 of everything, down leaves the machine as it was', async () => {
    await machine.kill(...(await machine.pids(machine.dataDir)));
    succeeded(await machine.bireme('down'));
    assert.deepEqual(await machine.look(), before);
  });

  await t.test('up, a pod, down: the machine is as it was, and so is the kubeconfig', async () => {
    const text = 'apiVersion: v1\nkind: Config\ncurrent-context: "" # mine\n';
    writeFileSync(machine.kubeconfig, text, { mode: 0o600 });
    const cleanWithKubeconfig = await machine.look();
    await cluster.close();
    cluster = await up();
    succeeded(await machine.bireme('image import', archive));
    await createPod(cluster, 'last', { containers: [sleeper] });
    await phase(cluster, 'last', 'Running');
    succeeded(await machine.bireme('down'));
    assert.equal(readFileSync(machine.kubeconfig, 'utf8'), text);
    assert.deepEqual(await machine.look(), cleanWithKubeconfig);
  });
});

const configMap = {
  metadata: { namespace: 'default', name: 'conf' },
  data: { greeting: 'hello', 'lines.txt': 'one\ntwo\n' },
};
const secret = {
  metadata: { namespace: 'default', name: 'cred' },
  type: 'Opaque',
  data: { password: Buffer.from('s3cret').toString('base64') },
};
const busybox = (script: string, more: Partial<Container> = {}): Container => ({
  name: 'main',
  image,
  command: ['sh', '-c', script],
  ...more,
});
const sleeper = busybox('sleep 100000');

async function filesAndEnvironment(t: TestContext, cluster: ClusterAccess): Promise<void> {
  const script = `
    cat /conf/greeting; echo; cat /conf/lines.txt; cat /cred/password; echo
    stat -c %a -L /cred/password; ls /empty; touch /empty/x && echo written
    touch /conf/x 2>/dev/null || echo read-only
    echo $GREETING $PASSWORD $NAME $NODE $COMBINED
    cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo
    head -1 /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    cut -d. -f2 /var/run/secrets/kubernetes.io/serviceaccount/token
    hostname; grep -c files /etc/hosts; echo $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT
    id -u; exit 3`;
  await createPod(cluster, 'files', {
    restartPolicy: 'Never',
    securityContext: { runAsUser: 1000 },
    containers: [
      busybox(script, {
        env: [
          { name: 'GREETING', valueFrom: { configMapKeyRef: { name: 'conf', key: 'greeting' } } },
          { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'cred', key: 'password' } } },
          { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
          { name: 'COMBINED', value: '$(GREETING)-$(NAME)' },
        ],
        volumeMounts: [
          { name: 'conf', mountPath: '/conf' },
          { name: 'cred', mountPath: '/cred' },
          { name: 'empty', mountPath: '/empty' },
        ],
      }),
    ],
    volumes: [
      { name: 'conf', configMap: { name: 'conf' } },
      { name: 'cred', secret: { secretName: 'cred', defaultMode: 0o444 } },
      { name: 'empty', emptyDir: {} },
    ],
  });
  const [pod] = await phase(cluster, 'files', 'Failed');
  assert.equal(pod?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3);
  const lines = (await logs(cluster, 'files')).trimEnd().split('\n');
  assert.ok(lines[10], lines.join('\n'));
  const token = JSON.parse(Buffer.from(lines[10] ?? '', 'base64url').toString());
  assert.equal(token.sub, 'system:serviceaccount:default:default');
  assert.equal(token['kubernetes.io'].pod.name, 'files');
  assert.deepEqual(lines.with(10, '<token>'), [
    ...['hello', 'one', 'two', 's3cret', '444', 'written', 'read-only', 'hello s3cret files machine hello-files'],
    ...['default', '-----BEGIN CERTIFICATE-----', '<token>', 'files', '1', '10.96.0.1:443', '1000'],
  ]);
  t.diagnostic(`${lines.length} lines compared`);
}

async function claim(machine: Machine, cluster: ClusterAccess): Promise<void> {
  const claims = cluster.client.resource(resources.persistentVolumeClaims);
  await claims.create({
    metadata: { namespace: 'default', name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
  });
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
  const user = { runAsUser: 1000, fsGroup: 2000 };
  await createPod(cluster, 'writer', {
    restartPolicy: 'Never',
    securityContext: user,
    containers: [
      busybox('echo kept > /data/file; echo part > /part/file; stat -c "%g %a" /data; ln -s /etc /data/out', {
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'data', mountPath: '/part', subPath: 'a/b' },
        ],
      }),
    ],
    volumes,
  });
  await phase(cluster, 'writer', 'Succeeded');
  assert.equal(await logs(cluster, 'writer'), '2000 2777\n');
  // A link out of the volume is not followed, on the way to a part of it either.
  await createPod(cluster, 'escaper', {
    containers: [
      busybox('cat /part/hostname', { volumeMounts: [{ name: 'data', mountPath: '/part', subPath: 'out' }] }),
    ],
    volumes,
  });
  await cluster.until(
    resources.pods,
    'the container is refused',
    ([pod]) =>
      pod?.status?.containerStatuses?.[0]?.state?.waiting?.message ===
      'failed to prepare subPath for volumeMount "data" of container "main"',
    { namespace: 'default', fieldSelector: 'metadata.name=escaper' },
  );
  await createPod(cluster, 'reader', {
    restartPolicy: 'Never',
    securityContext: user,
    containers: [busybox('cat /data/file /data/a/b/file', { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
    volumes,
  });
  await phase(cluster, 'reader', 'Succeeded');
  assert.equal(await logs(cluster, 'reader'), 'kept\npart\n');
  const [volume] = await cluster.until(resources.persistentVolumes, 'a volume', (all) => all.length === 1);
  const path = volume!.spec!.local!.path;
  assert.ok(existsSync(path));
  for (const name of ['writer', 'escaper', 'reader'])
    await cluster.client.resource(resources.pods).delete(name, { namespace: 'default' });
  await claims.delete('data', { namespace: 'default' });
  await cluster.until(resources.persistentVolumes, 'the volume is gone', (all) => all.length === 0);
  assert.equal(existsSync(path), false);
  assert.deepEqual(
    readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(machine.dataDir) && /volume-subpaths|local-volume/.test(line)),
    [],
  );
}

async function services(cluster: ClusterAccess): Promise<void> {
  const { client } = cluster;
  await client.resource(resources.deployments).create({
    metadata: { namespace: 'default', name: 'web' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            busybox('mkdir /www; echo from $HOSTNAME > /www/index.html; exec httpd -f -p 8080 -h /www', {
              readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
            }),
          ],
        },
      },
    },
  });
  const service = await client.resource(resources.services).create({
    metadata: { namespace: 'default', name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  const pods = await cluster.until(resources.pods, 'three ready pods', threeReady, web);
  await cluster.until(
    resources.endpointSlices,
    'three endpoints',
    (slices) => slices.flatMap((slice) => slice.endpoints).filter((e) => e?.conditions?.ready).length === 3,
    { namespace: 'default', labelSelector: 'kubernetes.io/service-name=web' },
  );
  // The machine's own node speaks TLS as clients do today; busybox's wget does not.
  const program = `require('node:https').get({ host: process.env.KUBERNETES_SERVICE_HOST, path: '/version', ca: process.env.CA,
    headers: { authorization: 'Bearer ' + process.env.TOKEN } }, (answer) => {
      console.log('version', answer.statusCode);
      answer.on('data', (data) => process.stdout.write(data)); }).on('error', (error) => console.log(String(error)))`;
  await createPod(cluster, 'asker', {
    restartPolicy: 'Never',
    containers: [
      busybox(
        `for i in $(seq 30); do wget -q -O - http://${service.spec?.clusterIP}/ || echo none; done
        cd /var/run/secrets/kubernetes.io/serviceaccount
        TOKEN=$(cat token) CA="$(cat ca.crt)" exec chroot /host "$NODE" -e "$PROGRAM"`,
        {
          env: [
            { name: 'NODE', value: process.execPath },
            { name: 'PROGRAM', value: program },
          ],
          volumeMounts: [{ name: 'host', mountPath: '/host', readOnly: true }],
        },
      ),
    ],
    volumes: [{ name: 'host', hostPath: { path: '/' } }],
  });
  await phase(cluster, 'asker', 'Succeeded');
  const text = await logs(cluster, 'asker');
  const answers = new Set(text.match(/^(from \S+|none)$/gm));
  assert.deepEqual([...answers].sort(), pods.map((pod) => `from ${pod.metadata.name}`).sort(), text);
  assert.match(text, /version 200\n[\s\S]*"gitVersion": ?"v1\.36/);
}

async function killedContainer(machine: Machine, cluster: ClusterAccess): Promise<void> {
  const [victim] = await machine.pids('httpd -f');
  assert.ok(victim);
  await machine.kill(victim);
  const pods = await cluster.until(
    resources.pods,
    'one restart, all ready',
    (all) => threeReady(all) && restarts(all) === 1,
    web,
  );
  const status = pods.find((pod) => restarts([pod]) === 1)?.status?.containerStatuses?.[0];
  assert.equal(status?.lastState?.terminated?.exitCode, 137);
  assert.equal(status?.lastState?.terminated?.reason, 'Error');
}

async function deletedPod(cluster: ClusterAccess): Promise<void> {
  const { items } = await cluster.client.resource(resources.pods).list(web);
  const name = items[0]?.metadata.name ?? '';
  await cluster.client.resource(resources.pods).delete(name, { namespace: 'default' });
  const now = await cluster.until(
    resources.pods,
    'the pod is replaced',
    (all) => threeReady(all) && all.every((pod) => pod.metadata.name !== name),
    web,
  );
  assert.equal(now.length, 3);
}

async function sameName(cluster: ClusterAccess): Promise<void> {
  const pods = cluster.client.resource(resources.pods);
  // It does not end by itself when asked to, so the old one is still there when the new one comes.
  const stubborn = busybox(`trap '' TERM; while true; do sleep 1; done`);
  const first = await createPod(cluster, 'again', { terminationGracePeriodSeconds: 3, containers: [stubborn] });
  await phase(cluster, 'again', 'Running');
  await pods.delete('again', {
    namespace: 'default',
    body: { gracePeriodSeconds: 0 },
  });
  const second = await createPod(cluster, 'again', {
    terminationGracePeriodSeconds: 0,
    containers: [busybox('echo second; sleep 100000')],
  });
  assert.notEqual(second.metadata.uid, first.metadata.uid);
  await phase(cluster, 'again', 'Running');
  assert.equal(await logs(cluster, 'again'), 'second\n');
  await pods.delete('again', { namespace: 'default' });
  await cluster.until(resources.pods, 'the pod is gone', (all) => all.length === 0, {
    namespace: 'default',
    fieldSelector: 'metadata.name=again',
  });
}

const web = { namespace: 'default', labelSelector: 'app=web' };
const threeReady = (pods: readonly Pod[]): boolean =>
  pods.length === 3 &&
  pods.every((pod) => pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'));
const restarts = (pods: readonly Pod[]): number =>
  pods.reduce((sum, pod) => sum + (pod.status?.containerStatuses?.[0]?.restartCount ?? 0), 0);

/** Which containers run, and how often they were started again. */
async function webContainers(cluster: ClusterAccess): Promise<readonly string[]> {
  const pods = await cluster.until(resources.pods, 'three ready pods', threeReady, web);
  return pods
    .map((pod) => {
      const status = pod.status?.containerStatuses?.[0];
      return `${pod.metadata.name} ${status?.containerID} ${status?.restartCount}`;
    })
    .sort();
}

/** The node's kubelet is at work again: it has renewed its lease after that moment, which it does once the runtime answers. */
async function nodeReports(cluster: ClusterAccess, sinceMs: number): Promise<void> {
  await cluster.until(
    resources.leases,
    'the kubelet renews its lease',
    (leases) => leases.some((lease) => Date.parse(lease.spec?.renewTime ?? '') > sinceMs),
    { namespace: 'kube-node-lease' },
  );
  await cluster.until(resources.nodes, 'the node is ready', (nodes) =>
    nodes.some((node) => node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True')),
  );
}

function createPod(cluster: ClusterAccess, name: string, spec: PodSpec): Promise<Pod> {
  return cluster.client.resource(resources.pods).create({
    metadata: { namespace: 'default', name },
    spec: { terminationGracePeriodSeconds: 0, ...spec },
  });
}

const phase = (cluster: ClusterAccess, name: string, wanted: string): Promise<readonly Pod[]> =>
  cluster.until(resources.pods, `pod ${name} is ${wanted}`, (pods) => pods[0]?.status?.phase === wanted, {
    namespace: 'default',
    fieldSelector: `metadata.name=${name}`,
  });

async function logs(cluster: ClusterAccess, name: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  const path = `/api/v1/namespaces/default/pods/${name}/log`;
  for await (const chunk of await cluster.client.transport.stream({ method: 'GET', path })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function succeeded({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): void {
  assert.equal(code, 0, stdout + stderr);
}

/** kubectl, unchanged, in three versions against a node with containerd. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxArchive } from '../images.ts';
import { kubectlVersion, requires } from '../requirements.ts';
import { containerdNeeds, type Machine, startMachine } from './machine.ts';

const versions = ['1.27', '1.30', '1.33'];
const [first, second] = ['localhost/test/busybox:1', 'localhost/test/busybox:2'];

test('kubectl: three versions do a day of work', { concurrency: true }, async (t) => {
  if (!requires(t, { ...containerdNeeds, optional: versions.map(kubectlVersion) })) return;
  const machine = await startMachine(t);
  const archive = join(machine.folder, 'busybox.tar');
  writeFileSync(archive, busyboxArchive(first, second));
  const up = await machine.bireme('up');
  assert.equal(up.code, 0, up.stderr);
  t.after(() => machine.bireme('down'));
  assert.equal((await machine.bireme('image import', archive)).code, 0);
  await Promise.all(versions.map((version) => t.test(`kubectl ${version}`, () => dayOfWork(machine, version))));
});

async function dayOfWork(machine: Machine, version: string): Promise<void> {
  const program = kubectlVersion(version);
  const namespace = `k${version.replace('.', '-')}`;
  const kubectl = (...args: readonly string[]): Promise<string> => machine.ok(program, '-n', namespace, ...args);
  const file = (name: string, text: string): string => {
    const path = join(machine.folder, `${namespace}-${name}`);
    writeFileSync(path, text);
    return path;
  };
  const expect = async (pattern: RegExp, ...args: readonly string[]): Promise<void> => {
    assert.match(await kubectl(...args), pattern, `kubectl ${args.join(' ')}`);
  };

  await expect(/Server Version:.*v1\.36/, 'version');
  await expect(/control plane.*is running at.*https:\/\/127\.0\.0\.1:6443/, 'cluster-info');
  await expect(/deployments +deploy +apps\/v1 +true +Deployment/, 'api-resources');
  await expect(/^yes$/m, 'auth', 'can-i', 'create', 'deployments');
  await expect(/\*\.\* +\[\] +\[\] +\[\*\]/, 'auth', 'can-i', '--list');
  assert.equal((await machine.run(program, 'auth', 'can-i', 'create', 'pods', '--as', 'alice')).stdout.trim(), 'no');
  await expect(/rollingUpdate[\s\S]*type/, 'explain', 'deployment.spec.strategy');
  await expect(/created/, 'create', 'namespace', namespace);

  const manifest = file('app.yaml', app('hello'));
  assert.equal((await machine.run(program, '-n', namespace, 'diff', '-f', manifest)).code, 1);
  const watched = watch(machine, program, namespace);
  await expect(
    /configmap\/conf created\nsecret\/cred created\ndeployment\.apps\/web created\nservice\/web created/,
    'apply',
    '-f',
    manifest,
  );
  await expect(/successfully rolled out/, 'rollout', 'status', 'deployment/web', '--timeout=60s');
  assert.match(await watched, /web-\w+-\w+ +1\/1 +Running/);
  await expect(/deployment\.apps\/web unchanged/, 'apply', '-f', manifest);
  assert.equal(await kubectl('diff', '-f', manifest), '');
  const changed = await machine.run(program, '-n', namespace, 'diff', '-f', file('other.yaml', app('bonjour')));
  assert.equal(changed.code, 1);
  assert.match(changed.stdout, /- {2}greeting: hello\n\+ {2}greeting: bonjour/);

  await expect(/deployment\.apps\/web condition met/, 'wait', '--for=condition=Available', 'deployment/web');
  await expect(/web +3\/3 +3 +3 .* main +localhost\/test\/busybox:1 +app=web/, 'get', 'deployments', '-o', 'wide');
  await expect(/10\.244\.\d+\.\d+ +machine/, 'get', 'pods', '-o', 'wide');
  await expect(/kind: Deployment\nmetadata:\n {2}annotations:/, 'get', 'deployment', 'web', '-o', 'yaml');
  assert.equal(JSON.parse(await kubectl('get', 'deployment', 'web', '-o', 'json')).status.readyReplicas, 3);
  await expect(
    /Replicas: +3 desired \| 3 updated \| 3 total \| 3 available[\s\S]*ScalingReplicaSet/,
    'describe',
    'deployment',
    'web',
  );
  await expect(
    /Image: +localhost\/test\/busybox:1[\s\S]*Ready +True[\s\S]*Scheduled[\s\S]*Started/,
    'describe',
    'pods',
  );
  await expect(/Endpoints: +10\.244\.\d+\.\d+:8080,10/, 'describe', 'service', 'web');
  await expect(/containerd:\/\/[\s\S]*PodCIDR:[\s\S]*Non-terminated Pods: +\([1-9]/, 'describe', 'node', 'machine');
  await expect(/hello/, 'describe', 'configmap', 'conf');
  await expect(/password: +6 bytes/, 'describe', 'secret', 'cred');
  await expect(/^started with hello s3cret$/m, 'logs', 'deployment/web');
  const [pod = ''] = (await kubectl('get', 'pods', '-o', 'name')).trim().split('\n');
  assert.match(await follow(machine, program, namespace, pod), /started with hello s3cret\n(tick\n){2}/);

  await expect(/scaled/, 'scale', 'deployment/web', '--replicas=4');
  await expect(/successfully rolled out/, 'rollout', 'status', 'deployment/web', '--timeout=60s');
  await expect(/4\/4/, 'get', 'deployment', 'web');
  await expect(/scaled/, 'scale', 'deployment/web', '--replicas=2');
  await expect(/labeled/, 'label', 'deployment', 'web', 'tier=front');
  await expect(/web/, 'get', 'deployments', '-l', 'tier in (front, back)');
  await expect(/unlabeled/, 'label', 'deployment', 'web', 'tier-');
  await expect(/annotate/, 'annotate', 'deployment', 'web', 'note=hi');
  await expect(/^hi$/m, 'get', 'deployment', 'web', '-o', 'jsonpath={.metadata.annotations.note}');

  await expect(/image updated/, 'set', 'image', 'deployment/web', `main=${second}`);
  await expect(/successfully rolled out/, 'rollout', 'status', 'deployment/web', '--timeout=60s');
  await expect(/REVISION[\s\S]*\n1 [\s\S]*\n2 /, 'rollout', 'history', 'deployment/web');
  await expect(new RegExp(`Image:\\s+${second}`), 'rollout', 'history', 'deployment/web', '--revision=2');
  await expect(/rolled back/, 'rollout', 'undo', 'deployment/web');
  await expect(/successfully rolled out/, 'rollout', 'status', 'deployment/web', '--timeout=60s');
  const image = 'jsonpath={.spec.template.spec.containers[0].image}';
  assert.equal(await kubectl('get', 'deployment', 'web', '-o', image), first);

  const typo = await machine.run(
    program,
    '-n',
    namespace,
    'create',
    '--validate=strict',
    '-f',
    file('typo.yaml', app('x').replace('\ndata:', '\ndataa:').split('---')[0] ?? ''),
  );
  assert.equal(typo.code, 1);
  assert.match(typo.stderr, /unknown field "dataa"/);
  await expect(/deployment\.apps "web" deleted/, 'delete', '-f', manifest);
  await kubectl('wait', '--for=delete', 'pods', '--all', '--timeout=30s');
  await expect(/deleted/, 'delete', 'namespace', namespace, '--timeout=30s');
}

/** `get --watch` until a pod of it runs ready. */
const watch = (machine: Machine, program: string, namespace: string): Promise<string> =>
  untilSaid(machine, /1\/1 +Running/, program, '-n', namespace, 'get', 'pods', '--watch');

const follow = (machine: Machine, program: string, namespace: string, pod: string): Promise<string> =>
  untilSaid(machine, /(tick\n){2}/, program, '-n', namespace, 'logs', '-f', pod);

/** What a program that does not end by itself has said when `pattern` came; then it is ended. */
function untilSaid(machine: Machine, pattern: RegExp, program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', [...machine.enter, program, ...args], {
      env: { ...process.env, KUBECONFIG: machine.kubeconfig },
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 60_000,
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (pattern.test(text)) child.kill();
    });
    child.once('exit', () => {
      if (pattern.test(text)) resolve(text);
      else reject(new Error(`${program} ${args.join(' ')} never said ${pattern}: ${text}`));
    });
  });
}

const app = (greeting: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data:
  greeting: ${greeting}
---
apiVersion: v1
kind: Secret
metadata: {name: cred}
data: {password: ${Buffer.from('s3cret').toString('base64')}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: ${first}
        command: [sh, -c, 'httpd -p 8080 -h /conf; echo started with $GREETING $(cat /cred/password); while sleep 1; do echo tick; done']
        env:
        - {name: GREETING, valueFrom: {configMapKeyRef: {name: conf, key: greeting}}}
        readinessProbe: {httpGet: {path: /greeting, port: 8080}, periodSeconds: 1}
        volumeMounts:
        - {name: conf, mountPath: /conf}
        - {name: cred, mountPath: /cred}
      volumes:
      - {name: conf, configMap: {name: conf}}
      - {name: cred, secret: {secretName: cred}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`;

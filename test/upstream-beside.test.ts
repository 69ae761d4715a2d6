/**
 * Upstream's kube-apiserver and ours on one etcd at once, where BIREME_UPSTREAM_APISERVER names its program: each sees the other's writes, in lists and
 * watches, and a write of one that does not know the other's loses.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isConflict, isNotFound } from '../src/api/errors.ts';
import type { KubeObject, ResourceRef } from '../src/api/object.ts';
import { resources } from '../src/api/types/resources.ts';
import { silentLogger } from '../src/base/console-log.ts';
import { createMetricsRegistry } from '../src/base/metrics.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { createRealRandom } from '../src/base/real-random.ts';
import type { Client } from '../src/client/client.ts';
import { createClient } from '../src/client/create-client.ts';
import { createHttpsTransport } from '../src/client/https-transport.ts';
import { type ClusterCertificates, loadOrCreateCertificates } from '../src/cluster/certificates.ts';
import { adminPeer, startControlPlane } from '../src/cluster/control-plane.ts';
import { openEtcdStore } from '../src/store/etcd/etcd-store.ts';
import { freePort, startEtcd } from '../src/store/etcd/testdata/etcd-process.ts';
import { findCommand, requires } from './requirements.ts';

const program = process.env.BIREME_UPSTREAM_APISERVER ?? '';
const clock = createRealClock({ keepAlive: true });
const namespace = 'default';
const startMs = 120_000;
const eventMs = 30_000;

test("upstream's kube-apiserver beside ours on one etcd: each sees the other's writes", {
  timeout: 300_000,
}, async (t) => {
  const found = program === '' || !findCommand(program) ? ['BIREME_UPSTREAM_APISERVER (the program)'] : [];
  if (!requires(t, { commands: ['etcd'], found })) return;
  const folder = mkdtempSync(join(tmpdir(), 'bireme-upstream-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const random = createRealRandom();
  const certificates = await loadOrCreateCertificates({
    pkiDir: folder,
    clock,
    random,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1', '10.96.0.1'],
    clusterDomain: 'cluster.local',
  });
  const etcd = await startEtcd();
  t.after(() => etcd.end());
  const ours = await startOurs(t, etcd.endpoint, certificates);
  const theirs = await startTheirs(t, etcd.endpoint, folder, certificates);

  for (const [writer, reader, name] of [
    [ours, theirs, 'of-ours'],
    [theirs, ours, 'of-theirs'],
  ] as const) {
    // A kind of each storage form that upstream has: protobuf in groups of its own, one that it defaults much in, one with a status.
    for (const [ref, object] of samples(name)) {
      const seen = await watchFor(reader, ref, name);
      const made = await writer.resource(ref).create(object);
      assert.deepEqual(await reader.resource(ref).get(name, { namespace }), made, `${ref.resource} ${name}`);
      assert.equal((await seen()).metadata.uid, made.metadata.uid, `${ref.resource} ${name} in the watch`);
    }
    const maps = reader.resource(resources.configMaps);
    const map = await writer.resource(resources.configMaps).get(name, { namespace });
    const changed = await maps.update({ ...map, data: { changed: 'by the other' } });
    assert.deepEqual(await writer.resource(resources.configMaps).get(name, { namespace }), changed);
    await assert.rejects(writer.resource(resources.configMaps).update({ ...map, data: { lost: 'x' } }), isConflict);
    await maps.delete(name, { namespace });
    await assert.rejects(writer.resource(resources.configMaps).get(name, { namespace }), isNotFound);
  }
  // Node ports come from one allocation, which each writes in its own form.
  const ports = new Set<number>();
  for (const [i, client] of [theirs, ours, theirs, ours].entries()) {
    const spec = { type: 'NodePort', ports: [{ port: 80 }] };
    const made = await client
      .resource(resources.services)
      .create({ metadata: { name: `ports-${i}`, namespace }, spec });
    ports.add(made.spec?.ports?.[0]?.nodePort ?? 0);
  }
  assert.equal(ports.size, 4, [...ports].join());
  const [taken = 0] = ports;
  for (const client of [ours, theirs])
    await assert.rejects(
      client.resource(resources.services).create({
        metadata: { name: 'taken', namespace },
        spec: { type: 'NodePort', ports: [{ port: 80, nodePort: taken }] },
      }),
      /provided port is already allocated/,
    );
  const names = async (client: Client, ref: ResourceRef<KubeObject>): Promise<readonly string[]> =>
    (await client.resource(ref).list()).items
      .map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`)
      .sort();
  for (const ref of [
    resources.namespaces,
    resources.services,
    resources.deployments,
    resources.clusterRoles,
    resources.clusterRoleBindings,
    resources.priorityClasses,
    resources.flowSchemas,
  ] as readonly ResourceRef<KubeObject>[])
    await until(`${ref.resource} are the same`, async () => {
      const [a, b] = [await names(ours, ref), await names(theirs, ref)];
      return a.length > 0 && JSON.stringify(a) === JSON.stringify(b);
    });
});

function samples(name: string): readonly (readonly [ResourceRef<KubeObject>, KubeObject])[] {
  const metadata = { name, namespace };
  const pod = { containers: [{ name: 'a', image: 'registry.example/a:1', ports: [{ containerPort: 80 }] }] };
  return [
    [resources.configMaps, { metadata, data: { a: 'b' } }],
    [resources.secrets, { metadata, stringData: { password: 'x' } }],
    [resources.services, { metadata, spec: { selector: { app: name }, ports: [{ port: 80 }] } }],
    [
      resources.deployments,
      {
        metadata,
        spec: {
          selector: { matchLabels: { app: name } },
          template: { metadata: { labels: { app: name } }, spec: pod },
        },
      },
    ],
    [resources.leases, { metadata, spec: { holderIdentity: name, leaseDurationSeconds: 15 } }],
  ] as unknown as readonly (readonly [ResourceRef<KubeObject>, KubeObject])[];
}

async function startOurs(t: TestContext, endpoint: string, certificates: ClusterCertificates): Promise<Client> {
  const store = await openEtcdStore({ endpoints: [endpoint], clock });
  const controlPlane = await startControlPlane({
    ...{ clock, random: createRealRandom(), log: silentLogger, metrics: createMetricsRegistry(), store },
    sharedStore: true,
    serviceAccountPrivateKey: certificates.serviceAccountPrivateKey,
    advertiseAddress: '127.0.0.1',
    port: 6443,
    without: ['scheduler', 'controllers'],
  });
  t.after(async () => {
    await controlPlane.stop();
    await store.close();
  });
  return createClient(controlPlane.transportAs(adminPeer));
}

async function startTheirs(
  t: TestContext,
  endpoint: string,
  folder: string,
  { ca, admin }: ClusterCertificates,
): Promise<Client> {
  const port = await freePort();
  const file = (name: string): string => join(folder, name);
  const log = openSync(file('upstream.log'), 'w');
  const child = spawn(
    program,
    [
      ...['--etcd-servers', endpoint, '--secure-port', String(port), '--bind-address', '127.0.0.1'],
      ...['--tls-cert-file', file('apiserver.crt'), '--tls-private-key-file', file('apiserver.key')],
      ...[
        '--client-ca-file',
        file('ca.crt'),
        '--service-account-issuer',
        'https://kubernetes.default.svc.cluster.local',
      ],
      ...['--service-account-key-file', file('sa.pub'), '--service-account-signing-key-file', file('sa.key')],
      ...['--service-cluster-ip-range', '10.96.0.0/12', '--authorization-mode', 'Node,RBAC'],
      ...['--endpoint-reconciler-type', 'none', '--cert-dir', folder],
    ],
    { stdio: ['ignore', log, log] },
  );
  closeSync(log);
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const ready = (): Promise<boolean> =>
    new Promise((resolve) => {
      const credentials = { ca: ca.cert, cert: admin.cert, key: admin.key };
      const asked = request({ host: '127.0.0.1', port, path: '/readyz', agent: false, ...credentials }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      });
      asked.on('error', () => resolve(false));
      asked.end();
    });
  const deadline = clock.monotonic() + startMs;
  while (!(await ready())) {
    assert.ok(
      child.exitCode === null && clock.monotonic() < deadline,
      `upstream's kube-apiserver does not start:\n${readFileSync(file('upstream.log'), 'utf8').slice(-2000)}`,
    );
    await clock.sleep(200);
  }
  const transport = createHttpsTransport({
    server: `https://127.0.0.1:${port}`,
    clock,
    ca: ca.cert,
    clientCertificate: { cert: admin.cert, key: admin.key },
  });
  t.after(() => transport.close());
  return createClient(transport);
}

/** A watch from now on. @returns what it tells first of that name */
async function watchFor(
  client: Client,
  ref: ResourceRef<KubeObject>,
  name: string,
): Promise<() => Promise<KubeObject>> {
  const signal = AbortSignal.timeout(eventMs);
  const { metadata } = await client.resource(ref).list({ namespace });
  const watch = await client
    .resource(ref)
    .watch({ namespace, resourceVersion: metadata.resourceVersion ?? '', signal });
  return async () => {
    for await (const { object } of watch) if (object.metadata.name === name) return object;
    throw new Error(`No event of ${ref.resource} ${name}`);
  };
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = clock.monotonic() + eventMs;
  while (!(await holds())) {
    assert.ok(clock.monotonic() < deadline, what);
    await clock.sleep(200);
  }
}

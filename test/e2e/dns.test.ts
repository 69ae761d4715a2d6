/** Names as pods see them: asked by busybox in a pod, through kube-proxy, of the node's DNS. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { resources } from '../../src/api/types/resources.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { createClusterZone } from '../../src/network/dns/answer.ts';
import { startDnsServer } from '../../src/network/dns/dns-server.ts';
import { createDnsService } from '../../src/network/dns/dns-service.ts';
import { createSampleCluster, fillSampleCluster } from '../../src/network/dns/testdata/sample-cluster.ts';
import { busyboxArchive } from '../images.ts';
import { requires } from '../requirements.ts';
import { accessTo } from './cluster.ts';
import { containerdNeeds, port, startMachine } from './machine.ts';

const image = 'localhost/test/busybox:1';
const script = `
{
  cat /etc/resolv.conf
  for try in 1 2 3 4 5 6 7 8 9 10; do nslookup web.default.svc.cluster.local >/dev/null 2>&1 && break; sleep 1; done
  show() { echo "# $*"; nslookup "$@" 2>&1 | tail -n +3; }
  show web.default.svc.cluster.local
  show -type=a named.peers.default.svc.cluster.local
  show -type=ptr 10.0.96.10.in-addr.arpa
  show -type=a alias.default.svc.cluster.local
  show -type=a nobody.default.svc.cluster.local
  show -type=a web.default.svc.upstream.test
  show -type=a nowhere.upstream.test
  echo '# by its short name'
  wget -q -O - http://web/ 2>&1
} > /dev/termination-log
`;

test('cluster DNS: pods find Services, endpoints and the world by name', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  const machine = await startMachine(t);
  const gateway = machine.address.replace(/\.2$/, '.1');
  const upstream = await startUpstream(gateway);
  t.after(() => upstream.stop());
  const resolvConf = join(machine.folder, 'resolv.conf');
  writeFileSync(resolvConf, `nameserver ${gateway}\n`);
  await machine.ok('mount', '--bind', resolvConf, '/etc/resolv.conf');
  const archive = join(machine.folder, 'busybox.tar');
  writeFileSync(archive, busyboxArchive(image));
  assert.equal((await machine.bireme('up')).code, 0);
  await machine.bireme('image import', archive);
  const cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
  t.after(() => cluster.close());
  await cluster.until(resources.serviceAccounts, 'the default service account', (all) => all.length > 0, {
    namespace: 'default',
  });
  await cluster.until(
    resources.endpointSlices,
    'the node is an endpoint of kube-dns',
    (all) => all.some((s) => s.endpoints?.some((e) => e.conditions?.ready && e.addresses[0] === machine.address)),
    { namespace: 'kube-system' },
  );

  const services = cluster.client.resource(resources.services);
  const namespace = 'default';
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
  const created = await services.create({
    metadata: { name: 'web', namespace },
    spec: { selector: { app: 'web' }, ports },
  });
  await services.create({
    metadata: { name: 'peers', namespace },
    spec: { clusterIP: 'None', selector: { app: 'web' }, ports },
  });
  await services.create({
    metadata: { name: 'alias', namespace },
    spec: { type: 'ExternalName', externalName: 'web.default.svc.upstream.test' },
  });
  const pods = cluster.client.resource(resources.pods);
  const container = { name: 'c', image, imagePullPolicy: 'Never' };
  await pods.create({
    metadata: { name: 'web', namespace, labels: { app: 'web' } },
    spec: {
      hostname: 'named',
      subdomain: 'peers',
      containers: [
        {
          ...container,
          command: ['sh', '-c', 'mkdir /tmp/w; echo hello > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w'],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    },
  });
  const [web] = await cluster.until(
    resources.pods,
    'the web pod is ready',
    (all) => all[0]?.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false,
    { namespace, fieldSelector: 'metadata.name=web' },
  );
  await pods.create({
    metadata: { name: 'client', namespace },
    spec: { restartPolicy: 'Never', containers: [{ ...container, command: ['sh', '-c', script] }] },
  });
  const [client] = await cluster.until(
    resources.pods,
    'the client has asked',
    (all) => all[0]?.status?.containerStatuses?.[0]?.state?.terminated !== undefined,
    { namespace, fieldSelector: 'metadata.name=client' },
  );
  const text = client?.status?.containerStatuses?.[0]?.state?.terminated?.message ?? '';
  t.diagnostic(text);
  const answer = (question: string): string => text.split(`# ${question}\n`)[1]?.split('\n# ')[0] ?? '';
  assert.match(text, /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/);
  assert.match(text, /nameserver 10\.96\.0\.10/);
  assert.match(answer('web.default.svc.cluster.local'), new RegExp(`Address: ${created.spec?.clusterIP}`));
  assert.match(answer('-type=a named.peers.default.svc.cluster.local'), new RegExp(`Address: ${web?.status?.podIP}`));
  assert.match(answer('-type=ptr 10.0.96.10.in-addr.arpa'), /name = kube-dns\.kube-system\.svc\.cluster\.local/);
  assert.match(answer('-type=a alias.default.svc.cluster.local'), /Address: 10\.96\.1\.1/);
  assert.match(answer('-type=a nobody.default.svc.cluster.local'), /NXDOMAIN/);
  assert.match(answer('-type=a web.default.svc.upstream.test'), /Address: 10\.96\.1\.1/);
  assert.match(answer('-type=a nowhere.upstream.test'), /NXDOMAIN/);
  assert.match(answer('by its short name'), /hello/);
});

/** A resolver outside the cluster, that knows `web.default.svc.upstream.test`. */
async function startUpstream(address: string) {
  const cluster = createSampleCluster();
  fillSampleCluster(cluster);
  const zone = createClusterZone({
    index: cluster.zone.index,
    zone: ['upstream', 'test'],
    ttlSeconds: 30,
    negativeTtlSeconds: 5,
    serial: 1,
  });
  const { handle } = createDnsService({ zone, isSynced: () => true });
  return startDnsServer({ address, port: 53, handle, mayRecurse: () => true, clock: createRealClock() });
}

/** How a host without a certificate gets one: a bootstrap token, a request, its approval and its signature, in a whole control plane. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { parseCertificateRequest } from '../api/certificate-request.ts';
import { ApiError } from '../api/errors.ts';
import type { CertificateSigningRequest } from '../api/types/certificates-v1.ts';
import { resources } from '../api/types/resources.ts';
import { silentLogger } from '../base/console-log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/create-client.ts';
import { createInProcessTransport } from '../client/in-process-transport.ts';
import { createMemoryStore } from '../store/memory/memory-store.ts';
import { adminPeer, type ControlPlane, startControlPlane } from './control-plane.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  createCertificateRequest,
  createServiceAccountKeys,
} from './pki.ts';

const clock = createVirtualClock(Date.UTC(2026, 10, 23));
const random = createSeededRandom(1);
let ca: CertificateAuthority;
let plane: ControlPlane;
let admin: Client;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

before(async () => {
  ca = await createCertificateAuthority('kubernetes', { clock, random });
  plane = await startControlPlane({
    clock,
    random,
    log: silentLogger,
    metrics: createMetricsRegistry(),
    store: createMemoryStore({ clock }),
    serviceAccountPrivateKey: createServiceAccountKeys().privateKey,
    advertiseAddress: '127.0.0.1',
    port: 6443,
    rootCa: ca.cert,
    certificateSigner: ca,
  });
  admin = createClient(plane.transportAs(adminPeer));
  await admin.resource(resources.secrets).create({
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    data: Object.fromEntries(
      Object.entries({
        'token-id': 'abcdef',
        'token-secret': '0123456789abcdef',
        expiration: new Date(clock.now() + 3_600_000).toISOString(),
        'usage-bootstrap-authentication': 'true',
        'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
      }).map(([name, value]) => [name, base64(value)]),
    ),
  });
  for (const [name, role, group] of [
    ['bootstrap', 'system:node-bootstrapper', 'system:bootstrappers:kubeadm:default-node-token'],
    [
      'approve',
      'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
      'system:bootstrappers:kubeadm:default-node-token',
    ],
  ] as const)
    await admin.resource(resources.clusterRoleBindings).create({
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group }],
    });
  await clock.settle();
});
after(() => plane.stop());

const asBearer = (token: string): Client => createClient(createInProcessTransport(plane.handler, { clock, token }));

const request = async (
  name: string,
  leaf: Parameters<typeof createCertificateRequest>[0],
  signerName: string,
  usages: readonly string[],
): Promise<CertificateSigningRequest> => ({
  apiVersion: 'certificates.k8s.io/v1',
  kind: 'CertificateSigningRequest',
  metadata: { name },
  spec: { request: base64((await createCertificateRequest(leaf)).request), signerName, usages },
});
const nodeLeaf = { commonName: 'system:node:w1', organizations: ['system:nodes'] };
const clientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
const clientUsages = ['digital signature', 'client auth'];

const rejection = async (attempt: Promise<unknown>): Promise<string> => {
  try {
    await attempt;
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof ApiError);
    return `${error.status.code} ${error.message}`;
  }
};

test('certificate requests: with a bootstrap token a node gets the certificate of its name', {
  timeout: 60_000,
}, async () => {
  const bearer = asBearer('abcdef.0123456789abcdef');
  const made = await bearer
    .resource(resources.certificateSigningRequests)
    .create(await request('first', nodeLeaf, clientSigner, clientUsages));
  assert.equal(made.spec.username, 'system:bootstrap:abcdef');
  // Signing is WebCrypto's, on a thread that virtual time does not wait for.
  const signed = async () => {
    for (;;) {
      await clock.advance(1000);
      const { status } = await bearer.resource(resources.certificateSigningRequests).get('first');
      if (status?.certificate !== undefined) return status;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const status = await signed();
  assert.equal(status.conditions?.[0]?.reason, 'AutoApproved');
  const cert = new X509Certificate(Buffer.from(status.certificate ?? '', 'base64'));
  assert.equal(cert.subject, 'O=system:nodes\nCN=system:node:w1');
  assert.ok(cert.verify(new X509Certificate(ca.cert).publicKey));
  assert.deepEqual(cert.keyUsage, ['1.3.6.1.5.5.7.3.2']);

  const node = createClient(plane.transportAs({ commonName: 'system:node:w1', organizations: ['system:nodes'] }));
  const other = { commonName: 'system:node:w2', organizations: ['system:nodes'] };
  assert.equal(
    await rejection(
      node
        .resource(resources.certificateSigningRequests)
        .create(await request('other', other, clientSigner, clientUsages)),
    ),
    '403 certificatesigningrequests.certificates.k8s.io "other" is forbidden: can only create a node CSR with CN=system:node:w1',
  );
});

for (const [what, token] of [
  ['a wrong secret', 'abcdef.0123456789abcdeX'],
  ['another secret', 'abcdef.fedcba9876543210'],
  ['an unknown id', 'zzzzzz.0123456789abcdef'],
] as const)
  test(`certificate requests: ${what} is nobody's token`, async () => {
    assert.equal(await rejection(asBearer(token).resource(resources.nodes).list()), '401 Unauthorized');
  });

test('certificate requests: an expired token counts no longer, and is gone', async () => {
  await admin
    .resource(resources.secrets)
    .patch(
      'bootstrap-token-abcdef',
      { type: 'merge', patch: { data: { expiration: base64(new Date(clock.now() - 1000).toISOString()) } } },
      { namespace: 'kube-system' },
    );
  assert.equal(
    await rejection(asBearer('abcdef.0123456789abcdef').resource(resources.nodes).list()),
    '401 Unauthorized',
  );
  await clock.advance(1000);
  assert.match(
    await rejection(admin.resource(resources.secrets).get('bootstrap-token-abcdef', { namespace: 'kube-system' })),
    /^404/,
  );
});

test('certificate requests: nobody gets a certificate of system:masters, and nobody approves without the right to', async () => {
  const masters = await request(
    'masters',
    { commonName: 'eve', organizations: ['system:masters'] },
    'kubernetes.io/kube-apiserver-client',
    clientUsages,
  );
  assert.equal(
    await rejection(admin.resource(resources.certificateSigningRequests).create(masters)),
    '403 certificatesigningrequests.certificates.k8s.io "masters" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
  );
});

test("certificate requests: an approved one that breaks its signer's rules fails with the reason", async () => {
  const requests = admin.resource(resources.certificateSigningRequests);
  const csr = await requests.create(
    await request('serving', nodeLeaf, 'kubernetes.io/kubelet-serving', ['digital signature', 'server auth']),
  );
  const approved = {
    ...csr,
    status: { conditions: [{ type: 'Approved', status: 'True', reason: 'Test', message: 'by hand' }] },
  };
  await requests.update(approved, { subresource: 'approval' });
  await clock.advance(1000);
  const { status } = await requests.get('serving');
  assert.equal(status?.certificate, undefined);
  assert.equal(
    status?.conditions?.find(({ type }) => type === 'Failed')?.message,
    'DNS or IP subjectAltName is required',
  );
});

test('certificate requests: what is asked for is read without a library', async () => {
  const { request: pem } = await createCertificateRequest({
    commonName: 'system:node:w1',
    organizations: ['system:nodes', 'b'],
    dnsNames: ['w1', 'w1.example'],
    ipAddresses: ['10.0.0.7', 'fd00::7'],
  });
  assert.deepEqual(parseCertificateRequest(base64(pem)), {
    commonName: 'system:node:w1',
    organizations: ['system:nodes', 'b'],
    dnsNames: ['w1', 'w1.example'],
    emails: [],
    ipAddresses: ['10.0.0.7', 'fd00:0:0:0:0:0:0:7'],
    uris: [],
  });
});

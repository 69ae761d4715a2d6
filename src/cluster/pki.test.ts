import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createCertificateAuthority, loadCertificateAuthority } from './pki.ts';

const io = { clock: createVirtualClock(Date.UTC(2026, 10, 23)), random: createSeededRandom(1) };

test('pki: a client certificate carries the user and every group, and is signed by the authority', async () => {
  const ca = await createCertificateAuthority('kubernetes', io);
  const leaf = await ca.issue({
    commonName: 'system:node:w1',
    organizations: ['system:nodes', 'other'],
    usages: ['client'],
  });
  const cert = new X509Certificate(leaf.cert);
  assert.equal(cert.subject, 'O=system:nodes\nO=other\nCN=system:node:w1');
  assert.equal(cert.verify(new X509Certificate(ca.cert).publicKey), true);
  assert.equal(cert.checkIssued(new X509Certificate(ca.cert)), true);
  assert.deepEqual(cert.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.equal(cert.ca, false);
});

test('pki: a server certificate carries names and addresses and expires after a year', async () => {
  const ca = await createCertificateAuthority('kubernetes', io);
  const leaf = await ca.issue({
    commonName: 'kube-apiserver',
    usages: ['server'],
    dnsNames: ['kubernetes.default.svc'],
    ipAddresses: ['10.96.0.1', '::1'],
  });
  const cert = new X509Certificate(leaf.cert);
  assert.equal(cert.checkHost('kubernetes.default.svc'), 'kubernetes.default.svc');
  assert.equal(cert.checkIP('10.96.0.1'), '10.96.0.1');
  assert.equal(cert.checkIP('10.96.0.2'), undefined);
  assert.equal(new Date(cert.validTo).getTime(), Date.UTC(2027, 10, 23));
});

test('pki: an authority loaded from its files goes on signing; a foreign key is refused', async () => {
  const ca = await createCertificateAuthority('kubernetes', io);
  const loaded = loadCertificateAuthority({ cert: ca.cert, key: ca.key }, io);
  const leaf = await loaded.issue({
    commonName: 'kubernetes-admin',
    organizations: ['system:masters'],
    usages: ['client'],
  });
  assert.equal(new X509Certificate(leaf.cert).verify(new X509Certificate(ca.cert).publicKey), true);
  const other = await createCertificateAuthority('other', io);
  assert.throws(() => loadCertificateAuthority({ cert: ca.cert, key: other.key }, io), /does not belong/);
});

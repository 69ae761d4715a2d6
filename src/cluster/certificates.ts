/**
 * The certificates of one control plane on disk: made once, read at every later start, leaves renewed when they are missing, expire within
 * a month or lack an address that the server now has.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { ClusterError } from './cluster-error.ts';
import { readFileIfPresent, writeFileAtomically } from './data-dir.ts';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  createServiceAccountKeys,
  type KeyPair,
  type LeafRequest,
  loadCertificateAuthority,
} from './pki.ts';

export interface ClusterCertificates {
  readonly ca: CertificateAuthority;
  readonly frontProxyCa: CertificateAuthority;
  readonly apiserver: KeyPair;
  readonly apiserverKubeletClient: KeyPair;
  readonly frontProxyClient: KeyPair;
  readonly admin: KeyPair;
  readonly serviceAccountPrivateKey: string;
  /** True when the authority was made by this call. */
  readonly fresh: boolean;
}

export interface CertificateOptions {
  readonly pkiDir: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Names and addresses of the API server, beside the built-in ones. */
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly clusterDomain: string;
}

const renewBeforeMs = 30 * 86_400_000;

/** @throws ClusterError when a file is damaged or an authority is there without its key. */
export async function loadOrCreateCertificates(options: CertificateOptions): Promise<ClusterCertificates> {
  const { pkiDir, clock, random, clusterDomain } = options;
  const io = { clock, random };
  const authority = async (name: string, commonName: string): Promise<{ ca: CertificateAuthority; fresh: boolean }> => {
    const found = readPair(pkiDir, name);
    if (found) return { ca: loaded(pkiDir, name, () => loadCertificateAuthority(found, io)), fresh: false };
    const ca = await createCertificateAuthority(commonName, io);
    writePair(pkiDir, name, ca);
    return { ca, fresh: true };
  };
  const leaf = async (name: string, ca: CertificateAuthority, request: LeafRequest): Promise<KeyPair> => {
    const found = readPair(pkiDir, name);
    if (found && loaded(pkiDir, name, () => stillGood(found, ca, request, clock.now()))) return found;
    const pair = await ca.issue(request);
    writePair(pkiDir, name, pair);
    return pair;
  };

  const { ca, fresh } = await authority('ca', 'kubernetes');
  const { ca: frontProxyCa } = await authority('front-proxy-ca', 'front-proxy-ca');
  const serverNames = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${clusterDomain}`,
    'localhost',
    ...options.dnsNames,
  ];
  const apiserver = await leaf('apiserver', ca, {
    commonName: 'kube-apiserver',
    usages: ['server'],
    dnsNames: [...new Set(serverNames)],
    ipAddresses: [...new Set(['127.0.0.1', '::1', ...options.ipAddresses])],
  });
  const apiserverKubeletClient = await leaf('apiserver-kubelet-client', ca, {
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['system:masters'],
    usages: ['client'],
  });
  const frontProxyClient = await leaf('front-proxy-client', frontProxyCa, {
    commonName: 'front-proxy-client',
    usages: ['client'],
  });
  const admin = await leaf('admin', ca, {
    commonName: 'kubernetes-admin',
    organizations: ['system:masters'],
    usages: ['client'],
  });
  return {
    ca,
    frontProxyCa,
    apiserver,
    apiserverKubeletClient,
    frontProxyClient,
    admin,
    serviceAccountPrivateKey: serviceAccountKey(pkiDir),
    fresh,
  };
}

export interface EtcdCertificates {
  readonly ca: CertificateAuthority;
  readonly server: KeyPair;
  readonly peer: KeyPair;
  readonly healthcheckClient: KeyPair;
  readonly apiserverClient: KeyPair;
}

/** etcd's own authority and what it signs, under kubeadm's names: `etcd/ca`, `etcd/server`, `etcd/peer` and so on. */
export async function loadOrCreateEtcdCertificates(options: {
  readonly pkiDir: string;
  readonly nodeName: string;
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
}): Promise<EtcdCertificates> {
  const { pkiDir, nodeName, address, clock } = options;
  mkdirSync(join(pkiDir, 'etcd'), { recursive: true, mode: 0o700 });
  const found = readPair(pkiDir, 'etcd/ca');
  const ca = found
    ? loaded(pkiDir, 'etcd/ca', () => loadCertificateAuthority(found, options))
    : await createCertificateAuthority('etcd-ca', options);
  if (!found) writePair(pkiDir, 'etcd/ca', ca);
  const member: LeafRequest = {
    commonName: nodeName,
    usages: ['server', 'client'],
    dnsNames: [nodeName, 'localhost'],
    ipAddresses: [address, '127.0.0.1', '::1'],
  };
  const client = (commonName: string): LeafRequest => ({ commonName, usages: ['client'] });
  const leaf = (name: string, request: LeafRequest): Promise<KeyPair> =>
    loadOrCreateLeaf(pkiDir, name, ca, request, clock);
  return {
    ca,
    server: await leaf('etcd/server', member),
    peer: await leaf('etcd/peer', member),
    healthcheckClient: await leaf('etcd/healthcheck-client', client('kube-etcd-healthcheck-client')),
    apiserverClient: await leaf('apiserver-etcd-client', client('kube-apiserver-etcd-client')),
  };
}

/** `sha256:HEX` of the authority's public key: what a joining host pins. Source: kubeadm's discovery-token-ca-cert-hash. */
export function caCertHash(caPem: string): string {
  const spki = new X509Certificate(caPem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}

/** A leaf for a component of this host, kept beside the others. */
export async function loadOrCreateLeaf(
  pkiDir: string,
  name: string,
  ca: CertificateAuthority,
  request: LeafRequest,
  clock: Clock,
): Promise<KeyPair> {
  const found = readPair(pkiDir, name);
  if (found && loaded(pkiDir, name, () => stillGood(found, ca, request, clock.now()))) return found;
  const pair = await ca.issue(request);
  writePair(pkiDir, name, pair);
  return pair;
}

function stillGood(pair: KeyPair, ca: CertificateAuthority, request: LeafRequest, nowMs: number): boolean {
  const cert = new X509Certificate(pair.cert);
  if (!cert.checkIssued(new X509Certificate(ca.cert))) return false;
  if (new Date(cert.validTo).getTime() - nowMs < renewBeforeMs) return false;
  return (
    (request.ipAddresses ?? []).every((ip) => cert.checkIP(ip) !== undefined) &&
    (request.dnsNames ?? []).every((name) => cert.checkHost(name) !== undefined)
  );
}

function readPair(pkiDir: string, name: string): KeyPair | undefined {
  const cert = readFileIfPresent(join(pkiDir, `${name}.crt`));
  const key = readFileIfPresent(join(pkiDir, `${name}.key`));
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  const missing = join(pkiDir, `${name}.${cert === undefined ? 'crt' : 'key'}`);
  throw new ClusterError(
    `The file "${missing}" is missing while its counterpart is there`,
    'put it back from a backup, or start over with "bireme down"',
  );
}

function writePair(pkiDir: string, name: string, pair: KeyPair): void {
  writeFileAtomically(join(pkiDir, `${name}.key`), pair.key, 0o600);
  writeFileAtomically(join(pkiDir, `${name}.crt`), pair.cert, 0o644);
}

function serviceAccountKey(pkiDir: string): string {
  const path = join(pkiDir, 'sa.key');
  const found = readFileIfPresent(path);
  if (found !== undefined) return found;
  const keys = createServiceAccountKeys();
  writeFileAtomically(join(pkiDir, 'sa.pub'), keys.publicKey, 0o644);
  writeFileAtomically(path, keys.privateKey, 0o600);
  return keys.privateKey;
}

function loaded<T>(pkiDir: string, name: string, load: () => T): T {
  try {
    return load();
  } catch (error) {
    throw new ClusterError(
      `The certificate files "${join(pkiDir, name)}.crt" and ".key" are damaged`,
      'put them back from a backup, or start over with "bireme down"',
      { cause: error },
    );
  }
}

/**
 * The authorities and keys that a joining control-plane host needs, encrypted with a key that never enters the cluster, in the Secret
 * `kubeadm-certs`: kubeadm's names, and its way to encrypt (AES-256-GCM, the nonce first), so either tool reads the other's.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ApiError, isNotFound } from '../../api/errors.ts';
import type { Secret } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import { ClusterError } from '../cluster-error.ts';
import { readFileIfPresent, writeFileAtomically } from '../data-dir.ts';
import { certificatesSecret, ensureCertificatesRole } from './cluster-objects.ts';
import { createToken } from './tokens.ts';

/** File below pki/ -> key in the Secret. A witness needs etcd's authority alone. */
export const certificateFiles = [
  'ca.crt',
  'ca.key',
  'sa.key',
  'sa.pub',
  'front-proxy-ca.crt',
  'front-proxy-ca.key',
  'etcd/ca.crt',
  'etcd/ca.key',
] as const;
const secretKey = (file: string): string => file.replaceAll('/', '-');

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
export const certificateKeyTtlMs = 2 * 3_600_000;

export const generateCertificateKey = (random: Random): string => Buffer.from(random.bytes(keyBytes)).toString('hex');

/** Makes or replaces the Secret. It goes away with a token that lives for two hours, which it names as its owner. */
export async function uploadCertificates(
  client: Client,
  options: { readonly pkiDir: string; readonly certificateKey: string; readonly clock: Clock; readonly random: Random },
): Promise<void> {
  const { pkiDir, random } = options;
  const key = parseCertificateKey(options.certificateKey);
  const data: Record<string, string> = {};
  for (const file of certificateFiles) {
    const text = readFileIfPresent(join(pkiDir, file));
    if (text === undefined)
      throw new ClusterError(
        `The file "${join(pkiDir, file)}" is missing`,
        'run this on a control-plane host, or put the file back from a backup',
      );
    data[secretKey(file)] = encrypt(Buffer.from(text), key, random).toString('base64');
  }
  const owner = await createToken(
    client,
    {
      ttlMs: certificateKeyTtlMs,
      usages: [],
      groups: [],
      description: `Proxy for managing TTL for the ${certificatesSecret} secret`,
    },
    options,
  );
  await ensureCertificatesRole(client);
  const secrets = client.resource(resources.secrets);
  const secret: Secret = {
    metadata: {
      name: certificatesSecret,
      namespace: 'kube-system',
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'Secret',
          name: owner.secret.metadata.name ?? '',
          uid: owner.secret.metadata.uid ?? '',
          blockOwnerDeletion: true,
          controller: true,
        },
      ],
    },
    data,
  };
  try {
    await secrets.delete(certificatesSecret, { namespace: 'kube-system' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  await secrets.create(secret);
}

/** @returns file below pki/ -> text. @throws ClusterError for a wrong key, or when nothing is there. */
export async function downloadCertificates(
  client: Client,
  certificateKey: string,
): Promise<ReadonlyMap<string, string>> {
  const key = parseCertificateKey(certificateKey);
  const again = 'upload them again on a control-plane host and use the key it prints: bireme init phase upload-certs';
  let secret: Secret;
  try {
    secret = await client.resource(resources.secrets).get(certificatesSecret, { namespace: 'kube-system' });
  } catch (error) {
    if (!(error instanceof ApiError) || ![403, 404].includes(error.status.code ?? 0)) throw error;
    throw new ClusterError(
      `The Secret "${certificatesSecret}" with the control plane's certificates is not in the cluster; it is kept for two hours`,
      again,
      { cause: error },
    );
  }
  const found = new Map<string, string>();
  for (const file of certificateFiles) {
    const encrypted = secret.data?.[secretKey(file)];
    if (!encrypted) throw new ClusterError(`The Secret "${certificatesSecret}" lacks "${secretKey(file)}"`, again);
    try {
      found.set(file, decrypt(Buffer.from(encrypted, 'base64'), key).toString());
    } catch (error) {
      throw new ClusterError('The certificate key is not the one that the certificates were uploaded with', again, {
        cause: error,
      });
    }
  }
  return found;
}

export function writeCertificates(pkiDir: string, certificates: ReadonlyMap<string, string>): void {
  for (const [file, text] of certificates) {
    const path = join(pkiDir, file);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileAtomically(path, text, file.endsWith('.key') ? 0o600 : 0o644);
  }
}

function parseCertificateKey(text: string): Buffer {
  const key = Buffer.from(text, 'hex');
  if (/^[0-9a-f]+$/i.test(text) && key.length === keyBytes) return key;
  throw new ClusterError(
    `The certificate key is not ${2 * keyBytes} hexadecimal digits long`,
    'copy it from what "bireme init phase upload-certs" prints on a control-plane host',
  );
}

export function encrypt(plain: Buffer, key: Buffer, random: Random): Buffer {
  const nonce = random.bytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when the key is another one or a byte was changed. */
export function decrypt(encrypted: Buffer, key: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, encrypted.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAuthTag(encrypted.subarray(-tagBytes));
  return Buffer.concat([decipher.update(encrypted.subarray(nonceBytes, -tagBytes)), decipher.final()]);
}

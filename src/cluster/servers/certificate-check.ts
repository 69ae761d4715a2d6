/** `bireme certs check | renew`: what a host's certificates say, and new ones for those that its authorities may give. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterError } from '../cluster-error.ts';
import type { Surroundings } from '../component.ts';
import { type DataDir, readFileIfPresent } from '../data-dir.ts';
import { nodeFiles, readNodeConfig, settingsIn } from '../node-config.ts';
import { readHostConfig } from './host-config.ts';
import { writeMasterFiles } from './init.ts';
import { chooseRuntime, type ServerOptions } from './prepare.ts';

export interface CertificateInfo {
  /** Below pki/, without its ending. */
  readonly name: string;
  readonly subject: string;
  readonly authority: boolean;
  readonly expires: string;
  /** Negative: so long ago. */
  readonly leftMs: number;
}

export function checkCertificates(dir: DataDir, now: number): readonly CertificateInfo[] {
  const found: CertificateInfo[] = [];
  for (const folder of ['', 'etcd']) {
    const path = join(dir.pki, folder);
    if (!existsSync(path)) continue;
    for (const file of readdirSync(path).sort()) {
      if (!/\.(crt|pem)$/.test(file)) continue;
      const name = join(folder, file.replace(/\.(crt|pem)$/, ''));
      const cert = parse(join(path, file));
      const end = new Date(cert.validTo).getTime();
      found.push({
        name,
        subject: cert.subject.split('\n').join(', '),
        authority: cert.ca,
        expires: new Date(end).toISOString(),
        leftMs: end - now,
      });
    }
  }
  if (found.length === 0)
    throw new ClusterError(`There are no certificates in "${dir.pki}"`, 'run this on a server of a cluster');
  return found;
}

/** New leaves for all that the authorities on this host sign; running parts take them within half a day or with their next start. */
export async function renewCertificates(
  dir: DataDir,
  options: Pick<ServerOptions, 'runtime'> & ServerOptions & Surroundings,
): Promise<readonly string[]> {
  const config = readHostConfig(dir);
  if (config?.role !== 'control-plane')
    throw new ClusterError(
      'The authorities are on control-plane hosts only',
      'a worker renews its certificates by itself; run this on a control-plane host',
    );
  const renewed: string[] = [];
  for (const { name, authority } of checkCertificates(dir, options.clock.now())) {
    if (authority || readFileIfPresent(join(dir.pki, `${name}.key`)) === undefined) continue;
    rmSync(join(dir.pki, `${name}.crt`));
    rmSync(join(dir.pki, `${name}.key`));
    renewed.push(name);
  }
  // The node registers with what it was given when it joined.
  const node = readFileIfPresent(nodeFiles(dir).config) === undefined ? undefined : readNodeConfig(dir);
  await writeMasterFiles(dir, config, chooseRuntime({ ...options, runtime: config.runtime }), {
    ...options,
    labels: node?.labels ?? options.labels,
    taints: node?.taints ?? options.taints,
    nodes: node ? { ...options.nodes, ...settingsIn(node) } : options.nodes,
  });
  return renewed;
}

function parse(path: string): X509Certificate {
  try {
    return new X509Certificate(readFileIfPresent(path) ?? '');
  } catch (error) {
    throw new ClusterError(`The certificate "${path}" is damaged`, 'put it back from a backup, or renew it', {
      cause: error,
    });
  }
}

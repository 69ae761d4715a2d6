/**
 * The certificates and kubeconfigs of a node whose files are written by somebody who holds the cluster's authority: `up`, for this machine
 * and its simulated hosts. A server that joins asks for them instead.
 */
import type { Clock } from '../base/clock.ts';
import { loadOrCreateLeaf } from './certificates.ts';
import type { NodeConfig, NodeSetup } from './node-config.ts';
import type { CertificateAuthority, KeyPair } from './pki.ts';
import { renderKubeconfig } from './user-kubeconfig.ts';

/** Issues what is not in `pkiDir` yet or ends soon. @param server URL under which the host reaches the API server. */
export async function issueNodeSetup(options: {
  readonly pkiDir: string;
  readonly ca: CertificateAuthority;
  readonly server: string;
  readonly config: NodeConfig;
  readonly clock: Clock;
}): Promise<NodeSetup> {
  const { pkiDir, ca, server, config, clock } = options;
  const { nodeName, nodeIp } = config;
  const proxy = await loadOrCreateLeaf(
    pkiDir,
    'kube-proxy',
    ca,
    { commonName: 'system:kube-proxy', usages: ['client'] },
    clock,
  );
  const kubeconfig = (name: string, pair: KeyPair): string =>
    renderKubeconfig({
      name,
      server,
      certificateAuthority: ca.cert,
      clientCertificate: pair.cert,
      clientKey: pair.key,
    });
  const common = { config, ca: ca.cert, proxyKubeconfig: kubeconfig('kube-proxy', proxy) };
  if (config.kubelet === false) return common;
  const subject = { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] };
  const kubelet = await loadOrCreateLeaf(pkiDir, 'kubelet-client', ca, { ...subject, usages: ['client'] }, clock);
  const serving = await loadOrCreateLeaf(
    pkiDir,
    'kubelet-server',
    ca,
    { ...subject, usages: ['server'], dnsNames: [nodeName], ipAddresses: [nodeIp] },
    clock,
  );
  return { ...common, kubeletKubeconfig: kubeconfig('kubelet', kubelet), serving };
}

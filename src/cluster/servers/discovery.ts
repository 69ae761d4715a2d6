/**
 * Finding a cluster with nothing but an address, a token and the hash of its authority's key: what the address says is believed only where the
 * token signed it and the hash matches. Source: kubeadm's token discovery.
 */
import { X509Certificate } from 'node:crypto';
import { parse } from 'yaml';
import {
  clusterInfoKubeconfig,
  clusterInfoName,
  clusterInfoSignaturePrefix,
  detachedSignature,
} from '../../api/bootstrap-token.ts';
import { ApiError } from '../../api/errors.ts';
import type { ConfigMap } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import { createClient } from '../../client/create-client.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import { TransportError } from '../../client/transport.ts';
import { caCertHash } from '../certificates.ts';
import { ClusterError } from '../cluster-error.ts';
import { parseToken } from './tokens.ts';

export interface DiscoveryOptions {
  /** `host:port` of one API server, or of what stands before them. */
  readonly address: string;
  readonly token: string;
  /** `sha256:HEX`, any of them. Empty only with `withoutHash`. */
  readonly caCertHashes: readonly string[];
  /** kubeadm's --discovery-token-unsafe-skip-ca-verification. */
  readonly withoutHash?: boolean;
  readonly clock: Clock;
  readonly timeoutMs?: number;
}

export interface Discovered {
  /** PEM. */
  readonly ca: string;
  /** The server that the cluster names for everybody. */
  readonly server: string;
  /** The address that was asked, as a URL. */
  readonly asked: string;
}

const timeoutDefaultMs = 20_000;
const retryMs = 1000;
const anotherToken = 'make a new one on a control-plane host: bireme token create --print-join-command';

/** @throws ClusterError: one sentence for each thing that can be wrong. */
export async function discover(options: DiscoveryOptions): Promise<Discovered> {
  const token = parseToken(options.token);
  const hashes = options.caCertHashes.map(checkHash);
  if (hashes.length === 0 && !options.withoutHash)
    throw new ClusterError(
      'The hash of the cluster authority is missing',
      'give it with --discovery-token-ca-cert-hash sha256:..., as "bireme token create --print-join-command" prints it',
    );
  const asked = `https://${options.address}`;
  const first = await clusterInfo(asked, undefined, options, `${clusterInfoSignaturePrefix}${token.id}`);
  const content = first.data?.[clusterInfoKubeconfig];
  if (content === undefined)
    throw new ClusterError(
      `The cluster at ${options.address} publishes no "${clusterInfoKubeconfig}" in its ConfigMap "${clusterInfoName}"`,
      'it was not made with "bireme init" or "kubeadm init"; run "bireme init" again on a control-plane host',
    );
  const signature = first.data?.[clusterInfoSignaturePrefix + token.id];
  if (signature === undefined)
    throw new ClusterError(
      `The cluster at ${options.address} does not know a token with id "${token.id}", or it has expired`,
      anotherToken,
    );
  if (signature !== detachedSignature(content, token))
    throw new ClusterError(`The secret of token "${token.id}" is not the one that the cluster knows`, anotherToken);
  const { ca, server } = readClusterInfo(content, options.address);
  const found = caCertHash(ca);
  if (hashes.length > 0 && !hashes.includes(found))
    throw new ClusterError(
      `The authority of the cluster at ${options.address} is not the expected one: its hash is ${found}`,
      'compare it with what "bireme token create --print-join-command" prints on a control-plane host; if it differs, somebody answers in its place',
    );
  // Once more, over a connection that the authority vouches for: the same must stand there.
  const second = await clusterInfo(asked, ca, options, undefined);
  if (second.data?.[clusterInfoKubeconfig] !== content)
    throw new ClusterError(
      `The server at ${options.address} says one thing over an unverified connection and another over a verified one`,
      'somebody stands between this host and the cluster; use another network',
    );
  return { ca, server, asked };
}

/** @param awaited a key that may come a moment later: the signature of a token that was just made. */
async function clusterInfo(
  server: string,
  ca: string | undefined,
  { clock, timeoutMs = timeoutDefaultMs, address }: DiscoveryOptions,
  awaited: string | undefined,
): Promise<ConfigMap> {
  const transport = createHttpsTransport({
    server,
    clock,
    ...(ca === undefined ? { insecureSkipTlsVerify: true } : { ca }),
  });
  const deadline = clock.monotonic() + timeoutMs;
  let signatureTries = 3;
  try {
    for (;;) {
      const limit = new AbortController();
      const timer = clock.timer(Math.max(1, deadline - clock.monotonic()), () => limit.abort());
      try {
        const map = await createClient(transport)
          .resource(resources.configMaps)
          .get(clusterInfoName, { namespace: 'kube-public', signal: limit.signal });
        if (awaited === undefined || map.data?.[awaited] !== undefined || --signatureTries <= 0) return map;
      } catch (error) {
        const final = refusal(error, address);
        if (final) throw final;
        if (clock.monotonic() + retryMs >= deadline) throw unreachable(error, address, timeoutMs);
      } finally {
        timer.cancel();
      }
      await clock.sleep(retryMs);
    }
  } finally {
    await transport.close();
  }
}

/** What asking again does not change. */
function refusal(error: unknown, address: string): ClusterError | undefined {
  if (error instanceof ApiError && [401, 403, 404].includes(error.status.code ?? 0))
    return new ClusterError(
      `The cluster at ${address} does not let strangers read its ConfigMap "${clusterInfoName}": ${error.message}`,
      'run "bireme init" again on a control-plane host: it puts back what joining needs',
      { cause: error },
    );
  if (error instanceof TransportError && error.kind === 'tls')
    return new ClusterError(
      `The server at ${address} does not speak TLS as an API server does: ${error.message}`,
      'give the address and port of an API server, for example 10.0.0.1:6443',
      { cause: error },
    );
  return undefined;
}

function unreachable(error: unknown, address: string, timeoutMs: number): ClusterError {
  const why = error instanceof Error ? error.message : String(error);
  return new ClusterError(
    `No API server answers at ${address} within ${Math.round(timeoutMs / 1000)} seconds: ${why}`,
    'check the address, that the control plane runs there, and that no firewall is between',
    { cause: error },
  );
}

function readClusterInfo(content: string, address: string): { ca: string; server: string } {
  try {
    const config = parse(content) as {
      readonly clusters?: readonly {
        readonly cluster?: { readonly 'certificate-authority-data'?: string; readonly server?: string };
      }[];
    };
    const cluster = config.clusters?.[0]?.cluster;
    const ca = Buffer.from(cluster?.['certificate-authority-data'] ?? '', 'base64').toString();
    // Proves that it is one.
    new X509Certificate(ca);
    return { ca, server: cluster?.server ?? '' };
  } catch (error) {
    throw new ClusterError(
      `The cluster at ${address} publishes a kubeconfig that cannot be read`,
      `look at the ConfigMap "${clusterInfoName}" in the namespace kube-public`,
      { cause: error },
    );
  }
}

function checkHash(text: string): string {
  if (/^sha256:[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new ClusterError(
    `"${text}" is no hash of a cluster authority`,
    'it looks like sha256:, followed by 64 hexadecimal digits',
  );
}

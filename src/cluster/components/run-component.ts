/** What the single components have in common: how one is started from its command line, how it asks the API server, its own port. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { ApiHandler, ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Flags } from '../../base/flags.ts';
import { createHealthSlis } from '../../base/health-slis.ts';
import type { LogLevel } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import { createDelegatedAuth } from '../../client/delegated-auth.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import { KubeconfigError, parseKubeconfig, transportOptionsOf } from '../../client/kubeconfig.ts';
import type { LeaderElectionOptions } from '../../client/leader-election.ts';
import type { Transport } from '../../client/transport.ts';
import type { Spawner } from '../../host/spawner.ts';
import { type HealthCheck, health } from '../../serve/health.ts';
import { type HttpsServer, startHttpsServer } from '../../serve/index.ts';
import { ClusterError } from '../cluster-error.ts';
import type { Surroundings } from '../component.ts';
import { createCertificateAuthority, type KeyPair } from '../pki.ts';
import { version } from '../version.ts';

/** What the command line hands to a component. */
export interface ComponentIo extends Omit<Surroundings, 'log'> {
  readonly logger: (level: LogLevel) => Surroundings['log'];
  /** For `--help` and `--version`. */
  readonly print: (text: string) => void;
  /** Programs are started by another process; made when the component needs it. */
  readonly spawner: () => Promise<Spawner & { close(): Promise<void> }>;
}

/** `-v 4` and more: everything; as upstream's verbosity. */
export const logLevelOf = (flags: Flags): LogLevel => (flags.number('v') >= 4 ? 'debug' : 'info');

export const versionText = `Kubernetes ${version.kubernetes}\n`;

/** The machine's name as upstream's components take it. */
export const machineName = (flags: Flags): string =>
  (flags.optional('hostname-override') ?? hostname()).trim().toLowerCase();

/** @throws ClusterError: the file named by a flag is missing or unreadable. */
export function readFlagFile(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ClusterError(
      `Cannot read "${path}" (--${flag}): ${(error as Error).message}`,
      'name a file that can be read',
      { cause: error },
    );
  }
}

/**
 * The API server as a kubeconfig names it.
 * @param master `--master`: replaces the kubeconfig's server. @throws ClusterError.
 */
export function transportFromKubeconfig(
  flag: string,
  path: string,
  { clock, metrics }: Pick<Surroundings, 'clock'> & Partial<Pick<Surroundings, 'metrics'>>,
  userAgent: string,
  master?: string,
): Transport {
  try {
    const options = transportOptionsOf(parseKubeconfig(readFlagFile(flag, path), path), { clock });
    return createHttpsTransport({
      ...options,
      ...(master === undefined ? {} : { server: master }),
      userAgent,
      metrics,
    });
  } catch (error) {
    if (error instanceof KubeconfigError)
      throw new ClusterError(`"${path}" (--${flag}): ${error.message}`, 'mend the kubeconfig', { cause: error });
    throw error;
  }
}

export const userAgentOf = (component: string): string => `${component}/${version.kubernetes} (bireme)`;

/** Flags of a port with health, metrics and configuration, which all but the API server have in common. */
export const servingFlags = {
  effective: [
    'authentication-kubeconfig',
    'authorization-always-allow-paths',
    'authorization-kubeconfig',
    'bind-address',
    'client-ca-file',
    'secure-port',
    'tls-cert-file',
    'tls-private-key-file',
  ],
  accepted: [
    'authentication-skip-lookup',
    'authentication-token-webhook-cache-ttl',
    'authentication-tolerate-lookup-failure',
    'authorization-webhook-cache-authorized-ttl',
    'authorization-webhook-cache-unauthorized-ttl',
    'cert-dir',
    'http2-max-streams-per-connection',
    'permit-address-sharing',
    'permit-port-sharing',
    'requestheader-allowed-names',
    'requestheader-client-ca-file',
    'requestheader-extra-headers-prefix',
    'requestheader-group-headers',
    'requestheader-uid-headers',
    'requestheader-username-headers',
  ],
} as const;

export interface ComponentPort {
  readonly component: string;
  readonly checks: readonly HealthCheck[];
  /** What `/configz` shows. */
  readonly configz: () => JsonObject;
  /** Further pages of metrics, by path. */
  readonly pages?: ReadonlyMap<string, { text(): Promise<string> }>;
}

/** The component's HTTPS port; undefined with `--secure-port=0`. @throws ClusterError, ListenError. */
export async function startComponentPort(
  flags: Flags,
  port: ComponentPort,
  surroundings: Surroundings,
): Promise<HttpsServer | undefined> {
  if (flags.number('secure-port') === 0) return undefined;
  const { clock, log, metrics } = surroundings;
  const reviewer = flags.optional('authentication-kubeconfig');
  const client: Client | undefined =
    reviewer === undefined
      ? undefined
      : createClient(
          transportFromKubeconfig('authentication-kubeconfig', reviewer, surroundings, userAgentOf(port.component)),
        );
  const clientCa = flags.optional('client-ca-file');
  return startHttpsServer({
    ...(await servingCertificate(flags, port.component, surroundings)),
    ...(clientCa === undefined ? {} : { clientCa: readFlagFile('client-ca-file', clientCa) }),
    handler: componentHandler(flags, port, surroundings, client),
    host: flags.text('bind-address'),
    port: flags.number('secure-port'),
    clock,
    log,
    metrics,
  });
}

/** The files that flags name; else a certificate that nobody vouches for, as upstream makes one. */
async function servingCertificate(flags: Flags, component: string, io: Surroundings): Promise<KeyPair> {
  const cert = flags.optional('tls-cert-file');
  const key = flags.optional('tls-private-key-file');
  if (cert !== undefined && key !== undefined)
    return { cert: readFlagFile('tls-cert-file', cert), key: readFlagFile('tls-private-key-file', key) };
  if (cert !== undefined || key !== undefined)
    throw new ClusterError(
      'Only one of --tls-cert-file and --tls-private-key-file is given',
      'give both, or none for a certificate that is made at the start',
    );
  const ca = await createCertificateAuthority(`${component}-ca@${Math.floor(io.clock.now() / 1000)}`, io);
  return ca.issue({
    commonName: `${component}@${hostname()}`,
    usages: ['server'],
    dnsNames: ['localhost', hostname()],
    ipAddresses: ['127.0.0.1'],
  });
}

function componentHandler(
  flags: Flags,
  { checks, configz, component, pages }: ComponentPort,
  { clock, log, metrics }: Surroundings,
  client: Client | undefined,
): ApiHandler {
  const auth = client
    ? createDelegatedAuth({ client, clock, anonymous: true, tokenTtlMs: 10_000, metrics })
    : undefined;
  const slis = createHealthSlis();
  const open = new Set(flags.list('authorization-always-allow-paths'));
  const answer = async (request: ApiRequest): Promise<ApiResponse> => {
    const { path } = request;
    if (!open.has(path) && !open.has(`/${path.split('/')[1]}`)) {
      const user = auth ? await auth.authenticate(request) : { name: 'system:anonymous', groups: [] };
      if (user === undefined) return text(401, 'Unauthorized\n');
      const verb = request.method.toLowerCase();
      const allowed = await auth?.authorize(user, { nonResourceAttributes: { path, verb } }, request.signal);
      if (!allowed)
        return text(403, `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}\n`);
    }
    const failed = (name: string, reason: string): void => log.warn('Health check fails', { check: name, reason });
    const well = await health(path, new URLSearchParams(request.query), checks, failed, slis.observe);
    if (well) return well;
    const page = path === '/metrics' ? metrics : path === '/metrics/slis' ? slis : pages?.get(path);
    if (page)
      return {
        ...text(200, await page.text()),
        headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
      };
    if (path === '/configz')
      return { ...text(200, `${JSON.stringify(configz())}\n`), headers: { 'content-type': 'application/json' } };
    if (path === '/version')
      return {
        ...text(
          200,
          `${JSON.stringify({ major: '1', minor: '36', gitVersion: version.kubernetes, platform: 'linux/amd64' })}\n`,
        ),
        headers: { 'content-type': 'application/json' },
      };
    return text(404, '404 page not found\n');
  };
  return async (request) => {
    try {
      return await answer(request);
    } catch (error) {
      log.warn('A request could not be answered', { component, path: request.path, error });
      return text(500, `Internal Server Error: ${JSON.stringify(request.path)}: ${(error as Error).message}\n`);
    }
  };
}

const text = (status: number, body: string): ApiResponse => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  body: { kind: 'bytes', bytes: Buffer.from(body) },
});

export const leaderElectionFlags = [
  'leader-elect',
  'leader-elect-lease-duration',
  'leader-elect-renew-deadline',
  'leader-elect-resource-lock',
  'leader-elect-resource-name',
  'leader-elect-resource-namespace',
  'leader-elect-retry-period',
] as const;

export type Election = Pick<
  LeaderElectionOptions,
  'identity' | 'namespace' | 'name' | 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs'
>;

/** Undefined with `--leader-elect=false`. @throws ClusterError. */
export function electionOf(flags: Flags, { random }: Pick<Surroundings, 'random'>): Election | undefined {
  if (!flags.bool('leader-elect')) return undefined;
  const lock = flags.text('leader-elect-resource-lock');
  if (lock !== 'leases')
    throw new ClusterError(
      `--leader-elect-resource-lock: unrecognized lock "${lock}"`,
      'use "leases", the only one there is in v1.36',
    );
  return {
    identity: `${hostname()}_${random.uuid()}`,
    namespace: flags.text('leader-elect-resource-namespace'),
    name: flags.text('leader-elect-resource-name'),
    leaseDurationMs: flags.duration('leader-elect-lease-duration'),
    renewDeadlineMs: flags.duration('leader-elect-renew-deadline'),
    retryPeriodMs: flags.duration('leader-elect-retry-period'),
  };
}

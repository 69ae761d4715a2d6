/** `bireme apiserver`: the API server alone, on etcd or on a store of its own. Upstream: cmd/kube-apiserver. */
import { hostname, networkInterfaces } from 'node:os';
import type { ApiHandler } from '../../api/exchange.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import type { ResourceSchema } from '../../api/schema/model.ts';
import type { Node } from '../../api/types/core-v1.ts';
import { admissionPluginNames } from '../../apiserver/admission/index.ts';
import { type UserInfo, verifyingKey } from '../../apiserver/authentication/index.ts';
import type { FlagSpecs, Flags } from '../../base/flags.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import { ListenError, startHttpsServer } from '../../serve/index.ts';
import { openEmbeddedStore } from '../../store/embedded/embedded-store.ts';
import { openEtcdStore } from '../../store/etcd/etcd-store.ts';
import { type Store, StoreError } from '../../store/store.ts';
import { ClusterError } from '../cluster-error.ts';
import type { Surroundings } from '../component.ts';
import { type ControlPlaneOptions, startControlPlane } from '../control-plane.ts';
import { primaryAddress } from '../host-facts.ts';
import { createKubeletClient } from '../kubelet-client.ts';
import { openAuditLog } from './audit-log.ts';
import { type ComponentFlagTable, helpText, readComponentFlags, specsOf } from './component-flags.ts';
import { readConfigFile } from './config-file.ts';
import { type ComponentIo, logLevelOf, readFlagFile, versionText } from './run-component.ts';

const name = 'kube-apiserver';
const own: FlagSpecs = {
  'embedded-store': { type: 'string' },
};
const table: ComponentFlagTable = {
  component: name,
  own,
  effective: [
    'advertise-address',
    'anonymous-auth',
    'audit-log-batch-buffer-size',
    'audit-log-batch-max-size',
    'audit-log-batch-max-wait',
    'audit-log-compress',
    'audit-log-maxage',
    'audit-log-maxbackup',
    'audit-log-maxsize',
    'audit-log-mode',
    'audit-log-path',
    'audit-policy-file',
    'authorization-mode',
    'bind-address',
    'client-ca-file',
    'disable-admission-plugins',
    'enable-admission-plugins',
    'enable-bootstrap-token-auth',
    'encryption-provider-config',
    'etcd-cafile',
    'etcd-certfile',
    'etcd-compaction-interval',
    'etcd-keyfile',
    'etcd-servers',
    'event-ttl',
    'external-hostname',
    'kubelet-certificate-authority',
    'kubelet-client-certificate',
    'kubelet-client-key',
    'max-mutating-requests-inflight',
    'max-requests-inflight',
    'proxy-client-cert-file',
    'proxy-client-key-file',
    'request-timeout',
    'requestheader-allowed-names',
    'requestheader-client-ca-file',
    'runtime-config',
    'secure-port',
    'service-account-extend-token-expiration',
    'service-account-issuer',
    'service-account-jwks-uri',
    'service-account-key-file',
    'service-account-max-token-expiration',
    'service-account-signing-key-file',
    'service-cluster-ip-range',
    'service-node-port-range',
    'tls-cert-file',
    'tls-private-key-file',
    'token-auth-file',
  ],
  accepted: [
    'enable-aggregator-routing',
    'etcd-count-metric-poll-period',
    'etcd-db-metric-poll-interval',
    'etcd-healthcheck-timeout',
    'etcd-readycheck-timeout',
    'goaway-chance',
    'kubelet-preferred-address-types',
    'kubelet-timeout',
    'lease-reuse-duration-seconds',
    'shutdown-delay-duration',
    // Objects are stored as JSON, which upstream's server reads as well.
    'storage-media-type',
    'watch-cache-sizes',
  ],
  acceptedAs: {
    // Pods may be privileged; Pod Security decides.
    'allow-privileged': ['true'],
    'requestheader-extra-headers-prefix': ['X-Remote-Extra-'],
    'requestheader-group-headers': ['X-Remote-Group'],
    'requestheader-uid-headers': ['X-Remote-Uid'],
    'requestheader-username-headers': ['X-Remote-User'],
    'storage-backend': ['etcd3'],
  },
};

/** Runs until `signal` aborts. @throws ClusterError for what a person must mend. */
export async function runApiServerCommand(
  args: readonly string[],
  io: ComponentIo,
  signal: AbortSignal,
): Promise<void> {
  const flags = readComponentFlags(table, args);
  if (flags.bool('help')) return io.print(helpText(table));
  if (flags.isGiven('version')) return io.print(versionText);
  const surroundings: Surroundings = { ...io, log: io.logger(logLevelOf(flags)) };
  const { clock, log, metrics } = surroundings;
  checkModes(flags);
  checkPlugins(flags);
  const serves = servedVersions(flags.map('runtime-config'));
  const file = (flag: string): string => readFlagFile(flag, needed(flags, flag));
  const optionalFile = (flag: string): string | undefined => {
    const path = flags.optional(flag);
    return path === undefined ? undefined : readFlagFile(flag, path);
  };
  const clientCa = optionalFile('client-ca-file');
  const frontProxyCa = optionalFile('requestheader-client-ca-file');
  const signingKey = file('service-account-signing-key-file');
  const kubeletCa = optionalFile('kubelet-certificate-authority');
  const serverPair = { cert: file('tls-cert-file'), key: file('tls-private-key-file') };
  const tokens = optionalFile('token-auth-file');
  const encryption = await encryptionOf(flags);
  const audit = await openAuditLog(flags, surroundings, io.print);
  const port = flags.number('secure-port');

  let handler: ApiHandler | undefined;
  let streams: ((method: string, path: string) => boolean) | undefined;
  const server = await listening(() =>
    startHttpsServer({
      ...serverPair,
      ...(clientCa === undefined ? {} : { clientCa }),
      ...(frontProxyCa === undefined ? {} : { frontProxyCa }),
      handler: (request) => (handler ? handler(request) : Promise.resolve(starting)),
      streamsBody: (method, path) => streams?.(method, path) ?? false,
      host: flags.text('bind-address'),
      port,
      clock,
      log: log.with({ component: name }),
      metrics,
    }),
  );
  let store: Store | undefined;
  let end: (() => Promise<void>) | undefined;
  try {
    store = await openStore(flags, surroundings);
    const [issuer, ...earlierIssuers] = flags.list('service-account-issuer');
    const kubelets = createKubeletClient({
      clock,
      node: (node) => plane?.server.reader.get('', 'nodes', '', node) as unknown as Node | undefined,
      hollow: () => undefined,
      ...(flags.optional('kubelet-client-certificate') === undefined
        ? {}
        : { certificate: { cert: file('kubelet-client-certificate'), key: file('kubelet-client-key') } }),
      ...(kubeletCa === undefined ? {} : { ca: kubeletCa }),
    });
    let plane: Awaited<ReturnType<typeof startControlPlane>> | undefined;
    plane = await startControlPlane({
      ...surroundings,
      store,
      sharedStore: flags.isGiven('etcd-servers'),
      serviceAccountPrivateKey: signingKey,
      ...(clientCa === undefined ? {} : { clientCa }),
      ...(frontProxyCa === undefined ? {} : { frontProxyCa }),
      ...(issuer === undefined ? {} : { issuer }),
      ...(flags.optional('proxy-client-cert-file') === undefined
        ? {}
        : { frontProxyClient: { cert: file('proxy-client-cert-file'), key: file('proxy-client-key-file') } }),
      hostname: serverName(flags),
      advertiseAddress: advertised(flags),
      port,
      network: {
        serviceCidr: flags.optional('service-cluster-ip-range')?.split(',')[0] ?? '10.0.0.0/24',
        nodePortRange: flags.text('service-node-port-range'),
      },
      kubelet: kubelets,
      security: {
        anonymousAllowed: flags.bool('anonymous-auth'),
        earlierIssuers,
        bootstrapTokens: flags.bool('enable-bootstrap-token-auth'),
        requestHeaderNames: flags.list('requestheader-allowed-names'),
        extendTokenExpiration: flags.bool('service-account-extend-token-expiration'),
        maxTokenExpirationSeconds: flags.duration('service-account-max-token-expiration') / 1000,
        ...(flags.optional('service-account-jwks-uri') === undefined
          ? {}
          : { jwksUri: flags.text('service-account-jwks-uri') }),
        disabledAdmissionPlugins: flags.list('disable-admission-plugins'),
        verifyingKeys: flags
          .list('service-account-key-file')
          .map((path) => verifyingKey(readFlagFile('service-account-key-file', path))),
        ...(tokens === undefined ? {} : { staticTokens: parseTokenFile(tokens, flags.text('token-auth-file')) }),
      },
      tuning: {
        flags: Object.fromEntries(Object.keys(specsOf(table)).map((flag) => [flag, flags.text(flag)])),
        ...(audit ? { audit: audit.options } : {}),
        ...(serves ? { serves } : {}),
        compactionIntervalMs: flags.duration('etcd-compaction-interval'),
        eventTtlSeconds: flags.duration('event-ttl') / 1000,
        requestsInFlightMax: flags.number('max-requests-inflight') + flags.number('max-mutating-requests-inflight'),
        requestTimeoutMs: flags.duration('request-timeout'),
      },
      ...(encryption === undefined ? {} : { encryption }),
      localPath: false,
      without: ['scheduler', 'controllers'],
    });
    const running = plane;
    end = async () => {
      await running.stop();
      await kubelets.close();
    };
    handler = running.handler;
    streams = running.server.streamsBody;
    log.info('Serving securely', { address: `${server.address}:${server.port}` });
    await Promise.race([running.done, untilAborted(signal)]);
  } finally {
    await server.stop({ graceMs: 3000 });
    await end?.();
    await audit?.close();
    await store?.close();
  }
}

/** Upstream takes the host's name from the system too; the flag names what clients call it. */
const serverName = (flags: Flags): string => flags.optional('external-hostname') ?? hostname();

function needed(flags: Flags, flag: string): string {
  const value = flags.optional(flag);
  if (value === undefined)
    throw new ClusterError(`--${flag} is missing`, 'name the file; "bireme init" makes all that is needed');
  return value;
}

/** Node and RBAC are what there is. */
function checkModes(flags: Flags): void {
  const modes = flags.list('authorization-mode');
  for (const mode of modes)
    if (mode !== 'Node' && mode !== 'RBAC')
      throw new ClusterError(
        `--authorization-mode=${mode} has no effect in Bireme yet, so it is refused`,
        'use --authorization-mode=Node,RBAC, which is also what holds when the flag is not given',
      );
}

/** Default plugins and NodeRestriction are on; the names must be of plugins that are there. @throws ClusterError */
function checkPlugins(flags: Flags): void {
  for (const flag of ['enable-admission-plugins', 'disable-admission-plugins'])
    for (const plugin of flags.list(flag))
      if (!admissionPluginNames.includes(plugin))
        throw new ClusterError(
          `--${flag} names ${JSON.stringify(plugin)}, an admission plugin that is not there`,
          `choose from ${admissionPluginNames.join(', ')}`,
        );
}

/**
 * `--runtime-config`: `api/all`, `api/ga`, `api/beta`, `api/alpha`, then group versions, then single resources; the narrower wins.
 * @returns undefined when nothing is said @throws ClusterError
 */
export function servedVersions(
  config: Readonly<Record<string, string>>,
): ((resource: ResourceSchema) => boolean) | undefined {
  const said = new Map<string, boolean>();
  for (const [name, value] of Object.entries(config)) {
    if (!/^(true|false)?$/i.test(value))
      throw new ClusterError(`invalid value ${name}=${value} of --runtime-config`, 'it must be true or false');
    said.set(name, value.toLowerCase() !== 'false');
  }
  if (said.size === 0) return undefined;
  const known = new Set(['api/all', 'api/ga', 'api/beta', 'api/alpha', 'api/legacy']);
  const apiVersionOf = ({ group, version }: ResourceSchema): string => (group === '' ? version : `${group}/${version}`);
  for (const resource of builtinSchema.resources) {
    known.add(apiVersionOf(resource));
    known.add(`${apiVersionOf(resource)}/${resource.resource}`);
  }
  for (const name of said.keys())
    if (!known.has(name))
      throw new ClusterError(`--runtime-config: unknown api ${JSON.stringify(name)}`, 'name a group version of v1.36');
  if (said.get('v1') === false || said.get('api/legacy') === false)
    throw new ClusterError('--runtime-config: the core group cannot be switched off in Bireme', 'leave v1 as it is');
  return (resource) => {
    const apiVersion = apiVersionOf(resource);
    const level = /alpha/.test(resource.version) ? 'alpha' : /beta/.test(resource.version) ? 'beta' : 'ga';
    return (
      said.get(`${apiVersion}/${resource.resource}`) ??
      said.get(apiVersion) ??
      said.get(`api/${level}`) ??
      (apiVersion === 'v1' ? undefined : said.get('api/all')) ??
      resource.servedByDefault
    );
  };
}

/** @throws ClusterError for a configuration that upstream refuses too, and for key management services. */
async function encryptionOf(flags: Flags): Promise<ControlPlaneOptions['encryption']> {
  const flag = 'encryption-provider-config';
  if (flags.optional(flag) === undefined) return undefined;
  const { EncryptionConfigError, readEncryptionConfiguration } = await import('../../apiserver/encryption/index.ts');
  return readConfigFile(flags, flag, readEncryptionConfiguration, EncryptionConfigError);
}

async function openStore(flags: Flags, { clock, log }: Surroundings): Promise<Store> {
  const endpoints = flags.list('etcd-servers');
  const folder = flags.optional('embedded-store');
  try {
    if (folder !== undefined && endpoints.length === 0)
      return await openEmbeddedStore({ path: folder, clock, log: log.with({ component: 'store' }) });
    if (endpoints.length === 0)
      throw new ClusterError(
        '--etcd-servers must be specified',
        "name etcd's URLs, or a folder for a store of this server's own with --embedded-store",
      );
    const read = (flag: string): string | undefined => {
      const path = flags.optional(flag);
      return path === undefined ? undefined : readFlagFile(flag, path);
    };
    const [ca, cert, key] = [read('etcd-cafile'), read('etcd-certfile'), read('etcd-keyfile')];
    return await openEtcdStore({
      endpoints,
      ...(ca === undefined ? {} : { tls: { ca, ...(cert && key ? { cert, key } : {}) } }),
      clock,
    });
  } catch (error) {
    if (error instanceof StoreError)
      throw new ClusterError(error.message.replace(/\.$/, ''), 'look at the store that the flags name', {
        cause: error,
      });
    throw error;
  }
}

async function listening<T>(start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    const [what = '', remedy = 'choose another with --secure-port or --bind-address'] = error.message.split('; ');
    throw new ClusterError(what, remedy, { cause: error });
  }
}

/** `--advertise-address`, else the one address that is bound, else the machine's. */
function advertised(flags: Flags): string {
  const given = flags.optional('advertise-address');
  if (given !== undefined) return given;
  const bound = flags.text('bind-address');
  if (bound !== '0.0.0.0' && bound !== '::') return bound;
  return primaryAddress(networkInterfaces(), '') ?? '127.0.0.1';
}

/** Lines `token,user,uid,"group1,group2"`. Source: apiserver/pkg/authentication/token/tokenfile. @throws ClusterError. */
export function parseTokenFile(text: string, file: string): ReadonlyMap<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const fields = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
      quoted === undefined ? (plain ?? '').trim() : quoted.replaceAll('""', '"'),
    );
    const [token = '', user = '', uid = '', groups = ''] = fields;
    if (fields.length < 3)
      throw new ClusterError(
        `token file "${file}" must have at least 3 columns (token, user name, user uid), found ${fields.length} in line ${i + 1}`,
        'mend the file',
      );
    if (token === '') continue;
    users.set(token, {
      name: user,
      uid,
      groups: groups === '' ? [] : groups.split(',').map((group) => group.trim()),
      extra: {},
    });
  }
  return users;
}

const starting = {
  status: 503,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '1' },
  body: { kind: 'bytes', bytes: Buffer.from('the API server is starting\n') },
} as const;

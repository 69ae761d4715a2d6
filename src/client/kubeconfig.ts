/** Reading kubeconfig files. Writing contexts into and out of a user's file is `cluster/user-kubeconfig.ts`. Source: client-go tools/clientcmd. */
import { dirname, resolve } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import type { Clock } from '../base/clock.ts';
import type { CredentialSource } from './credential-source.ts';
import type { HttpsTransportOptions } from './https-transport.ts';

export interface KubeconfigCluster {
  readonly server: string;
  readonly ca?: CredentialSource;
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify?: boolean;
}
export interface KubeconfigUser {
  readonly clientCertificate?: { readonly cert: CredentialSource; readonly key: CredentialSource };
  readonly token?: CredentialSource;
  readonly username?: string;
  readonly password?: string;
  readonly impersonate?: { readonly user: string; readonly groups?: readonly string[]; readonly uid?: string };
  /** A way to authenticate that this client does not speak; using the user fails with its name. */
  readonly unsupported?: 'exec' | 'auth-provider';
}
export interface KubeconfigContext {
  readonly cluster: string;
  readonly user: string;
  readonly namespace?: string;
}
export interface Kubeconfig {
  readonly currentContext: string;
  readonly clusters: ReadonlyMap<string, KubeconfigCluster>;
  readonly users: ReadonlyMap<string, KubeconfigUser>;
  readonly contexts: ReadonlyMap<string, KubeconfigContext>;
}

export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
}

/**
 * @param text YAML or JSON. @param file where it came from: paths in it are relative to its folder, and messages name it.
 * @throws KubeconfigError. Nothing is read but the text; certificate files are read when a connection needs them.
 */
export function parseKubeconfig(text: string, file: string): Kubeconfig {
  let document: unknown;
  try {
    document = parse(text);
  } catch (cause) {
    if (!(cause instanceof YAMLParseError)) throw cause;
    throw new KubeconfigError(`Cannot read kubeconfig "${file}": ${cause.message}`, { cause });
  }
  const read = createReader(file);
  const config = read.object(document ?? {}, 'the document');
  const kind = read.text(config.kind, 'kind');
  if (kind !== undefined && kind !== 'Config')
    throw new KubeconfigError(`"${file}" is no kubeconfig: its kind is "${kind}", expected "Config"`);
  return {
    currentContext: read.text(config['current-context'], 'current-context') ?? '',
    clusters: read.named(config.clusters, 'cluster', (data, at) => {
      const ca = read.source(data, 'certificate-authority', at);
      const tlsServerName = read.text(data['tls-server-name'], `${at}.tls-server-name`);
      return {
        server: read.text(data.server, `${at}.server`) ?? '',
        ...(ca === undefined ? {} : { ca }),
        ...(tlsServerName ? { tlsServerName } : {}),
        ...(data['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
      };
    }),
    users: read.named(config.users, 'user', (data, at) => readUser(read, data, at)),
    contexts: read.named(config.contexts, 'context', (data, at) => {
      const namespace = read.text(data.namespace, `${at}.namespace`);
      return {
        cluster: read.text(data.cluster, `${at}.cluster`) ?? '',
        user: read.text(data.user, `${at}.user`) ?? '',
        ...(namespace ? { namespace } : {}),
      };
    }),
  };
}

/** Several files, as in `$KUBECONFIG`: the first that says something about a name or the current context wins. */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  const first = <V>(pick: (config: Kubeconfig) => ReadonlyMap<string, V>): ReadonlyMap<string, V> => {
    const merged = new Map<string, V>();
    for (const config of configs)
      for (const [name, value] of pick(config)) if (!merged.has(name)) merged.set(name, value);
    return merged;
  };
  return {
    currentContext: configs.find((config) => config.currentContext !== '')?.currentContext ?? '',
    clusters: first((config) => config.clusters),
    users: first((config) => config.users),
    contexts: first((config) => config.contexts),
  };
}

/**
 * What a transport needs for a context.
 * @param contextName absent: the current context. @throws KubeconfigError naming what is missing, in upstream's words where it has some.
 */
export function transportOptionsOf(
  config: Kubeconfig,
  options: { readonly clock: Clock; readonly context?: string; readonly userAgent?: string },
): HttpsTransportOptions & { readonly namespace: string } {
  const name = options.context ?? config.currentContext;
  if (name === '') throw new KubeconfigError('The kubeconfig has no current context: choose one with --context');
  const context = config.contexts.get(name);
  if (!context) throw new KubeconfigError(`context "${name}" does not exist`);
  const cluster = config.clusters.get(context.cluster);
  if (!cluster) throw new KubeconfigError(`cluster "${context.cluster}" of context "${name}" does not exist`);
  if (cluster.server === '') throw new KubeconfigError(`cluster "${context.cluster}" has no server`);
  const user = context.user === '' ? {} : config.users.get(context.user);
  if (!user) throw new KubeconfigError(`user "${context.user}" of context "${name}" does not exist`);
  if (user.unsupported)
    throw new KubeconfigError(
      `user "${context.user}" authenticates by "${user.unsupported}", which is not supported here: use a client certificate or a token`,
    );
  return {
    clock: options.clock,
    ...cluster,
    ...user,
    ...(options.userAgent === undefined ? {} : { userAgent: options.userAgent }),
    namespace: context.namespace ?? 'default',
  };
}

function readUser(read: Reader, data: Fields, at: string): KubeconfigUser {
  const cert = read.source(data, 'client-certificate', at);
  const key = read.source(data, 'client-key', at);
  if ((cert === undefined) !== (key === undefined))
    throw new KubeconfigError(
      `${at} has a client ${cert === undefined ? 'key without its certificate' : 'certificate without its key'}`,
    );
  const inline = read.text(data.token, `${at}.token`);
  const tokenFile = read.path(data.tokenFile, `${at}.tokenFile`);
  // As client-go: a token file wins, because it is renewed.
  const token = tokenFile === undefined ? inline : { file: tokenFile };
  const username = read.text(data.username, `${at}.username`);
  const password = read.text(data.password, `${at}.password`);
  const impersonated = read.text(data.as, `${at}.as`);
  const groups = data['as-groups'];
  const uid = read.text(data['as-uid'], `${at}.as-uid`);
  return {
    ...(cert !== undefined && key !== undefined ? { clientCertificate: { cert, key } } : {}),
    ...(token === undefined || token === '' ? {} : { token }),
    ...(username ? { username, password: password ?? '' } : {}),
    ...(impersonated
      ? {
          impersonate: {
            user: impersonated,
            ...(Array.isArray(groups) ? { groups: groups.map(String) } : {}),
            ...(uid ? { uid } : {}),
          },
        }
      : {}),
    ...(data.exec
      ? { unsupported: 'exec' as const }
      : data['auth-provider']
        ? { unsupported: 'auth-provider' as const }
        : {}),
  };
}

type Fields = Readonly<Record<string, unknown>>;
type Reader = ReturnType<typeof createReader>;

function createReader(file: string) {
  const fail = (at: string, expected: string): never => {
    throw new KubeconfigError(`Cannot read kubeconfig "${file}": ${at} must be ${expected}`);
  };
  const reader = {
    object: (value: unknown, at: string): Fields =>
      typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : fail(at, 'a map'),
    text: (value: unknown, at: string): string | undefined =>
      value === undefined || value === null
        ? undefined
        : typeof value === 'string' || typeof value === 'number'
          ? String(value)
          : fail(at, 'a string'),
    path(value: unknown, at: string): string | undefined {
      const text = reader.text(value, at);
      return text ? resolve(dirname(file), text) : undefined;
    },
    /** `NAME-data` (base64) wins over the file `NAME`. */
    source(data: Fields, name: string, at: string): CredentialSource | undefined {
      const inline = reader.text(data[`${name}-data`], `${at}.${name}-data`);
      if (inline) {
        if (!/^[A-Za-z0-9+/=\s]*$/.test(inline)) fail(`${at}.${name}-data`, 'base64');
        return Buffer.from(inline, 'base64').toString('utf8');
      }
      const path = reader.path(data[name], `${at}.${name}`);
      return path === undefined ? undefined : { file: path };
    },
    named<V>(list: unknown, what: string, of: (data: Fields, at: string) => V): ReadonlyMap<string, V> {
      const values = new Map<string, V>();
      if (list === undefined || list === null) return values;
      if (!Array.isArray(list)) return fail(`${what}s`, 'a list');
      for (const [i, item] of list.entries()) {
        const entry = reader.object(item, `${what}s[${i}]`);
        const name = reader.text(entry.name, `${what}s[${i}].name`) ?? fail(`${what}s[${i}].name`, 'a string');
        if (!values.has(name))
          values.set(name, of(reader.object(entry[what] ?? {}, `${what} "${name}"`), `${what} "${name}"`));
      }
      return values;
    },
  };
  return reader;
}

/**
 * What the API-backed volumes hold: file path -> bytes and mode, from ConfigMaps, Secrets, the downward API and tokens. Looks things up,
 * touches no disk. Source: pkg/volume/{configmap,secret,downwardapi,projected}.
 */
import type { KeyToPath, Pod, Volume } from '../../api/types/core-v1.ts';
import type { TreeFile } from '../../host/atomic-tree.ts';
import { EnvironmentError } from '../environment.ts';
import type { ObjectSource } from '../object-source.ts';
import { type FieldContext, fieldValue, resourceValue } from '../pods/field-value.ts';
import type { TokenManager } from './token-manager.ts';

export interface ContentContext extends FieldContext {
  readonly objects: ObjectSource;
  readonly tokens: TokenManager;
  readonly allocatable: Readonly<Record<string, string>>;
  /** Ask the API server whatever is remembered: the pod is new here. */
  readonly fresh: boolean;
}

/** @returns undefined for volumes of another kind. @throws EnvironmentError FailedMount */
export async function volumeContent(
  pod: Pod,
  volume: Volume,
  context: ContentContext,
): Promise<Map<string, TreeFile> | undefined> {
  const namespace = pod.metadata.namespace ?? '';
  const fail = (why: string): never => {
    throw new EnvironmentError(
      'FailedMount',
      `MountVolume.SetUp failed for volume ${JSON.stringify(volume.name)} : ${why}`,
    );
  };
  const read = { fresh: context.fresh };

  const fromConfigMap = async (
    name: string,
    items: readonly KeyToPath[] | undefined,
    optional: boolean | undefined,
    mode: number,
  ): Promise<Map<string, TreeFile>> => {
    const map = await context.objects.configMap(namespace, name, read);
    if (!map && !optional) return fail(`configmap ${JSON.stringify(name)} not found`);
    const values = new Map<string, Uint8Array>();
    for (const [key, value] of Object.entries(map?.data ?? {})) values.set(key, Buffer.from(value));
    for (const [key, value] of Object.entries(map?.binaryData ?? {})) values.set(key, Buffer.from(value, 'base64'));
    return pick(values, items, optional, mode, (key) => fail(`references non-existent config key: ${key}`));
  };
  const fromSecret = async (
    name: string,
    items: readonly KeyToPath[] | undefined,
    optional: boolean | undefined,
    mode: number,
  ): Promise<Map<string, TreeFile>> => {
    const secret = await context.objects.secret(namespace, name, read);
    if (!secret && !optional) return fail(`secret ${JSON.stringify(name)} not found`);
    const values = new Map<string, Uint8Array>();
    for (const [key, value] of Object.entries(secret?.data ?? {})) values.set(key, Buffer.from(value, 'base64'));
    return pick(values, items, optional, mode, (key) => fail(`references non-existent secret key: ${key}`));
  };
  const fromDownwardApi = (
    items: readonly {
      readonly path: string;
      readonly mode?: number;
      readonly fieldRef?: { readonly fieldPath: string };
      readonly resourceFieldRef?: {
        readonly containerName?: string;
        readonly resource: string;
        readonly divisor?: string;
      };
    }[],
    mode: number,
  ): Map<string, TreeFile> => {
    const files = new Map<string, TreeFile>();
    for (const item of items) {
      let text: string | undefined;
      if (item.fieldRef) text = fieldValue(pod, item.fieldRef.fieldPath, context);
      else if (item.resourceFieldRef) {
        const { containerName, resource, divisor } = item.resourceFieldRef;
        const container = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find(
          (c) => c.name === containerName,
        );
        if (!container) return fail(`container ${containerName} not found`);
        text = resourceValue(container, resource, divisor, context.allocatable);
      }
      if (text === undefined) return fail(`unsupported downward API field for ${JSON.stringify(item.path)}`);
      files.set(item.path, { bytes: Buffer.from(text), mode: item.mode ?? mode });
    }
    return files;
  };

  if (volume.configMap) {
    const { name = '', items, optional, defaultMode } = volume.configMap;
    return fromConfigMap(name, items, optional, defaultMode ?? 0o644);
  }
  if (volume.secret) {
    const { secretName = '', items, optional, defaultMode } = volume.secret;
    return fromSecret(secretName, items, optional, defaultMode ?? 0o644);
  }
  if (volume.downwardAPI)
    return fromDownwardApi(volume.downwardAPI.items ?? [], volume.downwardAPI.defaultMode ?? 0o644);
  if (volume.projected) {
    const mode = volume.projected.defaultMode ?? 0o644;
    const files = new Map<string, TreeFile>();
    for (const source of volume.projected.sources ?? []) {
      let part: Map<string, TreeFile>;
      if (source.configMap)
        part = await fromConfigMap(
          source.configMap.name ?? '',
          source.configMap.items,
          source.configMap.optional,
          mode,
        );
      else if (source.secret)
        part = await fromSecret(source.secret.name ?? '', source.secret.items, source.secret.optional, mode);
      else if (source.downwardAPI) part = fromDownwardApi(source.downwardAPI.items ?? [], mode);
      else if (source.serviceAccountToken) {
        const { path, audience, expirationSeconds } = source.serviceAccountToken;
        const token = await context.tokens
          .token(pod, { audience: audience || undefined, expirationSeconds: Number(expirationSeconds ?? 3600) })
          .catch((error) => fail(`failed to fetch token: ${error instanceof Error ? error.message : String(error)}`));
        part = new Map([[path, { bytes: Buffer.from(token), ...tokenOwnership(pod, mode) }]]);
      } else return fail(`projected source ${Object.keys(source).join(', ')} is not supported`);
      for (const [path, file] of part) files.set(path, file);
    }
    return files;
  }
  return undefined;
}

/**
 * A token is for the pod's user only: 0600 and owned by the one user that all containers run as, readable by the fsGroup when there is one.
 * Source: projected.go.
 */
function tokenOwnership(pod: Pod, mode: number): { mode: number; uid?: number } {
  const grouped = pod.spec?.securityContext?.fsGroup !== undefined;
  const users = new Set(
    [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(
      (container) => container.securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser,
    ),
  );
  const [user] = users;
  if (users.size === 1 && user !== undefined) return { mode: 0o600, uid: Number(user) };
  return { mode: grouped ? 0o600 : mode };
}

function pick(
  values: ReadonlyMap<string, Uint8Array>,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number,
  missing: (key: string) => never,
): Map<string, TreeFile> {
  const files = new Map<string, TreeFile>();
  if (!items || items.length === 0) {
    for (const [key, bytes] of values) files.set(key, { bytes, mode });
    return files;
  }
  for (const item of items) {
    const bytes = values.get(item.key);
    if (bytes) files.set(item.path, { bytes, mode: item.mode ?? mode });
    else if (!optional) missing(item.key);
  }
  return files;
}

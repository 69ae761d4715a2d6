/**
 * Pods run as a service account: it must exist, and brings its token, the cluster's CA and its pull secrets along.
 * Source: plugin/pkg/admission/serviceaccount.
 */
import type { JsonArray, JsonObject } from '../../api/json.ts';
import type { Container, Pod, ServiceAccount } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { podTokenExpirationSeconds } from '../authentication/token-issuer.ts';
import { podReferences } from '../authorization/pod-references.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { metadataOf, refusal, withSpec } from './attributes.ts';

const volumePrefix = 'kube-api-access-';
const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const mirrorAnnotation = 'kubernetes.io/config.mirror';
const mountableSecretsAnnotation = 'kubernetes.io/enforce-mountable-secrets';

export interface ServiceAccountPluginOptions {
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly random: Random;
}

export function createServiceAccountPlugin(options: ServiceAccountPluginOptions): AdmissionPlugin {
  const { reader, clock, random } = options;
  return {
    name: 'ServiceAccount',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    admit(attributes, signal) {
      const { object } = attributes;
      if (!isForPods(attributes) || attributes.subresource !== '' || attributes.operation !== 'CREATE' || !object)
        return object;
      if (metadataOf(object).annotations?.[mirrorAnnotation] !== undefined) {
        checkMirror(attributes, object);
        return object;
      }
      const name = accountName(object);
      const cached = accountOf(reader.get('', 'serviceaccounts', attributes.namespace, name));
      if (cached !== undefined) return asAccount(object, name, cached);
      return find(attributes, name, signal).then((account) => asAccount(object, name, account));
    },
    validate(attributes, signal) {
      const { object } = attributes;
      if (!isForPods(attributes) || !object) return undefined;
      if (attributes.subresource === '' ? attributes.operation !== 'CREATE' : attributes.operation !== 'UPDATE')
        return undefined;
      if (metadataOf(object).annotations?.[mirrorAnnotation] !== undefined) return checkMirror(attributes, object);
      const name = (object.spec as JsonObject | undefined)?.serviceAccountName;
      if (typeof name !== 'string' || name === '')
        throw refusal(
          attributes,
          `no service account specified for pod ${attributes.namespace}/${metadataOf(object).name ?? ''}`,
        );
      const cached = accountOf(reader.get('', 'serviceaccounts', attributes.namespace, name));
      if (cached !== undefined) return checkSecrets(attributes, object, cached);
      return find(attributes, name, signal).then((account) => checkSecrets(attributes, object, account));
    },
  };

  /** Asks the store, too; the default account is made by a controller, so that a new namespace's first pod waits a little for it. */
  async function find(attributes: AdmissionAttributes, name: string, signal: AbortSignal): Promise<ServiceAccount> {
    const { namespace } = attributes;
    const attempts = name === 'default' ? 10 : 1;
    const intervalMs = 100 + random.below(100);
    for (let attempt = 0; attempt < attempts && !signal.aborted; attempt++) {
      if (attempt > 0) await changeOrTime(namespace, name, intervalMs, signal);
      const account = accountOf(await reader.fresh('', 'serviceaccounts', namespace, name, signal));
      if (account !== undefined) return account;
    }
    throw refusal(
      attributes,
      `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
    );
  }

  function changeOrTime(namespace: string, name: string, ms: number, signal: AbortSignal): Promise<void> {
    const seen = new AbortController();
    const end = reader.onChange('', 'serviceaccounts', ({ object }) => {
      const metadata = object.metadata as { name?: string; namespace?: string };
      if (metadata.name === name && metadata.namespace === namespace) seen.abort();
    });
    const stop = (): void => seen.abort();
    signal.addEventListener('abort', stop);
    return clock.sleep(ms, seen.signal).finally(() => {
      end();
      signal.removeEventListener('abort', stop);
    });
  }

  function asAccount(object: JsonObject, name: string, account: ServiceAccount): JsonObject {
    const spec = (object.spec ?? {}) as JsonObject;
    const fields: Record<string, JsonArray | string> = {};
    if (spec.serviceAccountName !== name) {
      fields.serviceAccountName = name;
      // The old name of the field, which clients still read.
      fields.serviceAccount = name;
    }
    if ((spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) === true)
      Object.assign(fields, withToken(spec));
    const pullSecrets = account.imagePullSecrets ?? [];
    if (((spec.imagePullSecrets ?? []) as JsonArray).length === 0 && pullSecrets.length > 0)
      fields.imagePullSecrets = pullSecrets.map((secret) => ({ name: secret.name ?? '' }));
    return Object.keys(fields).length === 0 ? object : withSpec(object, fields);
  }

  function withToken(spec: JsonObject): { [field: string]: JsonArray } {
    const volumes = (spec.volumes ?? []) as readonly { readonly name: string }[];
    const existing = volumes.find((volume) => volume.name.startsWith(volumePrefix));
    const volumeName = existing?.name ?? volumePrefix + suffix(random);
    const mount = Object.freeze({ name: volumeName, readOnly: true, mountPath });
    let needed = false;
    const mounted = (containers: readonly JsonObject[]): readonly JsonObject[] =>
      containers.map((container) => {
        const mounts = (container.volumeMounts ?? []) as readonly { readonly mountPath: string }[];
        if (mounts.some((each) => each.mountPath === mountPath)) return container;
        needed = true;
        return Object.freeze({ ...container, volumeMounts: Object.freeze([...mounts, mount]) }) as JsonObject;
      });
    const fields: { [field: string]: JsonArray } = {};
    const initContainers = (spec.initContainers ?? []) as readonly JsonObject[];
    if (initContainers.length > 0) fields.initContainers = Object.freeze(mounted(initContainers));
    fields.containers = Object.freeze(mounted((spec.containers ?? []) as readonly JsonObject[]));
    if (!needed) return {};
    if (existing === undefined)
      fields.volumes = Object.freeze([
        ...(volumes as JsonArray),
        Object.freeze({ name: volumeName, projected: token }),
      ]);
    return fields;
  }
}

/** What a pod needs to talk to the API server: a token, the CA, its namespace. */
const token: JsonObject = Object.freeze({
  sources: Object.freeze([
    Object.freeze({
      serviceAccountToken: Object.freeze({ expirationSeconds: podTokenExpirationSeconds, path: 'token' }),
    }),
    Object.freeze({
      configMap: Object.freeze({
        name: 'kube-root-ca.crt',
        items: Object.freeze([Object.freeze({ key: 'ca.crt', path: 'ca.crt' })]),
      }),
    }),
    Object.freeze({
      downwardAPI: Object.freeze({
        items: Object.freeze([
          Object.freeze({
            path: 'namespace',
            fieldRef: Object.freeze({ apiVersion: 'v1', fieldPath: 'metadata.namespace' }),
          }),
        ]),
      }),
    }),
  ]),
  defaultMode: 0o644,
});

/** Letters and digits that spell no words. Source: apimachinery util/rand. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
function suffix(random: Random): string {
  let text = '';
  for (let i = 0; i < 5; i++) text += alphabet[random.below(alphabet.length)];
  return text;
}

const isForPods = ({ resource, subresource }: AdmissionAttributes): boolean =>
  resource.resource === 'pods' &&
  resource.group === '' &&
  (subresource === '' || subresource === 'ephemeralcontainers');

function accountName(object: JsonObject): string {
  const name = (object.spec as JsonObject | undefined)?.serviceAccountName;
  return typeof name === 'string' && name !== '' ? name : 'default';
}

const accountOf = (object: JsonObject | undefined): ServiceAccount | undefined =>
  object as unknown as ServiceAccount | undefined;

/** A mirror pod stands for a pod that a kubelet runs from a file: it must not give its node anything. */
function checkMirror(attributes: AdmissionAttributes, object: JsonObject): void {
  const pod = object as unknown as Pod;
  if (pod.spec?.serviceAccountName) throw refusal(attributes, 'a mirror pod may not reference service accounts');
  const { [mirrorAnnotation]: _mirror, ...annotations } = pod.metadata.annotations ?? {};
  const references = podReferences({ ...pod, metadata: { ...pod.metadata, annotations } });
  if (references.some((reference) => reference.startsWith('secrets/')))
    throw refusal(attributes, 'a mirror pod may not reference secrets');
  if (pod.spec?.volumes?.some((volume) => volume.projected?.sources?.some((source) => source.serviceAccountToken)))
    throw refusal(attributes, 'a mirror pod may not use ServiceAccountToken volume projections');
}

/** The deprecated annotation that limits a pod to the secrets its account lists. */
function checkSecrets(attributes: AdmissionAttributes, object: JsonObject, account: ServiceAccount): void {
  if (!goTrue.has(account.metadata.annotations?.[mountableSecretsAnnotation] ?? '')) return;
  const { spec } = object as unknown as Pod;
  const accountNamed = account.metadata.name ?? '';
  const mountable = new Set((account.secrets ?? []).map((secret) => secret.name ?? ''));
  const refuse = (what: string): never => {
    throw refusal(
      attributes,
      `${what} is not allowed because service account ${accountNamed} does not reference that secret`,
    );
  };
  const check = (what: string, containers: readonly Pick<Container, 'name' | 'env' | 'envFrom'>[]): void => {
    for (const container of containers) {
      for (const { name, valueFrom } of container.env ?? []) {
        const secret = valueFrom?.secretKeyRef?.name;
        if (secret !== undefined && !mountable.has(secret))
          refuse(`${what} ${container.name} with envVar ${name} referencing secret.secretName="${secret}"`);
      }
      for (const { secretRef } of container.envFrom ?? [])
        if (secretRef !== undefined && !mountable.has(secretRef.name ?? ''))
          refuse(`${what} ${container.name} with envFrom referencing secret.secretName="${secretRef.name ?? ''}"`);
    }
  };
  if (attributes.subresource === 'ephemeralcontainers') {
    check('ephemeral container', spec?.ephemeralContainers ?? []);
    return;
  }
  for (const { secret } of spec?.volumes ?? [])
    if (secret !== undefined && !mountable.has(secret.secretName ?? ''))
      refuse(`volume with secret.secretName="${secret.secretName ?? ''}"`);
  check('init container', spec?.initContainers ?? []);
  check('container', spec?.containers ?? []);
  const pullable = new Set((account.imagePullSecrets ?? []).map((secret) => secret.name ?? ''));
  for (const [i, { name = '' }] of (spec?.imagePullSecrets ?? []).entries())
    if (!pullable.has(name))
      throw refusal(
        attributes,
        `imagePullSecrets[${i}].name="${name}" is not allowed because service account ${accountNamed} does not reference that imagePullSecret`,
      );
}

/** Source: strconv.ParseBool. */
const goTrue: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);

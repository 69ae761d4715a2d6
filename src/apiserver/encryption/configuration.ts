/**
 * EncryptionConfiguration (apiserver.config.k8s.io/v1): which resources are encrypted in the store, and with which keys.
 * Source: apiserver/pkg/apis/apiserver/validation/validation_encryption.go, server/options/encryptionconfig/config.go.
 */
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { partsOf } from '../configuration-file.ts';

export type Cipher = 'aescbc' | 'aesgcm' | 'secretbox';

export interface EncryptionKey {
  readonly name: string;
  readonly secret: Uint8Array;
}
export type Provider =
  | { readonly kind: 'identity' }
  | { readonly kind: Cipher; readonly keys: readonly EncryptionKey[] };

export interface EncryptionRule {
  /** `secrets`, `deployments.apps`, `*.apps`, `*.` (the core group) or `*.*` */
  readonly resources: readonly string[];
  /** The first writes, each reads. */
  readonly providers: readonly Provider[];
}

/** What is wrong with a configuration, in upstream's words. Secrets do not stand in it. */
export class EncryptionConfigError extends Error {
  override readonly name = 'EncryptionConfigError';
}

const { objectOf, listOf } = partsOf(EncryptionConfigError);

const keyLengths: Readonly<Record<Cipher, readonly number[]>> = {
  aescbc: [16, 24, 32],
  aesgcm: [16, 24, 32],
  secretbox: [32],
};
const kinds: readonly string[] = ['kms', 'aesgcm', 'aescbc', 'secretbox', 'identity'];

/** @param root the parsed file @throws EncryptionConfigError with all that is wrong */
export function readEncryptionConfiguration(root: JsonValue): readonly EncryptionRule[] {
  const { apiVersion, kind, resources, ...others } = objectOf(root, 'the file');
  if (apiVersion !== 'apiserver.config.k8s.io/v1' || kind !== 'EncryptionConfiguration')
    throw new EncryptionConfigError(
      `got unexpected config type: ${shown(apiVersion)}, Kind=${shown(kind)}; it must be apiserver.config.k8s.io/v1, Kind=EncryptionConfiguration`,
    );
  const errors: string[] = unknownFields(others, '');
  const rules = listOf(resources, 'resources').map((entry, i) => ruleOf(entry, `resources[${i}]`, errors));
  if (rules.length === 0) errors.push('resources: Required value: at least one resources is required');
  if (errors.length > 0) throw new EncryptionConfigError(errors.join(', '));
  checkMasked(rules);
  return rules;
}

function ruleOf(entry: JsonValue, path: string, errors: string[]): EncryptionRule {
  const { resources, providers, ...others } = objectOf(entry, path);
  errors.push(...unknownFields(others, `${path}.`));
  const names = listOf(resources, `${path}.resources`).map(String);
  const list = listOf(providers, `${path}.providers`);
  if (names.length === 0) errors.push(`${path}.resources: Required value: at least one ${path}.resources is required`);
  if (list.length === 0) errors.push(`${path}.providers: Required value: at least one ${path}.providers is required`);
  errors.push(...overlaps(names, `${path}.resources`));
  for (const [i, name] of names.entries()) {
    const why = wrongName(name);
    if (why !== undefined) errors.push(`${path}.resources[${i}]: Invalid value: ${JSON.stringify(name)}: ${why}`);
  }
  return {
    resources: names,
    providers: list.flatMap((provider, i) => providerOf(provider, `${path}.providers[${i}]`, errors)),
  };
}

function wrongName(name: string): string | undefined {
  if (name !== name.toLowerCase()) return 'resource name should not contain capital letters';
  if (name === '*') return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources";
  if (['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations'].includes(name))
    return 'resources which do not have REST API/s cannot be encrypted';
  const { resource, group } = splitName(name);
  if (group === 'events.k8s.io')
    return "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file";
  if (group === 'extensions') return "'extensions' group has been removed and cannot be used for encryption";
  if (group === '*' && resource !== '*') return 'encrypting the same resource across groups is not supported';
  return undefined;
}

function overlaps(names: readonly string[], path: string): string[] {
  const invalid = (why: string): string => `${path}: Invalid value: ${JSON.stringify(names)}: ${why}`;
  const split = names.map(splitName);
  const duplicate = new Set(names).size < names.length;
  const overlap = split.some((a, i) =>
    split.some(
      (b, j) =>
        i !== j &&
        !(a.resource === b.resource && a.group === b.group) &&
        ((a.resource === '*' && a.group === '*') || (a.group === b.group && a.resource === '*')),
    ),
  );
  return [
    ...(duplicate ? [invalid('the same resource cannot be specified multiple times')] : []),
    ...(overlap
      ? [
          invalid(
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
          ),
        ]
      : []),
  ];
}

/** A rule that an earlier one swallows would look as if it counted. */
function checkMasked(rules: readonly EncryptionRule[]): void {
  const seen = new Set<string>();
  for (const { resources } of rules) {
    for (const name of resources) {
      const { resource, group } = splitName(name);
      const wider = resource === '*' ? ['*.*'] : [`*.${group}`, '*.*'];
      const mask = wider.find((each) => each !== name && seen.has(each));
      if (mask !== undefined)
        throw new EncryptionConfigError(
          `error while building transformers: resource ${JSON.stringify(name)} is masked by earlier rule ${JSON.stringify(mask)}`,
        );
    }
    for (const name of resources) seen.add(name);
  }
}

/** `deployments.apps`: up to the first dot. Source: schema.ParseGroupResource. */
export function splitName(name: string): { readonly resource: string; readonly group: string } {
  const dot = name.indexOf('.');
  return dot < 0 ? { resource: name, group: '' } : { resource: name.slice(0, dot), group: name.slice(dot + 1) };
}

function providerOf(entry: JsonValue, path: string, errors: string[]): Provider[] {
  const provider = objectOf(entry, path);
  const given = Object.keys(provider);
  const unknown = given.filter((kind) => !kinds.includes(kind));
  if (unknown.length > 0) errors.push(...unknown.map((field) => `${path}: unknown field ${JSON.stringify(field)}`));
  const found = given.filter((kind) => kinds.includes(kind));
  if (found.length === 0) {
    errors.push(
      `${path}: Invalid value: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity`,
    );
    return [];
  }
  if (found.length > 1) {
    errors.push(
      `${path}: Invalid value: more than one provider specified in a single element, should split into different list elements`,
    );
    return [];
  }
  const kind = found[0]!;
  if (kind === 'identity') return [{ kind }];
  if (kind === 'kms') {
    errors.push(`${path}.kms: Bireme calls no key management services yet: use secretbox, aesgcm or aescbc`);
    return [];
  }
  const keys = listOf((provider[kind] as JsonObject | null)?.keys, `${path}.${kind}.keys`);
  if (keys.length === 0) errors.push(`${path}.${kind}.keys: Required value: at least one keys is required`);
  return [
    {
      kind: kind as Cipher,
      keys: keys.flatMap((key, i) => keyOf(key, `${path}.${kind}.keys[${i}]`, kind as Cipher, errors)),
    },
  ];
}

function keyOf(entry: JsonValue, path: string, cipher: Cipher, errors: string[]): EncryptionKey[] {
  const { name = '', secret = '', ...others } = objectOf(entry, path);
  errors.push(...unknownFields(others, `${path}.`));
  if (name === '') errors.push(`${path}.name: Required value: name is a mandatory field for a key`);
  if (secret === '') {
    errors.push(`${path}.secret: Required value: secret is a mandatory field for a key`);
    return [];
  }
  const text = String(secret);
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    errors.push(`${path}.secret: Invalid value: "REDACTED": secrets must be base64 encoded`);
    return [];
  }
  const bytes = Buffer.from(text, 'base64');
  const lengths = keyLengths[cipher];
  if (!lengths.includes(bytes.length)) {
    errors.push(
      `${path}.secret: Invalid value: "REDACTED": secret is not of the expected length, got ${bytes.length}, expected one of [${lengths.join(' ')}]`,
    );
    return [];
  }
  return [{ name: String(name), secret: bytes }];
}

const unknownFields = (others: JsonObject, path: string): string[] =>
  Object.keys(others).map((field) => `unknown field "${path}${field}"`);

const shown = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');

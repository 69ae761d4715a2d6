/**
 * Encryption at rest: a Transformer by `--encryption-provider-config`. The first provider of a resource's rule writes, each of them reads; what another than
 * the first key wrote is stale, and is written anew by the next update even if that changes nothing (`kubectl get secrets -A -o json | kubectl replace -f -`).
 */
import { builtinSchema } from '../../api/schema/builtin.ts';
import { splitKey, storagePrefix } from '../registry/keys.ts';
import { TransformError, type Transformer } from '../registry/transformer.ts';
import { ciphersOf, isEncrypted, type KeyedCipher, type RandomBytes } from './ciphers.ts';
import { type EncryptionRule, splitName } from './configuration.ts';

export { EncryptionConfigError, readEncryptionConfiguration } from './configuration.ts';

export function createEncryption(rules: readonly EncryptionRule[], random: RandomBytes): Transformer {
  const byName = new Map<string, readonly KeyedCipher[]>();
  for (const { resources, providers } of rules) {
    const ciphers = providers.flatMap((provider) => ciphersOf(provider, random));
    // The first rule counts.
    for (const name of resources) {
      const { resource, group } = splitName(name);
      const full = `${resource}.${group}`;
      if (!byName.has(full)) byName.set(full, ciphers);
    }
  }
  const groups = builtinGroups();
  const byPrefix = new Map<string, readonly KeyedCipher[] | undefined>();
  /** Undefined: not encrypted. */
  const ciphersFor = (storeKey: string): readonly KeyedCipher[] | undefined => {
    const prefix = splitKey(storeKey)?.prefix;
    if (prefix === undefined) return undefined;
    if (byPrefix.has(prefix)) return byPrefix.get(prefix);
    const slash = prefix.indexOf('/');
    const known =
      groups.get(prefix) ??
      (slash < 0 ? undefined : { group: prefix.slice(0, slash), resource: prefix.slice(slash + 1) });
    const found =
      known && (byName.get(`${known.resource}.${known.group}`) ?? byName.get(`*.${known.group}`) ?? byName.get('*.*'));
    byPrefix.set(prefix, found);
    return found;
  };
  const stale = new Set<string>();

  return {
    toStorage(plain, storeKey) {
      stale.delete(storeKey);
      const [first] = ciphersFor(storeKey) ?? [];
      return first ? first.seal(plain, storeKey) : plain;
    },
    fromStorage(stored, storeKey) {
      const ciphers = ciphersFor(storeKey);
      if (ciphers === undefined) {
        if (isEncrypted(stored))
          throw new TransformError(untransformable(storeKey, 'identity transformer tried to read encrypted data'));
        return stored;
      }
      const failures: string[] = [];
      for (let i = 0; i < ciphers.length; i++) {
        const { prefix, open } = ciphers[i]!;
        if (!startsWith(stored, prefix)) continue;
        try {
          const plain = open(stored.subarray(prefix.length), storeKey);
          if (i === 0) stale.delete(storeKey);
          else stale.add(storeKey);
          return plain;
        } catch (error) {
          // Two keys may have one name while one takes the other's place; identity has no say about what is encrypted.
          if (prefix.length > 0) failures.push(error instanceof Error ? error.message : String(error));
        }
      }
      throw new TransformError(untransformable(storeKey, failures[0] ?? 'no matching prefix found'));
    },
    isStale: (storeKey) => stale.has(storeKey),
  };
}

const untransformable = (storeKey: string, why: string): string =>
  `unable to transform key ${JSON.stringify(storeKey)}: ${why}`;

function startsWith(stored: Uint8Array, prefix: Buffer): boolean {
  if (stored.length < prefix.length) return false;
  return prefix.equals(stored.subarray(0, prefix.length));
}

/** By the prefix in the store. Both kinds of events are core's. */
function builtinGroups(): ReadonlyMap<string, { readonly group: string; readonly resource: string }> {
  const found = new Map<string, { readonly group: string; readonly resource: string }>();
  for (const { group, resource, storageVersion } of builtinSchema.resources) {
    const prefix = storagePrefix(group, resource);
    if (storageVersion && !(found.has(prefix) && group === 'events.k8s.io')) found.set(prefix, { group, resource });
  }
  return found;
}

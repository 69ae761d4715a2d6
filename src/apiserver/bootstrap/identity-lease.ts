/** The Lease by which API servers know each other: `apiserver-HASH` in kube-system, renewed while the server runs. Source: controlplane APIServerIdentity. */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../api/json.ts';
import { formatMicroTime, parseTime } from '../../api/time.ts';
import type { Clock } from '../../base/clock.ts';
import { prefixEnd } from '../../store/store.ts';
import type { StoredObjects } from './stored-objects.ts';

const durationSeconds = 3600;
const identityLabel = 'apiserver.kubernetes.io/identity';

export interface IdentityLeaseOptions {
  readonly stored: StoredObjects;
  readonly clock: Clock;
  readonly hostname: string;
  /** Unique to this run of the server. */
  readonly runId: string;
  /** `address:port` for other API servers. */
  readonly peerAddress: string;
}

export interface IdentityLease {
  readonly name: string;
  sync(signal?: AbortSignal): Promise<void>;
  /** Deletes the Leases of servers that stopped an hour ago. */
  collect(signal?: AbortSignal): Promise<void>;
}

export function createIdentityLease(options: IdentityLeaseOptions): IdentityLease {
  const { stored, clock, hostname, runId, peerAddress } = options;
  const name = `apiserver-${base32(createHash('sha256').update(hostname).digest().subarray(0, 16))}`;
  const holderIdentity = `${name}_${runId}`;
  const key = stored.key('coordination.k8s.io', 'leases', 'kube-system', name);
  return {
    name,
    async sync(signal) {
      const spec = { holderIdentity, leaseDurationSeconds: durationSeconds, renewTime: formatMicroTime(clock.now()) };
      const found = await stored.get(key, signal);
      const object: JsonObject = {
        kind: 'Lease',
        apiVersion: 'coordination.k8s.io/v1',
        ...found?.object,
        metadata: {
          ...((found?.object.metadata ?? { name, namespace: 'kube-system' }) as JsonObject),
          labels: { [identityLabel]: 'kube-apiserver', 'kubernetes.io/hostname': hostname },
          annotations: { 'kubernetes.io/peer-advertise-address': peerAddress },
        },
        spec,
      };
      await stored.put(key, object, found?.revision ?? 0, signal);
    },
    async collect(signal) {
      const prefix = stored.key('coordination.k8s.io', 'leases', 'kube-system', '');
      const { kvs } = await stored.store.range({ key: prefix, end: prefixEnd(prefix) }, signal);
      for (const kv of kvs) {
        const { metadata, spec } = stored.parse(kv) as { metadata?: JsonObject; spec?: JsonObject };
        if ((metadata?.labels as JsonObject | undefined)?.[identityLabel] !== 'kube-apiserver') continue;
        const renewed = typeof spec?.renewTime === 'string' ? parseTime(spec.renewTime) : undefined;
        const seconds = Number(spec?.leaseDurationSeconds ?? durationSeconds);
        if (renewed !== undefined && renewed + seconds * 1000 > clock.now()) continue;
        await stored.store.txn(
          {
            compare: [{ key: kv.key, target: 'modRevision', op: '=', value: kv.modRevision }],
            success: [{ type: 'delete', key: kv.key }],
          },
          signal,
        );
      }
    },
  };
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** RFC 4648 base32 in lower case, without padding. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >>> bits) & 31];
    }
    value &= 31;
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31] : text;
}

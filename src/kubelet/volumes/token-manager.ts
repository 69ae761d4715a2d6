/** Service account tokens bound to a pod, renewed when 80% of their life is over. Source: pkg/kubelet/token/token_manager.go. */
import type { TokenRequest } from '../../api/types/authentication-v1.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import { podUid } from '../pods/pod-info.ts';

export interface TokenOptions {
  /** Absent: the API server's own. */
  readonly audience: string | undefined;
  readonly expirationSeconds: number;
}

export interface TokenManager {
  /** A token that is good for a while. When renewing fails, the old one serves until it ends. @throws ApiError, TransportError */
  token(pod: Pod, options: TokenOptions): Promise<string>;
  forget(podUid: string): void;
}

interface Held {
  readonly token: string;
  readonly renewAtMs: number;
  readonly endsAtMs: number;
}

const dayMs = 86_400_000;

export function createTokenManager({
  client,
  clock,
  random,
}: {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
}): TokenManager {
  const held = new Map<string, Map<string, Held>>();
  return {
    async token(pod, { audience, expirationSeconds }) {
      const uid = podUid(pod);
      const key = `${pod.spec?.serviceAccountName ?? 'default'}|${audience ?? ''}|${expirationSeconds}`;
      const known = held.get(uid)?.get(key);
      const now = clock.now();
      if (known && now < known.renewAtMs) return known.token;
      const request: TokenRequest = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        metadata: {},
        spec: {
          audiences: audience === undefined ? [] : [audience],
          expirationSeconds,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name ?? '', uid },
        },
      };
      try {
        const answer = await client
          .resource(resources.serviceAccounts)
          .createSubresource(pod.spec?.serviceAccountName ?? 'default', 'token', request, {
            namespace: pod.metadata.namespace,
          });
        const token = answer.status?.token;
        if (!token) throw new Error('the API server answered without a token');
        const endsAtMs = Date.parse(answer.status?.expirationTimestamp ?? '') || now + expirationSeconds * 1000;
        const lifeMs = endsAtMs - now;
        // At 80% of its life, or after a day; a little earlier each for its own, so that they do not all come at once.
        const renewAtMs = now + Math.min(lifeMs * 0.8, dayMs) - random.float() * 10_000;
        let ofPod = held.get(uid);
        if (!ofPod) held.set(uid, (ofPod = new Map()));
        ofPod.set(key, { token, renewAtMs, endsAtMs });
        return token;
      } catch (error) {
        if (known && now < known.endsAtMs) return known.token;
        throw error;
      }
    },
    forget: (uid) => void held.delete(uid),
  };
}

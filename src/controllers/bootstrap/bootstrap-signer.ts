/**
 * Signs the ConfigMap `cluster-info` in kube-public with every bootstrap token that may sign, so that a joining host which knows a token knows
 * that the cluster it found is the one it looked for. Source: pkg/controller/bootstrap/bootstrapsigner.
 */
import {
  type BootstrapToken,
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  clusterInfoKubeconfig,
  clusterInfoName,
  clusterInfoSignaturePrefix,
  detachedSignature,
  isTokenExpired,
  isTokenFor,
  tokenField,
} from '../../api/bootstrap-token.ts';
import { isConflict, isNotFound } from '../../api/errors.ts';
import type { ConfigMap, Secret } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';

const key = `kube-public/${clusterInfoName}`;

export function createBootstrapSigner(): Controller {
  return {
    name: 'bootstrap-signer-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const maps = informers.informer(resources.configMaps, {
        namespace: 'kube-public',
        fieldSelector: `metadata.name=${clusterInfoName}`,
      });
      const tokens = informers.informer(resources.secrets, {
        namespace: bootstrapTokenNamespace,
        fieldSelector: `type=${bootstrapTokenType}`,
      });
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'bootstrap_signer_queue' } });
      const poke = (): void => queue.add(key);
      observe(maps, { onAdd: poke, onUpdate: poke }, signal);
      observe(tokens, { onAdd: poke, onUpdate: poke, onDelete: poke }, signal);
      if (!(await untilSynced([maps, tokens], signal))) return;
      const reconcile = async (): Promise<void> => {
        const map = maps.get(key);
        const data = map && signed(map, tokens.list(), clock.now());
        if (!data) return;
        try {
          await client.resource(resources.configMaps).update({ ...map, data }, { signal });
        } catch (error) {
          // Whoever was faster brings the key back.
          if (!isConflict(error) && !isNotFound(error)) throw error;
        }
      };
      await runWorkers(queue, 1, reconcile, { clock, log, kind: 'configmap' }, signal);
    },
  };
}

/** @returns the ConfigMap's data with the right signatures; undefined when it has them, or has nothing to sign. */
export function signed(
  map: ConfigMap,
  secrets: readonly Secret[],
  now: number,
): Readonly<Record<string, string>> | undefined {
  const before = map.data ?? {};
  const content = before[clusterInfoKubeconfig];
  if (content === undefined) return undefined;
  const data: Record<string, string> = {};
  for (const [name, value] of Object.entries(before))
    if (!name.startsWith(clusterInfoSignaturePrefix)) data[name] = value;
  for (const secret of secrets) {
    const token = signingToken(secret, now);
    if (token) data[clusterInfoSignaturePrefix + token.id] ??= detachedSignature(content, token);
  }
  const names = Object.keys(data);
  const same = names.length === Object.keys(before).length && names.every((name) => data[name] === before[name]);
  return same ? undefined : data;
}

function signingToken(secret: Secret, now: number): BootstrapToken | undefined {
  const name = secret.metadata.name ?? '';
  const token = { id: tokenField(secret, 'token-id'), secret: tokenField(secret, 'token-secret') };
  const counts =
    name.startsWith(bootstrapTokenPrefix) &&
    token.id !== '' &&
    token.id === name.slice(bootstrapTokenPrefix.length) &&
    token.secret !== '' &&
    !isTokenExpired(secret, now) &&
    isTokenFor(secret, 'signing');
  return counts ? token : undefined;
}

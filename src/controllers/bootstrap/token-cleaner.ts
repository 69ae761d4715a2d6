/** Deletes bootstrap tokens the moment they expire. Source: pkg/controller/bootstrap/tokencleaner. */
import { bootstrapTokenNamespace, bootstrapTokenType, isTokenExpired, tokenExpiry } from '../../api/bootstrap-token.ts';
import { isConflict, isNotFound } from '../../api/errors.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';

export function createTokenCleaner(): Controller {
  return {
    name: 'token-cleaner-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const tokens = informers.informer(resources.secrets, {
        namespace: bootstrapTokenNamespace,
        fieldSelector: `type=${bootstrapTokenType}`,
      });
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'token_cleaner' } });
      observe(
        tokens,
        { onAdd: (secret) => queue.add(keyOf(secret)), onUpdate: (_, secret) => queue.add(keyOf(secret)) },
        signal,
      );
      if (!(await untilSynced([tokens], signal))) return;
      const reconcile = async (key: string) => {
        const secret = tokens.get(key);
        if (!secret) return undefined;
        if (!isTokenExpired(secret, clock.now())) {
          const expiry = tokenExpiry(secret);
          return expiry === undefined ? undefined : { requeueAfterMs: expiry - clock.now() };
        }
        const { name = '', namespace = '', uid = '' } = secret.metadata;
        log.info('Deleting an expired bootstrap token', { secret: key });
        try {
          const body = { preconditions: { uid } };
          await client.resource(resources.secrets).delete(name, { namespace, body, signal });
        } catch (error) {
          // Another one with its name is another token.
          if (!isNotFound(error) && !isConflict(error)) throw error;
        }
        return undefined;
      };
      await runWorkers(queue, 1, reconcile, { clock, log, kind: 'secret', maxRetries: 10 }, signal);
    },
  };
}

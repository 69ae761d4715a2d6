/** A program: creates a ConfigMap through a kubeconfig, trying again for a while. Arguments: kubeconfig, name, milliseconds. Prints how long it took. */
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { isAlreadyExists } from '../../src/api/errors.ts';
import { resources } from '../../src/api/types/resources.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { createClient } from '../../src/client/create-client.ts';
import { createHttpsTransport } from '../../src/client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../../src/client/kubeconfig.ts';

const [kubeconfig = '', name = '', limitMs = ''] = process.argv.slice(2);
const startMs = Date.now();
const options = transportOptionsOf(parseKubeconfig(readFileSync(kubeconfig, 'utf8'), kubeconfig), {
  clock: createRealClock({ keepAlive: true }),
});
for (;;) {
  const transport = createHttpsTransport(options);
  try {
    const signal = AbortSignal.timeout(3000);
    await createClient(transport)
      .resource(resources.configMaps)
      .create({ metadata: { name, namespace: 'default' } }, { signal });
    break;
  } catch (error) {
    if (isAlreadyExists(error)) break;
    if (Date.now() - startMs > Number(limitMs)) throw error;
    await setTimeout(100);
  } finally {
    await transport.close();
  }
}
console.log(Date.now() - startMs);
process.exit(0);

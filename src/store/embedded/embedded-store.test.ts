import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/console-log.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { type StoreHarness, storeContract } from '../contract.ts';
import { storeProperty } from '../property.contract.ts';
import { openEmbeddedStore } from './embedded-store.ts';

const opener = (options: { readonly recentBytes?: number }) => async (): Promise<StoreHarness> => {
  const path = mkdtempSync(join(tmpdir(), 'bireme-store-'));
  const clock = createVirtualClock();
  const store = await openEmbeddedStore({ path, clock, log: silentLogger, ...options });
  return {
    store,
    advance: (ms) => clock.advance(ms),
    end: async () => {
      await store.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
};
storeContract('embedded', opener({}));
storeProperty('embedded', opener({}), { runs: 20 });
// Every value is read back from disk, also the one just written.
storeContract('embedded, without recent values,', opener({ recentBytes: 0 }));
storeProperty('embedded, without recent values,', opener({ recentBytes: 0 }), { runs: 40 });

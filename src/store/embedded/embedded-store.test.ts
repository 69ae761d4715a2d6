import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/console-log.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { type StoreHarness, storeContract } from '../contract.ts';
import { storeProperty } from '../property.contract.ts';
import { openEmbeddedStore } from './embedded-store.ts';

const open = async (): Promise<StoreHarness> => {
  const path = mkdtempSync(join(tmpdir(), 'bireme-store-'));
  const clock = createVirtualClock();
  const store = await openEmbeddedStore({ path, clock, log: silentLogger });
  return {
    store,
    advance: (ms) => clock.advance(ms),
    end: async () => {
      await store.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
};
storeContract('embedded', open);
storeProperty('embedded', open, { runs: 40 });

import { createVirtualClock } from '../../base/virtual-clock.ts';
import { type StoreHarness, storeContract } from '../contract.ts';
import { storeProperty } from '../property.contract.ts';
import { createMemoryStore } from './memory-store.ts';

const open = async (): Promise<StoreHarness> => {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  return { store, advance: (ms) => clock.advance(ms), end: () => store.close() };
};
storeContract('memory', open);
storeProperty('memory', open, { runs: 300 });

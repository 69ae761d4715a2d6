import { createVirtualClock } from '../../base/virtual-clock.ts';
import { storeContract } from '../contract.ts';
import { createMemoryStore } from './memory-store.ts';

storeContract('memory', async () => {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  return { store, advance: (ms) => clock.advance(ms), end: () => store.close() };
});

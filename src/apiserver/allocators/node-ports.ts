/** Node ports in one RangeAllocation, changed by compare-and-swap. Source: registry/core/service/allocator/storage. */
import { encode } from '../../api/codec/index.ts';
import type { KeyValue, Store } from '../../store/store.ts';
import type { Transformer } from '../registry/transformer.ts';
import { formatPortRange, type PortRange, PortSet, parsePortRange } from './port-set.ts';

export const nodePortsKey = '/registry/ranges/servicenodeports';

export interface NodePortsOptions {
  readonly store: Store;
  readonly range: PortRange;
  readonly transformer: Transformer;
}

export class NodePorts {
  readonly #options: NodePortsOptions;
  /** What the last transaction saw: most often still true. */
  #known: KeyValue | undefined;

  constructor(options: NodePortsOptions) {
    this.#options = options;
  }

  get range(): PortRange {
    return this.#options.range;
  }

  /** Runs `change` on the newest set and writes it; again when another API server was faster. What `change` throws is thrown, nothing written. */
  async update<T>(change: (ports: PortSet) => T, signal?: AbortSignal): Promise<T> {
    const { store, transformer, range } = this.#options;
    let certain = false;
    for (;;) {
      const known = this.#known;
      const ports = this.#parse(known);
      let result: T;
      try {
        result = change(ports);
      } catch (error) {
        // It may have been decided on an old set.
        if (certain) throw error;
        await this.#read(signal);
        certain = true;
        continue;
      }
      if (!ports.changed) {
        if (certain) return result;
        await this.#read(signal);
        certain = true;
        continue;
      }
      const value = transformer.toStorage(
        encode({
          kind: 'RangeAllocation',
          apiVersion: 'v1',
          metadata: {},
          range: formatPortRange(range),
          data: ports.data(),
        }),
        nodePortsKey,
      );
      const txn = await store.txn(
        {
          compare: [{ key: nodePortsKey, target: 'modRevision', op: '=', value: known?.modRevision ?? 0 }],
          success: [
            { type: 'put', key: nodePortsKey, value },
            { type: 'range', key: nodePortsKey },
          ],
          failure: [{ type: 'range', key: nodePortsKey }],
        },
        signal,
      );
      const seen = txn.results.at(-1)!;
      this.#known = seen.type === 'range' ? seen.kvs[0] : undefined;
      if (txn.succeeded) return result;
      certain = true;
    }
  }

  release(ports: readonly number[], signal?: AbortSignal): Promise<void> {
    if (ports.length === 0) return Promise.resolve();
    return this.update((set) => {
      for (const port of ports) set.release(port);
    }, signal);
  }

  async #read(signal?: AbortSignal): Promise<void> {
    this.#known = (await this.#options.store.range({ key: nodePortsKey }, signal)).kvs[0];
  }

  #parse(known: KeyValue | undefined): PortSet {
    const { range, transformer } = this.#options;
    if (!known) return new PortSet(range);
    const plain = Buffer.from(transformer.fromStorage(known.value, nodePortsKey));
    const stored = JSON.parse(plain.toString()) as { readonly range: string; readonly data?: string };
    return PortSet.parse(range, parsePortRange(stored.range), stored.data ?? '');
  }
}

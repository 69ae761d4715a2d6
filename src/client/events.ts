/** Records Events with series (events.k8s.io/v1 written through core/v1, as upstream's recorder): repeated ones are counted, not repeated. */
import type { KubeObject } from '../api/object.ts';

export interface EventRecorder {
  /** A recorder of the same stream that reports as another component: `replicaset-controller`, `node-controller`; `host` where the component is one of a node. */
  withComponent(component: string, host?: string): EventRecorder;
  /**
   * @param type Normal or Warning. @param reason CamelCase. @param action what was done or tried (events.k8s.io), reason when absent.
   * Never blocks and never throws: events are queued (bounded) and sent in the background; after `stop` they are dropped.
   */
  event(
    regarding: KubeObject,
    event: {
      readonly type: 'Normal' | 'Warning';
      readonly reason: string;
      readonly message: string;
      readonly action?: string;
      readonly related?: KubeObject;
      /** Part of `regarding`, e.g. `spec.containers{web}`. */
      readonly fieldPath?: string;
      readonly annotations?: Readonly<Record<string, string>>;
    },
  ): void;
}

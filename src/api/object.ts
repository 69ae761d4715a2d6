/** The shapes every kind shares. Generated types in `types/` are assignable to these. */
import type { ObjectMeta } from './types/meta-v1.ts';

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

/** Which resource a client means, with the kind's type as a phantom. Constants for all built-in ones are generated in `types/resources.ts`. */
export interface ResourceRef<T extends KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: carries T. */
  readonly __object?: T;
}

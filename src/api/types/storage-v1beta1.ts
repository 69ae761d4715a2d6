// Generated from schema/ by `npm run update`. Do not edit.
import type { ListMeta, ObjectMeta } from './meta-v1.ts';

export interface VolumeAttributesClass {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly metadata: ObjectMeta;
  readonly driverName: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface VolumeAttributesClassList {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly metadata: ListMeta;
  readonly items: readonly VolumeAttributesClass[];
}

/**
 * The in-memory model of the API schema (decision 1). Everything that depends on a type's shape - the codec, defaulting, structural
 * validation, strategic merge, managed fields, OpenAPI, protobuf - walks these values and nothing else. Built-in kinds come from
 * `schema/`, custom kinds (later) from their CustomResourceDefinition: they differ in data, not in code.
 */

import type { JSONSchemaProps } from '../types/apiextensions-v1.ts';

/** `core.v1.PodSpec`, `apps.v1.Deployment`, `meta.v1.ObjectMeta`: short group or package, version, Go type name. */
export type TypeName = string;

export type ScalarType = 'string' | 'boolean' | 'int32' | 'int64' | 'double' | 'bytes';

/**
 * Types with their own JSON form. `RawExtension` and `JSON` hold any value and are owned as one; `Any`, in custom kinds, holds any value whose
 * parts are owned by what they are; `FieldsV1` a managed-fields tree.
 */
export type SpecialType =
  | 'Quantity'
  | 'Time'
  | 'MicroTime'
  | 'Duration'
  | 'IntOrString'
  | 'RawExtension'
  | 'FieldsV1'
  | 'JSON'
  | 'JSONSchemaPropsOrArray'
  | 'JSONSchemaPropsOrBool'
  | 'JSONSchemaPropsOrStringArray'
  | 'Patch'
  | 'Any';

export type TypeRef =
  | { readonly kind: 'scalar'; readonly scalar: ScalarType }
  | { readonly kind: 'special'; readonly special: SpecialType }
  /** `type` is a getter-backed lazy reference: recursive types (JSONSchemaProps) are legal. */
  | { readonly kind: 'struct'; readonly type: StructType }
  | {
      readonly kind: 'list';
      readonly element: TypeRef;
      /** Server-side apply semantics; absent means atomic. */
      readonly listType?: 'atomic' | 'set' | 'map';
      readonly mapKeys?: readonly string[];
    }
  | { readonly kind: 'map'; readonly value: TypeRef; readonly mapType?: 'atomic' | 'granular' };

export interface FieldSchema {
  /** JSON name. */
  readonly name: string;
  /** Position among the struct's fields. */
  readonly index: number;
  readonly type: TypeRef;
  /** Required in OpenAPI. */
  readonly required: boolean;
  /** Go `omitempty`: the zero value (empty string, 0, false, empty list or map, null pointer) is not written. */
  readonly omitEmpty: boolean;
  /** Go `omitzero` (an empty struct or zero time is not written). */
  readonly omitZero: boolean;
  /** A Go pointer: null/absent differs from the zero value, so a zero that was given is kept. */
  readonly pointer: boolean;
  /** Default published in OpenAPI v3; `undefined` when none. A zero-valued default is Go's zero value, not a user-visible default. */
  readonly default?: unknown;
  readonly enum?: readonly string[];
  /** Strategic merge directives: `merge`, `replace`, `retainKeys` in any combination, and the merge key of a list. */
  readonly patchStrategy?: readonly string[];
  readonly patchMergeKey?: string;
  /** Server-side apply: an atomic nested struct or map. */
  readonly mapType?: 'atomic' | 'granular';
  /** Protobuf field number, or a path of numbers through inlined messages; absent for kind and apiVersion. */
  readonly protoPath?: readonly number[];
  /** Protobuf type as upstream writes it, e.g. `[]k8s.io.api.core.v1.Volume`, `map<string,string>`, `int64`. */
  readonly protoType?: string;
  readonly protoName?: string;
  /** Go's name of a named scalar, list or map type, for decoding errors: `v1.RestartPolicy`, `[]v1.IPFamily`. */
  readonly goType?: string;
  /** Go's names of the embedded structs the field stands in, outermost first: a Volume's `secret` is in `VolumeSource`. Decoding errors name them. */
  readonly embedded?: readonly string[];
}

export interface UnionSchema {
  readonly discriminator?: string;
  /** field name -> discriminator value */
  readonly fields: Readonly<Record<string, string>>;
}

export interface StructType {
  /**
   * A custom kind: values are read by this schema; the fields say how they are merged.
   */
  readonly custom?: {
    readonly schema: JSONSchemaProps | undefined;
    /** `spec.color`: published with the schema. */
    readonly selectableFields?: readonly string[];
  };
  /** Members that no field names: values owned by what they are. */
  readonly open?: boolean;
  readonly name: TypeName;
  /** OpenAPI definition name, e.g. `io.k8s.api.core.v1.PodSpec`. */
  readonly openapiName: string;
  readonly gvks: readonly GroupVersionKind[];
  readonly protoMessage?: string;
  readonly mapType?: 'atomic' | 'granular';
  readonly unions: readonly UnionSchema[];
  /** In Go struct order, which is the order upstream writes JSON in. */
  readonly fields: readonly FieldSchema[];
  readonly fieldsByName: ReadonlyMap<string, FieldSchema>;
  /** Fields that are written even when they were not given (as Go's zero value), in order. */
  readonly alwaysWritten: readonly FieldSchema[];
}

export interface GroupVersionKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface SubresourceSchema {
  readonly verbs: readonly string[];
  readonly kind: string;
  readonly group: string;
  readonly version: string;
}

export interface ColumnSchema {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly priority: number;
}

/** One served version of one resource. */
export interface ResourceSchema {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly subresources: Readonly<Record<string, SubresourceSchema>>;
  /** The version objects are stored in; absent when the resource is not stored (reviews, bindings). */
  readonly storageVersion?: { readonly group: string; readonly version: string };
  readonly storageVersionHash?: string;
  readonly level: 'ga' | 'beta' | 'alpha';
  readonly servedByDefault: boolean;
  readonly columns: readonly ColumnSchema[];
  /** Every field label that a fieldSelector may name. */
  readonly fieldSelectors: readonly string[];
  /** The struct of the kind. */
  readonly type: StructType;
  /** Of a custom kind: what its definition says beyond the schema. */
  readonly custom?: CustomResourceSchema;
}

export interface CustomResourceSchema {
  readonly listKind: string;
  /** Absent: name and age. */
  readonly printerColumns: readonly CustomColumn[];
  readonly scale?: {
    readonly specReplicasPath: string;
    readonly statusReplicasPath: string;
    readonly labelSelectorPath?: string;
  };
  /** What every request for a deprecated version is told. */
  readonly warning?: string;
  /** The definition is going: nothing new is made. */
  readonly terminating: boolean;
}

export interface CustomColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

export interface Schema {
  type(name: TypeName): StructType | undefined;
  byGvk(gvk: GroupVersionKind): StructType | undefined;
  readonly types: ReadonlyMap<TypeName, StructType>;
  /** In discovery order. */
  readonly groups: readonly {
    readonly name: string;
    readonly preferred: string;
    readonly versions: readonly string[];
  }[];
  readonly resources: readonly ResourceSchema[];
  resource(group: string, version: string, resource: string): ResourceSchema | undefined;
}

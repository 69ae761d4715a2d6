/** How Go names a type in `json: cannot unmarshal ... of type T`. */
import type { StructType, TypeRef } from '../schema/model.ts';

/**
 * Derived from the shape; a field of a named type (`v1.PodPhase`) says so itself (`FieldSchema.goType`). The package of a type name `core.v1.PodSpec` is its
 * last part, as every Go package is called after its version.
 */
export function goType(type: TypeRef): string {
  switch (type.kind) {
    case 'scalar':
      return { string: 'string', boolean: 'bool', int32: 'int32', int64: 'int64', double: 'float64', bytes: '[]uint8' }[
        type.scalar
      ];
    case 'special':
      return {
        Quantity: 'resource.Quantity',
        Time: 'v1.Time',
        MicroTime: 'v1.MicroTime',
        Duration: 'v1.Duration',
        IntOrString: 'intstr.IntOrString',
        RawExtension: 'runtime.RawExtension',
        FieldsV1: 'v1.FieldsV1',
        JSON: 'v1.JSON',
        JSONSchemaPropsOrArray: 'v1.JSONSchemaPropsOrArray',
        JSONSchemaPropsOrBool: 'v1.JSONSchemaPropsOrBool',
        JSONSchemaPropsOrStringArray: 'v1.JSONSchemaPropsOrStringArray',
        Patch: 'v1.Patch',
        Any: 'interface {}',
      }[type.special];
    case 'list':
      return `[]${goType(type.element)}`;
    case 'map':
      return type.value.kind === 'special' && type.value.special === 'Quantity'
        ? 'v1.ResourceList'
        : `map[string]${goType(type.value)}`;
    case 'struct':
      return structGoType(type.type);
  }
}

export function structGoType(type: StructType): string {
  const parts = type.name.split('.');
  return parts.slice(-2).join('.');
}

/** `PodSpec` of `core.v1.PodSpec`. */
export const shortName = (type: StructType): string => type.name.slice(type.name.lastIndexOf('.') + 1);

/** Protobuf of API objects: the envelope `k8s\0` + runtime.Unknown around the kind's message. */
import type { JsonObject } from '../../json.ts';
import type { GroupVersionKind, Schema } from '../../schema/model.ts';

/** Not there yet. @throws Error that says so. */
export function decodeProtobuf(_bytes: Uint8Array, expected: GroupVersionKind, _schema: Schema): JsonObject {
  throw new Error(`protobuf bodies are not supported yet (${expected.kind})`);
}

/**
 * The codec of the JSON edge (decision 2): the one place where API objects come from bytes and go to bytes. YAML and protobuf live in
 * `yaml.ts` and `protobuf/`, which are imported on first use.
 */
export { type BodyOptions, decodeBody, type RequestBody, versionOf } from './body.ts';
export {
  type Decoded,
  type DecodeInput,
  decodeObject,
  decodeUnstructured,
  type FieldValidation,
  StrictDecodeError,
} from './decode.ts';
export { encode, encodePretty, encodeText } from './encode.ts';
export { DecodeError } from './exact.ts';
export { JsonSyntaxError } from './json-nodes.ts';
export { compareUtf8, setOwn, sortedKeys } from './own.ts';
export { type ParsedJson, parseJson } from './parse-json.ts';
export { asStored } from './stored-order.ts';

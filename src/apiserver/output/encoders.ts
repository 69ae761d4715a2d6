/** Values to bytes in a negotiated media type. YAML and protobuf are loaded on first use, so that a server that only speaks JSON never pays for them. */
import { encode, encodePretty } from '../../api/codec/index.ts';
import type { JsonObject } from '../../api/json.ts';
import type { MediaType } from '../negotiation/negotiation.ts';

/** Encodes a whole answer: kind and apiVersion inside. JSON ends in a line feed unless it is indented, YAML always does, as upstream's do. */
export type Encoder = (value: JsonObject) => Uint8Array;

const lineFeed = 0x0a;

export function jsonEncoder(pretty: boolean): Encoder {
  return pretty ? encodePretty : (value) => withLineFeed(encode(value));
}

function withLineFeed(bytes: Uint8Array): Uint8Array {
  if (bytes[bytes.byteLength - 1] === lineFeed) return bytes;
  const ended = new Uint8Array(bytes.byteLength + 1);
  ended.set(bytes);
  ended[bytes.byteLength] = lineFeed;
  return ended;
}

/** @param protobuf made by whoever knows the schema; see `protobufEncoder` in `api/codec/protobuf`. */
export async function encoderFor(
  mediaType: MediaType,
  pretty: boolean,
  protobuf: () => Promise<Encoder>,
): Promise<Encoder> {
  switch (mediaType) {
    case 'application/json':
      return jsonEncoder(pretty);
    case 'application/yaml': {
      const { encodeYaml } = await import('../../api/codec/yaml.ts');
      return encodeYaml;
    }
    case 'application/vnd.kubernetes.protobuf':
      return protobuf();
  }
}

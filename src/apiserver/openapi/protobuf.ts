/**
 * OpenAPI documents in protobuf (the messages of gnostic's openapi.v2 and openapi.v3), made from their JSON form. kubectl 1.27 reads nothing
 * else of v2. Only the fields that our documents have are known here; others would be a mistake in this file, so they throw.
 */
import protobufjs from 'protobufjs/minimal.js';
import { encodeYaml } from '../../api/codec/yaml.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';

const decoder = new TextDecoder();
/** Most extensions are one word, which YAML writes as it is. */
const word = /^[a-z]{4,}$/;
const yamlText = (value: JsonValue): string =>
  typeof value === 'string' && word.test(value) && value !== 'true' && value !== 'null' && value !== 'false'
    ? `${value}\n`
    : decoder.decode(encodeYaml(value));

type Writer = protobufjs.Writer;
type Write = (writer: Writer, field: number, value: JsonValue) => void;
/** JSON member -> field number and how it is written. */
type Message = Readonly<Record<string, readonly [field: number, write: Write]>>;

const text: Write = (writer, field, value) => writer.uint32((field << 3) | 2).string(String(value));
const flag: Write = (writer, field, value) => {
  if (value === true) writer.uint32(field << 3).bool(true);
};
const each =
  (write: Write): Write =>
  (writer, field, value) => {
    for (const item of value as readonly JsonValue[]) write(writer, field, item);
  };

function nested(writer: Writer, field: number, fill: () => void): void {
  writer.uint32((field << 3) | 2).fork();
  fill();
  writer.ldelim();
}

const within =
  (inner: number, write: Write): Write =>
  (writer, field, value) =>
    nested(writer, field, () => write(writer, inner, value));

/** A JSON object as a message of repeated (name 1, value 2) pairs in field `entries`. */
const named =
  (entries: number, write: Write): Write =>
  (writer, field, value) =>
    nested(writer, field, () => {
      for (const [name, member] of Object.entries(value as JsonObject))
        nested(writer, entries, () => {
          text(writer, 1, name);
          write(writer, 2, member!);
        });
    });

/** gnostic's Any: the value as YAML. */
const any: Write = (writer, field, value) => nested(writer, field, () => text(writer, 2, yamlText(value)));

function message(fields: () => Message, extensions?: number): Write {
  return (writer, field, value) => nested(writer, field, () => body(writer, fields(), extensions, value as JsonObject));
}

/** Members go by their field's number, as Go writes them. */
function body(writer: Writer, fields: Message, extensions: number | undefined, value: JsonObject): void {
  const known: [field: number, write: Write, member: JsonValue][] = [];
  let extended = false;
  for (const key in value) {
    const rule = fields[key];
    if (rule) known.push([rule[0], rule[1], value[key]!]);
    else if (extensions !== undefined && key.startsWith('x-')) extended = true;
    else throw new Error(`OpenAPI protobuf: no field for "${key}"`);
  }
  known.sort((a, b) => a[0] - b[0]);
  for (const [field, write, member] of known) write(writer, field, member);
  if (!extended) return;
  for (const key of Object.keys(value).sort())
    if (key.startsWith('x-'))
      nested(writer, extensions!, () => {
        text(writer, 1, key);
        any(writer, 2, value[key]!);
      });
}

const oneOrMany: Write = (writer, field, value) => (Array.isArray(value) ? each(text) : text)(writer, field, value);

const double: Write = (writer, field, value) => writer.uint32((field << 3) | 1).double(Number(value));
const integer: Write = (writer, field, value) => writer.uint32(field << 3).int64(Number(value));
/** AdditionalPropertiesItem. */
const schemaOrBoolean =
  (write: Write): Write =>
  (writer, field, value) =>
    nested(writer, field, () => {
      if (typeof value === 'boolean') writer.uint32(2 << 3).bool(value);
      else write(writer, 1, value);
    });
const documentation: Write = (writer, field, value) =>
  message(() => ({ description: [1, text], url: [2, text] }))(writer, field, value);

const schemaV2Fields: Message = {
  $ref: [1, text],
  format: [2, text],
  description: [4, text],
  title: [3, text],
  default: [5, any],
  multipleOf: [6, double],
  maximum: [7, double],
  exclusiveMaximum: [8, flag],
  minimum: [9, double],
  exclusiveMinimum: [10, flag],
  maxLength: [11, integer],
  minLength: [12, integer],
  pattern: [13, text],
  maxItems: [14, integer],
  minItems: [15, integer],
  uniqueItems: [16, flag],
  maxProperties: [17, integer],
  minProperties: [18, integer],
  required: [19, each(text)],
  enum: [20, each(any)],
  additionalProperties: [21, schemaOrBoolean((w, f, v) => schemaV2(w, f, v))],
  type: [22, within(1, oneOrMany)],
  items: [23, within(1, (w, f, v) => schemaV2(w, f, v))],
  allOf: [24, each((w, f, v) => schemaV2(w, f, v))],
  properties: [25, named(1, (w, f, v) => schemaV2(w, f, v))],
  externalDocs: [29, documentation],
  example: [30, any],
};
const schemaV2 = message(() => schemaV2Fields, 31);

const bodyParameter: Message = {
  description: [1, text],
  name: [2, text],
  in: [3, text],
  required: [4, flag],
  schema: [5, schemaV2],
};
const queryParameter: Message = {
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [6, text],
  uniqueItems: [20, flag],
};
const pathParameter: Message = {
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [5, text],
  uniqueItems: [19, flag],
};

/** ParametersItem > Parameter, or > JsonReference. */
const parametersItemV2: Write = (writer, field, value) => {
  const { $ref } = value as JsonObject;
  if (typeof $ref === 'string') within(2, within(1, text))(writer, field, $ref);
  else within(1, parameterV2)(writer, field, value);
};

/** Parameter > BodyParameter, or > NonBodyParameter > the one for its place. */
const parameterV2: Write = (writer, field, value) => {
  const place = (value as JsonObject).in;
  const write: Write =
    place === 'body'
      ? message(() => bodyParameter)
      : within(
          place === 'query' ? 3 : 4,
          message(() => (place === 'query' ? queryParameter : pathParameter)),
        );
  nested(writer, field, () => write(writer, place === 'body' ? 1 : 2, value));
};

const responseV2: Message = { description: [1, text], schema: [2, within(1, schemaV2)] };
const operationV2 = message(
  () => ({
    tags: [1, each(text)],
    description: [3, text],
    operationId: [5, text],
    produces: [6, each(text)],
    consumes: [7, each(text)],
    parameters: [8, each(parametersItemV2)],
    responses: [
      9,
      named(
        1,
        within(
          1,
          message(() => responseV2),
        ),
      ),
    ],
    schemes: [10, each(text)],
  }),
  13,
);
const pathItemV2: Message = {
  get: [2, operationV2],
  put: [3, operationV2],
  post: [4, operationV2],
  delete: [5, operationV2],
  options: [6, operationV2],
  head: [7, operationV2],
  patch: [8, operationV2],
  parameters: [9, each(parametersItemV2)],
};
const documentV2: Message = {
  swagger: [1, text],
  info: [2, message(() => ({ title: [1, text], version: [2, text] }))],
  paths: [
    8,
    named(
      2,
      message(() => pathItemV2),
    ),
  ],
  definitions: [9, named(1, schemaV2)],
  parameters: [10, named(1, parameterV2)],
  security: [12, each(named(1, (w, f, v) => nested(w, f, () => each(text)(w, 1, v))))],
  securityDefinitions: [
    13,
    named(
      1,
      within(
        2,
        message(() => ({ type: [1, text], name: [2, text], in: [3, text], description: [4, text] })),
      ),
    ),
  ],
};

/** DefaultType holds scalars only; other defaults have no protobuf form (upstream leaves them out too). */
const defaultV3: Write = (writer, field, value) => {
  if (typeof value === 'string') within(3, text)(writer, field, value);
  else if (typeof value === 'boolean')
    nested(writer, field, () => {
      writer.uint32(2 << 3).bool(value);
    });
  else if (typeof value === 'number')
    nested(writer, field, () => {
      writer.uint32((1 << 3) | 1).double(value);
    });
};

const schemaV3Fields: Message = {
  nullable: [1, flag],
  externalDocs: [6, documentation],
  example: [7, any],
  title: [9, text],
  multipleOf: [10, double],
  maximum: [11, double],
  exclusiveMaximum: [12, flag],
  minimum: [13, double],
  exclusiveMinimum: [14, flag],
  maxLength: [15, integer],
  minLength: [16, integer],
  pattern: [17, text],
  maxItems: [18, integer],
  minItems: [19, integer],
  uniqueItems: [20, flag],
  maxProperties: [21, integer],
  minProperties: [22, integer],
  required: [23, each(text)],
  enum: [24, each(any)],
  type: [25, text],
  allOf: [26, each((w, f, v) => schemaOrReference(w, f, v))],
  oneOf: [27, each((w, f, v) => schemaOrReference(w, f, v))],
  anyOf: [28, each((w, f, v) => schemaOrReference(w, f, v))],
  not: [29, (w, f, v) => schemaV3(w, f, v)],
  items: [30, within(1, (w, f, v) => schemaOrReference(w, f, v))],
  properties: [31, named(1, (w, f, v) => schemaOrReference(w, f, v))],
  additionalProperties: [32, schemaOrBoolean((w, f, v) => schemaOrReference(w, f, v))],
  default: [33, defaultV3],
  description: [34, text],
  format: [35, text],
};
const schemaV3 = message(() => schemaV3Fields, 36);
const schemaOrReference: Write = (writer, field, value) => {
  const { $ref } = value as JsonObject;
  if (typeof $ref === 'string') nested(writer, field, () => within(1, text)(writer, 2, $ref));
  else within(1, schemaV3)(writer, field, value);
};
const content = named(
  1,
  message(() => ({ schema: [1, schemaOrReference] })),
);
const parameterV3 = within(
  1,
  message(() => ({
    name: [1, text],
    in: [2, text],
    description: [3, text],
    required: [4, flag],
    schema: [10, schemaOrReference],
  })),
);
const operationV3 = message(
  () => ({
    tags: [1, each(text)],
    description: [3, text],
    operationId: [5, text],
    parameters: [6, each(parameterV3)],
    requestBody: [
      7,
      within(
        1,
        message(() => ({ description: [1, text], content: [2, content], required: [3, flag] })),
      ),
    ],
    responses: [
      8,
      named(
        2,
        within(
          1,
          message(() => ({ description: [1, text], content: [3, content] })),
        ),
      ),
    ],
  }),
  13,
);
const pathItemV3: Message = {
  get: [4, operationV3],
  put: [5, operationV3],
  post: [6, operationV3],
  delete: [7, operationV3],
  options: [8, operationV3],
  head: [9, operationV3],
  patch: [10, operationV3],
  parameters: [13, each(parameterV3)],
};
const documentV3: Message = {
  openapi: [1, text],
  info: [2, message(() => ({ title: [1, text], version: [6, text] }))],
  paths: [
    4,
    named(
      1,
      message(() => pathItemV3),
    ),
  ],
  components: [
    5,
    message(() => ({
      schemas: [1, named(1, schemaOrReference)],
      securitySchemes: [
        7,
        named(
          1,
          within(
            1,
            message(() => ({ type: [1, text], description: [2, text], name: [3, text], in: [4, text] })),
          ),
        ),
      ],
    })),
  ],
};

/** @throws Error for a member that this file does not know. */
export function openApiV2Protobuf(document: JsonObject): Uint8Array {
  const writer = protobufjs.Writer.create();
  body(writer, documentV2, 16, document);
  return writer.finish();
}

export function openApiV3Protobuf(document: JsonObject): Uint8Array {
  const writer = protobufjs.Writer.create();
  body(writer, documentV3, 9, document);
  return writer.finish();
}

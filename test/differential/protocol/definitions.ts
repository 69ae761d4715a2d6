/** Custom kinds with everything that a definition can ask for, and some objects of them. */
import type { JsonObject, JsonValue } from '../../../src/api/json.ts';

const group = 'proto.example.com';

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly versions: JsonObject[];
}

const definition = ({ kind, plural, namespaced, versions }: Kind): JsonObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    names: {
      kind,
      plural,
      singular: kind.toLowerCase(),
      shortNames: [plural.slice(0, 2)],
      categories: ['all', 'protos'],
    },
    versions,
  },
});

const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more });
const string = { type: 'string' };
const integer = { type: 'integer' };

const widget: JsonObject = object({
  spec: object(
    {
      size: { type: 'integer', minimum: 0, maximum: 100, default: 3 },
      color: { type: 'string', enum: ['red', 'green', 'blue'], default: 'red' },
      note: { type: 'string', maxLength: 10, pattern: '^[a-z ]*$' },
      weight: { type: 'number', exclusiveMinimum: true, minimum: 0 },
      port: { 'x-kubernetes-int-or-string': true },
      when: { type: 'string', format: 'date-time' },
      raw: { type: 'string', format: 'byte' },
      tags: { type: 'array', items: string, 'x-kubernetes-list-type': 'set', maxItems: 4 },
      parts: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name', 'slot'],
        items: object(
          {
            name: string,
            slot: { type: 'integer', default: 1 },
            value: string,
            on: { type: 'boolean', default: true },
          },
          { required: ['name'] },
        ),
      },
      map: { type: 'object', additionalProperties: integer, maxProperties: 3 },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      maybe: { type: 'string', nullable: true },
      atomic: object({ a: string, b: string }, { 'x-kubernetes-map-type': 'atomic' }),
      one: object({ a: string, b: integer }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] }),
      replicas: { type: 'integer', default: 1 },
    },
    { required: ['size'] },
  ),
  status: object({
    replicas: integer,
    selector: string,
    phase: string,
    conditions: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: object({ type: string, status: string }, { required: ['type', 'status'] }),
    },
  }),
});

const columns: JsonValue = [
  { name: 'Size', type: 'integer', jsonPath: '.spec.size', description: 'how big' },
  { name: 'Color', type: 'string', jsonPath: '.spec.color' },
  { name: 'Tags', type: 'string', jsonPath: '.spec.tags', priority: 1 },
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Weight', type: 'number', jsonPath: '.spec.weight' },
  { name: 'When', type: 'date', jsonPath: '.spec.when' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

const version = (name: string, storage: boolean, schema: JsonObject, more: JsonObject = {}): JsonObject => ({
  name,
  served: true,
  storage,
  schema: { openAPIV3Schema: schema },
  ...more,
});

const widgetParts: JsonObject = {
  subresources: {
    status: {},
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
  },
  selectableFields: [{ jsonPath: '.spec.color' }, { jsonPath: '.spec.size' }],
};

export const definitions: readonly JsonObject[] = [
  definition({
    kind: 'Widget',
    plural: 'widgets',
    namespaced: true,
    versions: [
      version('v1', true, widget, { ...widgetParts, additionalPrinterColumns: columns }),
      version('v1beta1', false, widget, { ...widgetParts, deprecated: true }),
      version('v1alpha1', false, widget, { ...widgetParts, deprecated: true, deprecationWarning: 'use "v1" now' }),
    ],
  }),
  definition({
    kind: 'Gadget',
    plural: 'gadgets',
    namespaced: false,
    versions: [
      version('v1', true, { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }),
      version('v2', false, object({ spec: object({ a: string, n: { type: 'integer', format: 'int32' } }) })),
    ],
  }),
  definition({
    kind: 'Sprocket',
    plural: 'sprockets',
    namespaced: true,
    versions: [
      version('v1', true, {
        ...object({
          spec: object(
            {
              min: { type: 'integer', default: 1 },
              max: { type: 'integer', default: 10 },
              fixed: {
                type: 'string',
                maxLength: 20,
                'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'fixed is fixed' }],
              },
              list: {
                type: 'array',
                maxItems: 5,
                items: {
                  type: 'string',
                  maxLength: 8,
                  'x-kubernetes-validations': [{ rule: 'self != "bad"', reason: 'FieldValueForbidden' }],
                },
              },
              inner: object(
                { kind: string, name: string },
                {
                  'x-kubernetes-validations': [
                    {
                      rule: 'has(self.name) || has(self.kind)',
                      messageExpression: "'need name or kind'",
                      fieldPath: '.name',
                    },
                  ],
                },
              ),
              pod: {
                type: 'object',
                'x-kubernetes-embedded-resource': true,
                'x-kubernetes-preserve-unknown-fields': true,
              },
            },
            {
              'x-kubernetes-validations': [
                { rule: 'self.min <= self.max', message: 'min must not be above max', reason: 'FieldValueInvalid' },
                { rule: 'self.max < 1000 || oldSelf.max == self.max' },
              ],
            },
          ),
        }),
        'x-kubernetes-validations': [
          { rule: "self.metadata.name.startsWith('q') || self.metadata.name.startsWith('w')" },
        ],
      }),
    ],
  }),
];

const base = `/apis/${group}/v1`;
export const instances: readonly { readonly path: string; readonly body: JsonObject }[] = [
  ...['w1', 'w2'].map((name, i) => ({
    path: `${base}/namespaces/p1/widgets`,
    body: {
      apiVersion: `${group}/v1`,
      kind: 'Widget',
      metadata: { name, labels: { proto: '1' } },
      spec: {
        size: i + 1,
        color: i === 0 ? 'green' : 'blue',
        tags: ['a', 'b'],
        when: '2020-01-01T00:00:00Z',
        weight: 1.5,
      },
    },
  })),
  {
    path: `${base}/gadgets`,
    body: {
      apiVersion: `${group}/v1`,
      kind: 'Gadget',
      metadata: { name: 'w1', labels: { proto: '1' } },
      spec: { a: 'b', n: 1, other: [1] },
      top: { x: 1 },
    },
  },
  {
    path: `${base}/namespaces/p1/sprockets`,
    body: {
      apiVersion: `${group}/v1`,
      kind: 'Sprocket',
      metadata: { name: 'w1' },
      spec: { min: 2, max: 5, fixed: 'f' },
    },
  },
];

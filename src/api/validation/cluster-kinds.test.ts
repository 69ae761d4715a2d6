import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { validateChange, validateNew, validateSubresourceChange } from './index.ts';

const lines = (errors: readonly { field: string; message: string }[]): string[] =>
  errors.map((e) => `${e.field}: ${e.message}`);
const created = (id: string, object: object): string[] => lines(validateNew(id, object as JsonObject));
const changed = (id: string, next: object, previous: object): string[] =>
  lines(validateChange(id, next as JsonObject, previous as JsonObject));

const crd = (schema: object, more: object = {}): object => ({
  metadata: { name: 'tools.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'tools', singular: 'tool', kind: 'Tool', listKind: 'ToolList' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    ...more,
  },
  status: { storedVersions: ['v1'] },
});
const crdErrors = (schema: object, more: object = {}): string[] =>
  created('apiextensions.k8s.io/customresourcedefinitions', crd(schema, more));
const root = 'spec.validation.openAPIV3Schema';

const hook = (more: object = {}): object => ({
  name: 'a.example.com',
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  clientConfig: { url: 'https://a.example.com/x' },
  ...more,
});
const hooks = (...webhooks: object[]): object => ({ metadata: { name: 'h' }, webhooks });
const validating = 'admissionregistration.k8s.io/validatingwebhookconfigurations';

const claim = (requests: object[], more: object = {}): object => ({
  metadata: { name: 'c' },
  spec: { devices: { requests, ...more } },
});
const exactly = { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 };

const cases: readonly { name: string; got: () => unknown; want: unknown }[] = [
  { name: 'a definition with a structural schema is fine', got: () => crdErrors({ type: 'object' }), want: [] },
  {
    name: 'the root is an object; items have types',
    got: () => crdErrors({ type: 'object', properties: { a: { type: 'array', items: {} }, b: { type: 'array' } } }),
    want: [
      `${root}.properties[a].items.type: Required value: must not be empty for specified array items`,
      `${root}.properties[b].items: Required value: must be specified`,
    ],
  },
  {
    name: 'a judging schema has no type of its own and speaks of what is there',
    got: () => crdErrors({ type: 'object', anyOf: [{ type: 'object', properties: { a: { minLength: 1 } } }] }),
    want: [
      `${root}.anyOf[0].type: Forbidden: must be empty to be structural`,
      `${root}.properties[a]: Required value: because it is defined in ${root}.anyOf[0].properties[a]`,
    ],
  },
  {
    name: 'integer or string may be told by anyOf',
    got: () =>
      crdErrors({
        type: 'object',
        properties: { p: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] } },
      }),
    want: [],
  },
  {
    name: 'keys of a map list are required or have a default',
    got: () =>
      crdErrors({
        type: 'object',
        properties: {
          l: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['k'],
            items: { type: 'object', properties: { k: { type: 'string' } } },
          },
        },
      }),
    want: [
      `${root}.properties[l].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
    ],
  },
  {
    name: 'unsupported parts of JSON Schema',
    got: () => crdErrors({ type: 'object', $ref: '#/x', definitions: { a: { type: 'object' } } }),
    want: [
      `${root}.definitions: Forbidden: definitions is not supported`,
      `${root}.$ref: Forbidden: $ref is not supported`,
    ],
  },
  {
    name: "a group of the community's needs approval",
    got: () =>
      created('apiextensions.k8s.io/customresourcedefinitions', {
        ...crd({ type: 'object' }, { group: 'x.k8s.io' }),
        metadata: { name: 'tools.x.k8s.io' },
      }),
    want: [
      'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
    ],
  },
  {
    name: 'a webhook that converts is reached one way',
    got: () => crdErrors({ type: 'object' }, { conversion: { strategy: 'Webhook', webhook: { clientConfig: {} } } }),
    want: [
      'spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required',
      'spec.conversion.conversionReviewVersions: Required value',
    ],
  },
  {
    name: 'a group may not change',
    got: () =>
      changed(
        'apiextensions.k8s.io/customresourcedefinitions',
        crd({ type: 'object' }, { group: 'other.com' }),
        crd({ type: 'object' }),
      ),
    want: ['spec.group: Invalid value: "other.com": field is immutable'],
  },
  { name: 'a webhook is fine', got: () => created(validating, hooks(hook())), want: [] },
  {
    name: 'names of webhooks have three segments and are unique',
    got: () => created(validating, hooks(hook({ name: 'a.b' }), hook(), hook())),
    want: [
      'webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots',
      'webhooks[2].name: Duplicate value: "a.example.com"',
    ],
  },
  {
    name: 'a webhook of an older configuration may go on having side effects',
    got: () => changed(validating, hooks(hook({ sideEffects: 'Some' })), hooks(hook({ sideEffects: 'Unknown' }))),
    want: [],
  },
  {
    name: 'a URL of a webhook',
    got: () => created(validating, hooks(hook({ clientConfig: { url: 'http://u@a.b/x?y#z' } }))),
    want: [
      'webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
      'webhooks[0].clientConfig.url: Invalid value: "u": user information is not permitted in the URL',
      'webhooks[0].clientConfig.url: Invalid value: "z": fragments are not permitted in the URL',
      'webhooks[0].clientConfig.url: Invalid value: "y": query parameters are not permitted in the URL',
    ],
  },
  {
    name: 'rules of a webhook',
    got: () =>
      created(
        validating,
        hooks(
          hook({
            rules: [{ operations: ['*', 'READ'], apiGroups: ['*', 'a'], apiVersions: [], resources: ['pods', '*/*'] }],
          }),
        ),
      ),
    want: [
      'webhooks[0].rules[0].operations: Invalid value: ["*","READ"]: if \'*\' is present, must not specify other operations',
      'webhooks[0].rules[0].operations[1]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
      'webhooks[0].rules[0].apiGroups: Invalid value: ["*","a"]: if \'*\' is present, must not specify other API groups',
      'webhooks[0].rules[0].apiVersions: Required value',
      'webhooks[0].rules[0].resources: Invalid value: ["pods","*/*"]: if \'*/*\' is present, must not specify other resources',
    ],
  },
  {
    name: 'a binding of a policy does something',
    got: () =>
      created('admissionregistration.k8s.io/validatingadmissionpolicybindings', {
        metadata: { name: 'b' },
        spec: { policyName: 'p', validationActions: [] },
      }),
    want: ['spec.validationActions: Required value: at least one validation action is required'],
  },
  {
    name: 'a policy sees something and says something',
    got: () =>
      created('admissionregistration.k8s.io/validatingadmissionpolicies', {
        metadata: { name: 'p' },
        spec: { failurePolicy: 'Fail' },
      }),
    want: [
      'spec.matchConstraints: Required value',
      'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
      'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
    ],
  },
  {
    name: 'a claim of devices is fine',
    got: () =>
      created('resource.k8s.io/resourceclaims', claim([{ name: 'r', exactly }], { config: [], constraints: [] })),
    want: [],
  },
  {
    name: 'constraints speak of requests',
    got: () =>
      created(
        'resource.k8s.io/resourceclaims',
        claim([{ name: 'r', exactly }], { constraints: [{ requests: ['x'], matchAttribute: 'a.example.com/model' }] }),
      ),
    want: [
      'spec.devices.constraints[0].requests[0]: Invalid value: "x": must be the name of a request in the claim or the name of a request and a subrequest separated by \'/\'',
    ],
  },
  {
    name: 'only the approval endpoint approves',
    got: () => {
      const spec = { request: '', usages: ['client auth'], signerName: 'example.com/s' };
      const approved = { spec, status: { conditions: [{ type: 'Approved', status: 'True' }] } };
      const id = 'certificates.k8s.io/certificatesigningrequests';
      const of = (sub: string): string[] =>
        lines(validateSubresourceChange(id, sub, approved as unknown as JsonObject, { spec })).slice(1);
      return [of('status'), of('approval')];
    },
    want: [['status.conditions: Forbidden: updates may not add a condition of type "Approved"'], []],
  },
];

for (const { name, got, want } of cases) test(name, () => assert.deepEqual(got(), want));

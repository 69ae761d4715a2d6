import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBuiltinDefaulter } from '../defaulting/index.ts';
import { deepFreeze } from '../freeze.ts';
import type { JsonObject } from '../json.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { validateChange, validateNew, validateSubresourceChange } from './index.ts';

const defaulter = createBuiltinDefaulter(builtinSchema);
const defaulted = (type: string, object: object): JsonObject =>
  defaulter(deepFreeze(object) as JsonObject, builtinSchema.type(type)!);
const lines = (errors: readonly { field: string; message: string }[]): string[] =>
  errors.map((e) => `${e.field}: ${e.message}`);

const container = (more: object = {}): object => ({ name: 'c', image: 'i', ...more });
const pod = (spec: object): JsonObject =>
  defaulted('core.v1.Pod', {
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [container()], ...spec },
  });
const podErrors = (spec: object): string[] => lines(validateNew('/pods', pod(spec)));
const podChange = (before: object, after: object): string[] => lines(validateChange('/pods', pod(after), pod(before)));
const service = (spec: object): string[] =>
  lines(
    validateNew('/services', defaulted('core.v1.Service', { metadata: {}, spec: { ports: [{ port: 80 }], ...spec } })),
  );
const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [container()] } };
const deployment = (spec: object): string[] =>
  lines(
    validateNew(
      'apps/deployments',
      defaulted('apps.v1.Deployment', {
        metadata: {},
        spec: { selector: { matchLabels: { app: 'a' } }, strategy: {}, template, ...spec },
      }),
    ),
  );

const cases: readonly { name: string; got: () => unknown; want: unknown }[] = [
  { name: 'a plain pod is fine', got: () => podErrors({}), want: [] },
  {
    name: 'two containers may not share a name',
    got: () => podErrors({ containers: [container(), container()] }),
    want: ['spec.containers[1].name: Duplicate value: "c"'],
  },
  {
    name: 'an init container may not share one either',
    got: () => podErrors({ initContainers: [container()] }),
    want: ['spec.initContainers[0].name: Duplicate value: "c"'],
  },
  {
    name: 'a mount must name a volume',
    got: () => podErrors({ containers: [container({ volumeMounts: [{ name: 'v', mountPath: '/x' }] })] }),
    want: ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  },
  {
    name: 'a sub path may not climb out',
    got: () =>
      podErrors({
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [container({ volumeMounts: [{ name: 'v', mountPath: '/x', subPath: '../y' }] })],
      }),
    want: ['spec.containers[0].volumeMounts.subPath: Invalid value: "../y": must not contain \'..\''],
  },
  {
    name: 'a request may not exceed its limit',
    got: () => podErrors({ containers: [container({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } })] }),
    want: ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
  },
  {
    name: 'an extended resource must be whole',
    got: () =>
      podErrors({ containers: [container({ resources: { limits: { 'example.com/gpu': '500m' } } })] }).some((l) =>
        l.endsWith('must be an integer'),
      ),
    want: true,
  },
  {
    name: 'init containers have no probes unless they are sidecars',
    got: () => podErrors({ initContainers: [{ name: 'i', image: 'i', livenessProbe: { tcpSocket: { port: 1 } } }] }),
    want: [
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
  },
  {
    name: 'a sidecar may have one',
    got: () =>
      podErrors({
        initContainers: [{ name: 'i', image: 'i', restartPolicy: 'Always', livenessProbe: { tcpSocket: { port: 1 } } }],
      }),
    want: [],
  },
  {
    name: 'the downward API knows keyed labels',
    got: () =>
      podErrors({
        containers: [
          container({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }] }),
        ],
      }),
    want: [],
  },
  { name: 'an image may change', got: () => podChange({}, { containers: [container({ image: 'j' })] }), want: [] },
  {
    name: 'a command may not',
    got: () => podChange({}, { containers: [container({ command: ['x'] })] }).length,
    want: 1,
  },
  {
    name: 'a toleration may be added',
    got: () => podChange({}, { tolerations: [{ key: 'a', operator: 'Exists' }] }),
    want: [],
  },
  {
    name: 'a toleration may not be removed',
    got: () => podChange({ tolerations: [{ key: 'a', operator: 'Exists' }] }, {}),
    want: ['spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds'],
  },
  {
    name: 'a deadline may only shrink',
    got: () => podChange({ activeDeadlineSeconds: 5 }, { activeDeadlineSeconds: 6 }),
    want: ['spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value'],
  },
  {
    name: 'a scheduling gate may be removed, not added',
    got: () => [
      podChange({ schedulingGates: [{ name: 'g' }] }, {}),
      podChange({}, { schedulingGates: [{ name: 'g' }] }).length,
    ],
    want: [[], 1],
  },
  {
    name: 'a resize may not change the quality of service',
    got: () =>
      lines(
        validateSubresourceChange(
          '/pods',
          'resize',
          pod({ containers: [container({ resources: { requests: { cpu: '1' } } })] }),
          pod({}),
        ),
      ),
    want: ['spec: Invalid value: "": Pod QOS Class may not change as a result of resizing'],
  },
  {
    name: 'a resize may not rename containers',
    got: () =>
      lines(
        validateSubresourceChange(
          '/pods',
          'resize',
          pod({ containers: [container({ name: 'other' })] }),
          pod({ containers: [container({ name: 'one' })] }),
        ),
      ),
    want: ['spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize'],
  },
  {
    name: 'several ports need names',
    got: () => service({ ports: [{ port: 80 }, { port: 81, name: 'b' }] }),
    want: ['spec.ports[0].name: Required value'],
  },
  {
    name: 'the same port on two protocols is fine',
    got: () =>
      service({
        ports: [
          { port: 53, name: 'u', protocol: 'UDP' },
          { port: 53, name: 't' },
        ],
      }),
    want: [],
  },
  {
    name: 'a ClusterIP Service has no node port',
    got: () => service({ ports: [{ port: 80, nodePort: 30000 }] }),
    want: ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  },
  {
    name: 'a deployment must select its own pods',
    got: () => deployment({ selector: { matchLabels: { app: 'z' } } }),
    want: ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
  },
  {
    name: 'a rolling update must be able to move',
    got: () => deployment({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } }),
    want: ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
  },
  {
    name: 'the progress deadline comes after readiness',
    got: () => deployment({ minReadySeconds: 10, progressDeadlineSeconds: 10 }),
    want: ['spec.progressDeadlineSeconds: Invalid value: 10: must be greater than minReadySeconds'],
  },
  {
    name: 'an immutable config map stays',
    got: () =>
      lines(
        validateChange(
          '/configmaps',
          deepFreeze({ immutable: true, data: { a: '2' } }) as JsonObject,
          deepFreeze({ immutable: true, data: { a: '1' } }) as JsonObject,
        ),
      ),
    want: ['data: Forbidden: field is immutable when `immutable` is set'],
  },
];
for (const c of cases) test(`validation: ${c.name}`, () => assert.deepEqual(c.got(), c.want));

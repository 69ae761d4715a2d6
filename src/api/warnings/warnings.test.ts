import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindWarnings } from './index.ts';

const onCreate = (id: string, object: object): readonly string[] => kindWarnings[id]!.onCreate!(object as never);
const pod = (spec: object, annotations?: object): object => ({
  metadata: { name: 'p', ...(annotations ? { annotations } : {}) },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});
const podWarnings = (spec: object, annotations?: object): readonly string[] =>
  onCreate('/pods', pod(spec, annotations));

const cases: readonly { name: string; got: () => unknown; want: unknown }[] = [
  { name: 'a plain pod needs none', got: () => podWarnings({}), want: [] },
  {
    name: 'a name that is no label',
    got: () => onCreate('/pods', { metadata: { name: 'a.b' }, spec: {} }),
    want: [
      "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
    ],
  },
  {
    name: 'old node labels',
    got: () => podWarnings({ nodeSelector: { 'beta.kubernetes.io/os': 'linux' } }),
    want: ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
  },
  {
    name: 'fractions of bytes',
    got: () =>
      podWarnings({
        containers: [{ name: 'c', resources: { limits: { memory: '1500m' }, requests: { memory: '1.5Gi' } } }],
      }),
    want: ['spec.containers[0].resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer'],
  },
  {
    name: 'a variable that hides another',
    got: () =>
      podWarnings({
        containers: [
          {
            name: 'c',
            env: [
              { name: 'A', value: '1' },
              { name: 'A', value: '$(A)2' },
              { name: 'A', value: '3' },
            ],
          },
        ],
      }),
    want: ['spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply'],
  },
  {
    name: 'ports that meet',
    got: () =>
      podWarnings({
        containers: [
          { name: 'a', ports: [{ containerPort: 80, protocol: 'TCP', name: 'w' }] },
          { name: 'b', ports: [{ containerPort: 80, protocol: 'TCP', hostPort: 8080, name: 'w' }] },
        ],
      }),
    want: [
      'spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[0]',
      'spec.containers[1].ports[0]: duplicate port name "w" with spec.containers[0].ports[0], services and probes that select ports by name will use spec.containers[0].ports[0]',
    ],
  },
  {
    name: 'two files at one place',
    got: () =>
      podWarnings({
        volumes: [
          {
            name: 'v',
            configMap: {
              name: 'm',
              items: [
                { key: 'a', path: 'x' },
                { key: 'b', path: 'x/y' },
              ],
            },
          },
        ],
      }),
    want: ['volume "v" (ConfigMap "m"): overlapping paths: "x/y" with "x"'],
  },
  {
    name: 'a template names its own path',
    got: () =>
      onCreate('apps/deployments', {
        metadata: { name: 'd' },
        spec: { template: pod({ topologySpreadConstraints: [{ topologyKey: 'zone' }] }) },
      }),
    want: [
      'spec.template.spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod',
    ],
  },
  {
    name: 'a change of nothing but metadata says nothing again',
    got: () => {
      const set = {
        metadata: { name: 'd', generation: 1 },
        spec: { template: pod({ nodeSelector: { 'beta.kubernetes.io/os': 'linux' } }) },
      };
      return kindWarnings['apps/replicasets']!.onUpdate!(set as never, set as never);
    },
    want: [],
  },
  {
    name: 'addresses that programs read in different ways',
    got: () =>
      onCreate('/services', {
        metadata: {},
        spec: {
          type: 'ClusterIP',
          clusterIP: 'fd00::01',
          clusterIPs: ['fd00::01'],
          loadBalancerSourceRanges: ['10.0.0.1/8'],
        },
      }),
    want: [
      'spec.clusterIPs[0]: IPv6 address "fd00::01" should be in RFC 5952 canonical format ("fd00::1")',
      'spec.loadBalancerSourceRanges[0]: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)',
    ],
  },
  {
    name: 'a key where the certificate should be',
    got: () => {
      const pem = Buffer.from('-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n').toString('base64');
      return onCreate('/secrets', { type: 'kubernetes.io/tls', data: { 'tls.crt': pem, 'tls.key': pem } });
    },
    want: [
      'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
    ],
  },
];

for (const { name, got, want } of cases) test(name, () => assert.deepEqual(got(), want));

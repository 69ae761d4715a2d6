/** Values for fields: mostly plausible ones to build with, and the kinds of wrong ones clients send. */
import type { JsonValue } from '../../src/api/json.ts';
import type { FieldSchema, StructType, TypeRef } from '../../src/api/schema/model.ts';
import type { Pick } from './pick.ts';

const long = (n: number): string => 'x'.repeat(n);
const strings: readonly string[] = [
  '',
  'a',
  'b-1',
  'Bad_Name',
  'has space',
  '-lead',
  'trail-',
  long(64),
  long(254),
  'é',
  'a/b',
  'a/b/c',
  'a.b.c',
  'a..b',
  'example.com/x',
  '10.0.0.5',
  '010.0.0.1',
  '256.1.1.1',
  '10.0.0.0/8',
  '10.0.0.1/8',
  'fe80::1',
  '::1',
  '::ffff:1.2.3.4',
  '2001:db8::/32',
  '127.0.0.1',
  '169.254.1.1',
  '224.0.0.1',
  '0.0.0.0',
  'true',
  '0',
  '../x',
  '/abs/path',
  '/a/../b',
  '/a:b',
  'http',
  'UPPER',
  'a=b',
  'x'.repeat(16),
  '*',
  '*.example.com',
  '*.*',
  'http://example.com',
  'https://example.com/x?y=z',
  'Always',
  'None',
  'default',
  'kube-system',
  '$(A)',
  '{}',
  'TCP',
  'tcp',
  'a,b',
  'sha256:abc',
  '/',
  'Bogus',
  '5m',
  'v1',
  'apps/v1',
  'kubernetes.io/x',
  'spec.nodeName',
  'metadata.name',
  'app in (a,b)',
  'system:foo',
  'a:b',
  'a\nb',
  '123',
  'UTC',
];
/** Values that mostly fit a field of this name. */
const known: Readonly<Record<string, readonly JsonValue[]>> = {
  name: ['a', 'c', 'web', 'x-1'],
  namespace: ['d1', 'default', 'kube-system'],
  image: ['nginx:1.27', 'busybox', 'nginx:latest', ' nginx'],
  path: ['/x', '/healthz', 'a/b', 'x'],
  mountPath: ['/data', '/x', '/data:z'],
  apiVersion: ['v1', 'apps/v1', 'example.com/v1'],
  apiGroup: ['', 'apps', 'rbac.authorization.k8s.io', 'storage.k8s.io', 'example.com'],
  apiGroups: [['']],
  kind: [
    'Pod',
    'Deployment',
    'ConfigMap',
    'User',
    'ServiceAccount',
    'ClusterRole',
    'Role',
    'Group',
    'PersistentVolumeClaim',
    'VolumeSnapshot',
  ],
  operator: ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt', 'Equal', 'in'],
  key: ['k', 'app', 'example.com/k', 'kubernetes.io/hostname', 'node.kubernetes.io/not-ready'],
  topologyKey: ['kubernetes.io/hostname', 'zone', ''],
  effect: ['NoSchedule', 'NoExecute', 'PreferNoSchedule'],
  protocol: ['TCP', 'UDP', 'SCTP', 'tcp'],
  scheme: ['HTTP', 'HTTPS', 'http'],
  resource: ['limits.cpu', 'requests.memory', 'pods', 'cpu'],
  fieldPath: [
    'metadata.name',
    "metadata.labels['a']",
    'status.podIP',
    'spec.nodeName',
    'spec.x',
    'metadata.foo',
    'spec.containers{c}',
  ],
  driver: ['csi.example.com', 'Bad Driver', 'example.com/d'],
  provisioner: ['csi.example.com'],
  schedule: ['*/5 * * * *', '@daily', '* * *', 'TZ=UTC 0 0 * * *', '0 0 31 2 *', '61 * * * *'],
  timeZone: ['Etc/UTC', 'Nowhere/City', 'local', 'Europe/Berlin'],
  host: ['a.example.com', '*.example.com', 'A.b', '1.2.3.4'],
  ip: ['10.0.0.5', '1.2.3', 'fe80::1', '127.0.0.1'],
  cidr: ['10.0.0.0/8', '10.0.0.1/8', '::/0', 'x', '0.0.0.0/0'],
  except: [['10.1.0.0/16']],
  pathType: ['Exact', 'Prefix', 'ImplementationSpecific', 'Regex'],
  type: [
    'ClusterIP',
    'NodePort',
    'LoadBalancer',
    'ExternalName',
    'Resource',
    'Utilization',
    'Value',
    'AverageValue',
    'Pods',
    'Percent',
    'External',
    'Object',
    'RollingUpdate',
    'Recreate',
    'OnDelete',
    'RuntimeDefault',
    'Localhost',
    'Unconfined',
    'Directory',
    'Limited',
    'Exempt',
    'Container',
    'Ready',
  ],
  policyTypes: [['Ingress'], ['Egress'], ['Ingress', 'Egress'], ['X']],
  verbs: [['get'], ['*'], ['get', '*'], []],
  resources: [['pods'], ['*'], ['pods', 'pods/*'], ['*/*']],
  accessModes: [
    ['ReadWriteOnce'],
    ['ReadWriteMany', 'ReadWriteOnce'],
    ['ReadWriteOncePod'],
    ['ReadWriteOncePod', 'ReadOnlyMany'],
    ['Bogus'],
    [],
  ],
  expression: ['true', '1', 'object.x', 'object.', '', "request.userInfo.username == 'a'", 'self.x'],
  restartPolicy: ['Always', 'Never', 'OnFailure', 'always'],
  signerName: [
    'example.com/signer',
    'kubernetes.io/kube-apiserver-client',
    'bad',
    'kubernetes.io/legacy-unknown',
    'kubernetes.io/kubelet-serving',
  ],
  preemptionPolicy: ['Never', 'PreemptLowerPriority', 'Maybe'],
  value: ['v', '1', ''],
  minReadySeconds: [5, 0, -1],
  nodeName: ['n1', 'Bad_Node'],
  status: ['True', 'False', 'Unknown', 'Maybe'],
  reason: ['R', 'bad reason', ''],
  message: ['m'],
  secretName: ['s1', ''],
  claimName: ['pvc1', ''],
  serviceAccountName: ['default', 'sa-none'],
  volumeMode: ['Block', 'Filesystem', 'x'],
  externalName: ['a.example.com', 'A B', '1.2.3.4'],
  clusterIP: ['None', '10.0.0.77', '10.99.0.1', 'x', ''],
  externalIPs: [['1.2.3.4'], ['127.0.0.1'], ['x']],
  loadBalancerSourceRanges: [['10.0.0.0/8'], ['x'], [' 10.0.0.0/8 ']],
  ipFamilies: [['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv4', 'IPv4'], ['x']],
  ipFamilyPolicy: ['SingleStack', 'PreferDualStack', 'RequireDualStack', 'x'],
  addressType: ['IPv4', 'IPv6', 'FQDN', 'x'],
  addresses: [['10.0.0.5'], ['fe80::1'], ['x'], ['10.0.0.5', '10.0.0.5'], []],
  finalizers: [
    ['example.com/f'],
    ['kubernetes'],
    ['bad finalizer'],
    ['foregroundDeletion'],
    ['foregroundDeletion', 'orphan'],
  ],
  ports: [],
  port: [80, 0, 70000, -1],
  containerPort: [80, 0, 65536],
  hostPort: [80, 8080, 65536],
  nodePort: [30100, 80, 40000, -1],
  caBundle: ['Y2E=', 'LS0t'],
};

const integers: readonly JsonValue[] = [
  0,
  1,
  -1,
  2,
  3,
  10,
  100,
  101,
  65535,
  65536,
  1000,
  3600,
  86400,
  86401,
  2147483647,
  2147483648,
  '@raw:9223372036854775807@',
  '@raw:9223372036854775808@',
  1.5,
  '@raw:1.0@',
  '@raw:1e2@',
  '5',
  '',
  null,
  true,
  [],
  {},
  '@raw:-2147483649@',
];
const quantities: readonly JsonValue[] = [
  '0',
  '-1',
  '1',
  '100m',
  '1Gi',
  '2Gi',
  '1.5',
  'abc',
  '',
  '1e3',
  '0.0001',
  '1n',
  '500u',
  5,
  1.5,
  null,
  true,
  ' 1',
  '1Ki',
  '1ki',
  '+1',
  '.5',
  '1.',
  [],
  '9223372036854775807',
  '1E',
  '1Zi',
  '10M',
];
const intOrStrings: readonly JsonValue[] = [
  0,
  -1,
  1,
  80,
  65536,
  2147483648,
  '0',
  '1',
  'http',
  '50%',
  '0%',
  '-5%',
  '101%',
  '100%',
  'abc%',
  '%',
  '',
  'UPPER',
  'a-very-long-port-name',
  'a--b',
  1.5,
  null,
  true,
  {},
];
const times: readonly JsonValue[] = [
  '2026-01-01T00:00:00Z',
  '2026-01-01T00:00:00+01:00',
  '2026-01-01T00:00:00.5Z',
  '2026-01-01T00:00:00.123456Z',
  'bad',
  '',
  null,
  5,
  '2026-13-01T00:00:00Z',
  '2026-01-01',
  {},
];
const bytes: readonly JsonValue[] = ['', 'YQ==', 'YQ', 'not base64!', 'YQ==\n', 5, null, 'LS0tLS1CRUdJTi', {}];
const wrong: readonly JsonValue[] = [null, 'x', 5, true, [], {}, ['x'], { a: 1 }, 1.5, ''];

const capped = <T>(list: readonly T[]): readonly T[] => list;

/** A value for the field that mostly is of its type and often fits. */
export function plausible(
  pick: Pick,
  type: TypeRef,
  name: string,
  depth: number,
  enums?: readonly string[],
): JsonValue {
  if (enums && enums.length > 0 && pick.chance(0.85)) return pick.one(enums);
  const hints = known[name];
  if (hints && hints.length > 0 && type.kind !== 'struct' && pick.chance(0.75)) {
    const hint = pick.one(hints);
    if (type.kind === 'list' ? Array.isArray(hint) : !Array.isArray(hint)) return hint;
  }
  switch (type.kind) {
    case 'scalar':
      switch (type.scalar) {
        case 'string':
          return pick.chance(0.5) ? 'a' : pick.one(strings);
        case 'boolean':
          return pick.chance(0.5);
        case 'bytes':
          return pick.chance(0.8) ? 'YQ==' : pick.one(bytes);
        default:
          return pick.chance(0.6) ? pick.below(20) : pick.one(integers);
      }
    case 'special':
      return special(pick, type.special);
    case 'list': {
      const length = pick.weighted([
        [0, 1],
        [1, 6],
        [2, 3],
      ]);
      const items: JsonValue[] = [];
      for (let i = 0; i < length; i++) items.push(plausible(pick, type.element, name.replace(/s$/, ''), depth + 1));
      return items;
    }
    case 'map': {
      const map: Record<string, JsonValue> = {};
      const keys = /requests|limits|capacity|allocatable|hard|used|default|max|min/i.test(name)
        ? [
            'cpu',
            'memory',
            'pods',
            'example.com/gpu',
            'hugepages-2Mi',
            'storage',
            'ephemeral-storage',
            'requests.cpu',
            'bogus',
          ]
        : ['a', 'app', 'example.com/k', 'k', 'Bad Key!', 'kubernetes.io/hostname'];
      for (let i = pick.below(3); i >= 0; i--) map[pick.one(keys)] = plausible(pick, type.value, 'value', depth + 1);
      return map;
    }
    case 'struct':
      return structValue(pick, type.type, depth);
  }
}

export function structValue(pick: Pick, type: StructType, depth: number): JsonValue {
  const object: Record<string, JsonValue> = {};
  const optional = type.fields.filter((field) => !field.required);
  for (const field of type.fields)
    if (field.required && pick.chance(0.95)) object[field.name] = fieldValue(pick, field, depth + 1);
  // Unions want exactly one of their fields, so few optional ones at a time.
  const count =
    depth > 5
      ? 0
      : pick.weighted([
          [0, type.fields.length === optional.length ? 1 : 4],
          [1, 5],
          [2, 3],
          [3, 1],
        ]);
  for (let i = 0; i < count && optional.length > 0; i++) {
    const field = pick.one(optional);
    object[field.name] = fieldValue(pick, field, depth + 1);
  }
  return object;
}

const fieldValue = (pick: Pick, field: FieldSchema, depth: number): JsonValue =>
  plausible(pick, field.type, field.name, depth, field.enum);

/** Any value at all, the wrong kinds included. */
export function hostile(
  pick: Pick,
  type: TypeRef,
  name: string,
  enums: readonly string[] | undefined,
  present: JsonValue | undefined,
): JsonValue {
  if (pick.chance(0.06)) return pick.one(wrong);
  if (pick.chance(0.3)) return plausible(pick, type, name, 2, enums);
  switch (type.kind) {
    case 'scalar':
      switch (type.scalar) {
        case 'string':
          return enums && pick.chance(0.4) ? pick.one([...enums, 'Bogus', '']) : pick.one(capped(strings));
        case 'boolean':
          return pick.one([true, false, true, false, 'true', 1, null]);
        case 'bytes':
          return pick.one(bytes);
        default:
          return pick.one(integers);
      }
    case 'special':
      return special(pick, type.special);
    case 'list': {
      const list = Array.isArray(present) ? present : [];
      return pick.weighted<() => JsonValue>([
        [() => [], 2],
        [() => [null], 0.5],
        [() => (list.length > 0 ? [...list, list[0]!] : [plausible(pick, type.element, name, 3)]), 3],
        [() => list.slice(1), 1],
        [() => [...list].reverse(), 0.5],
        [() => [...list, plausible(pick, type.element, name.replace(/s$/, ''), 3)], 4],
        [() => plausible(pick, type, name, 3), 3],
        [() => pick.one(wrong), 0.5],
      ])();
    }
    case 'map': {
      const map =
        typeof present === 'object' && present !== null && !Array.isArray(present)
          ? (present as Record<string, JsonValue>)
          : {};
      return pick.weighted<() => JsonValue>([
        [() => ({}), 1],
        [() => ({ ...map, [pick.one(strings)]: plausible(pick, type.value, 'value', 3) }), 4],
        [() => ({ ...map, ...(plausible(pick, type, name, 3) as Record<string, JsonValue>) }), 3],
        [() => ({ ...map, k: pick.one(wrong) }), 1],
      ])();
    }
    case 'struct':
      return pick.weighted<() => JsonValue>([
        [() => ({}), 2],
        [() => structValue(pick, type.type, 2), 6],
        [() => pick.one(wrong), 0.5],
        [() => null, 0.5],
        [
          () =>
            ({
              ...(typeof present === 'object' && present !== null && !Array.isArray(present)
                ? (present as object)
                : {}),
              zzz: 1,
            }) as JsonValue,
          0.7,
        ],
      ])();
  }
}

function special(pick: Pick, kind: string): JsonValue {
  switch (kind) {
    case 'Quantity':
      return pick.one(quantities);
    case 'IntOrString':
      return pick.one(intOrStrings);
    case 'Time':
    case 'MicroTime':
      return pick.one(times);
    case 'Duration':
      return pick.one(['5s', '1h', 'bad', 5, null]);
    default:
      return pick.one<JsonValue>([{}, { a: 1 }, null, 'x', 5, true, [], { apiVersion: 'v1', kind: 'X' }]);
  }
}

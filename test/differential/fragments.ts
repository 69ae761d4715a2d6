/**
 * Parts of objects that belong together, for the kinds whose rules look at several fields at once: mostly right, with those next to them that are just not.
 * A case puts one to three of them into an object, or turns an object with some into one with others.
 */
import type { JsonValue } from '../../src/api/json.ts';
import type { Edit } from './case.ts';

export type Fragment = readonly Edit[];

/** `at('a.0.b', value)`; without a value the field goes away. */
const at = (path: string, ...value: readonly [JsonValue?]): Edit => {
  const steps = path.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  return value.length === 0 ? { path: steps } : { path: steps, value: value[0]! };
};
const each = (path: string, values: readonly JsonValue[]): Fragment[] => values.map((value) => [at(path, value)]);

const main = 'containers.0';
const probeActions: readonly JsonValue[] = [
  { httpGet: { path: '/h', port: 80 } },
  { httpGet: { port: 'http', scheme: 'HTTPS', host: 'h', httpHeaders: [{ name: 'X-A', value: 'b' }] } },
  { httpGet: { port: 0, path: '', httpHeaders: [{ name: 'a b', value: '' }] } },
  { tcpSocket: { port: 8080 } },
  { tcpSocket: { port: 'UPPER' } },
  { exec: { command: ['a'] } },
  { exec: {} },
  { grpc: { port: 9000, service: 's' } },
  { grpc: { port: 70000 } },
  { tcpSocket: { port: 1 }, exec: { command: ['b'] } },
  {},
];
const probeTimes: readonly object[] = [
  {},
  { initialDelaySeconds: 5, periodSeconds: 3, timeoutSeconds: 2, failureThreshold: 1 },
  { successThreshold: 2 },
  { successThreshold: 1, terminationGracePeriodSeconds: 10 },
  { terminationGracePeriodSeconds: 0 },
  { periodSeconds: -1, timeoutSeconds: -1 },
  { initialDelaySeconds: -1, failureThreshold: -3 },
];
const probes = ['livenessProbe', 'readinessProbe', 'startupProbe'].flatMap((name, n) =>
  probeActions.flatMap((action, i) => [
    [at(`${main}.${name}`, { ...(action as object), ...probeTimes[(i + n) % probeTimes.length] } as JsonValue)],
    [at(`${main}.${name}`, { ...(action as object), ...probeTimes[(i * 3 + n) % probeTimes.length] } as JsonValue)],
  ]),
);
const withVolume = (source: object, mount: object = { mountPath: '/v' }): Fragment => [
  at('volumes', [{ name: 'vol', ...source } as JsonValue]),
  at(`${main}.volumeMounts`, [{ name: 'vol', ...mount } as JsonValue]),
];
const second = (more: object): Fragment => [at('containers.1', { name: 'd', image: 'busybox', ...more } as JsonValue)];
const init = (more: object): Fragment => [
  at('initContainers', [{ name: 'i', image: 'busybox', ...more } as JsonValue]),
];

/** Below a pod's spec. */
const podSpec: readonly Fragment[] = [
  ...probes,
  ...each(`${main}.securityContext`, [
    { privileged: true },
    { privileged: true, allowPrivilegeEscalation: false },
    { allowPrivilegeEscalation: false, capabilities: { add: ['SYS_ADMIN'], drop: ['ALL'] } },
    { allowPrivilegeEscalation: false, capabilities: { add: ['CAP_SYS_ADMIN'] } },
    { runAsUser: 0, runAsNonRoot: true },
    { runAsUser: -1, runAsGroup: -5 },
    { runAsUser: 4294967296 },
    { procMount: 'Unmasked' },
    { procMount: 'Default' },
    { seccompProfile: { type: 'Localhost', localhostProfile: 'a/b.json' } },
    { seccompProfile: { type: 'Localhost' } },
    { seccompProfile: { type: 'RuntimeDefault', localhostProfile: 'x' } },
    { seccompProfile: { type: 'Localhost', localhostProfile: '../x' } },
    { appArmorProfile: { type: 'Localhost', localhostProfile: 'p' } },
    { appArmorProfile: { type: 'Localhost', localhostProfile: ' p ' } },
    { appArmorProfile: { type: 'Unconfined', localhostProfile: 'p' } },
    { seLinuxOptions: { level: 's0:c1', role: 'r', type: 't', user: 'u' } },
    { windowsOptions: { hostProcess: true, runAsUserName: 'NT AUTHORITY\\SYSTEM' } },
    { windowsOptions: { gmsaCredentialSpecName: 'Bad Name', gmsaCredentialSpec: '' } },
    { windowsOptions: { runAsUserName: 'a/b\\c\\d' } },
    { readOnlyRootFilesystem: true },
  ]),
  ...each('securityContext', [
    { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [1, 2] },
    { supplementalGroups: [-1] },
    { fsGroup: -1 },
    { fsGroupChangePolicy: 'OnRootMismatch' },
    { fsGroupChangePolicy: 'Sometimes' },
    { supplementalGroupsPolicy: 'Strict' },
    { supplementalGroupsPolicy: 'X' },
    { seLinuxChangePolicy: 'MountOption' },
    { seLinuxChangePolicy: 'X' },
    { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }] },
    {
      sysctls: [
        { name: 'net/ipv4/x', value: '1' },
        { name: 'net.ipv4.x', value: '2' },
      ],
    },
    { sysctls: [{ name: 'Bad Sysctl', value: '1' }] },
    { sysctls: [{ name: 'kernel.msgmax', value: '1' }] },
    { windowsOptions: { hostProcess: true } },
    { windowsOptions: { gmsaCredentialSpec: 'x' } },
    { seccompProfile: { type: 'X' } },
    { appArmorProfile: { type: 'RuntimeDefault' } },
    { runAsNonRoot: true, runAsUser: 0 },
  ]),
  [at('hostNetwork', true), at(`${main}.ports`, [{ containerPort: 80 }])],
  [at('hostNetwork', true), at(`${main}.ports`, [{ containerPort: 80, hostPort: 81 }])],
  [at('hostPID', true), at('shareProcessNamespace', true)],
  [at('hostIPC', true)],
  [at('hostUsers', false)],
  [at('hostUsers', false), at('hostNetwork', true)],
  [at('hostUsers', false), at('hostPID', true)],
  [at('hostnameOverride', 'h.example.com')],
  [at('hostnameOverride', 'h.example.com'), at('hostNetwork', true)],
  [at('hostnameOverride', 'Bad_'), at('setHostnameAsFQDN', true)],
  [at('hostname', 'h'), at('subdomain', 's')],
  [at('hostname', 'h.x')],
  [at('subdomain', 'A')],
  [at('setHostnameAsFQDN', true)],
  [at('os', { name: 'windows' }), at('securityContext', { runAsUser: 1 })],
  [at('os', { name: 'windows' }), at('hostPID', true), at('shareProcessNamespace', true)],
  [at('os', { name: 'windows' }), at(`${main}.securityContext`, { privileged: true, readOnlyRootFilesystem: true })],
  [at('os', { name: 'windows' }), at('securityContext', { fsGroup: 1, supplementalGroups: [1], sysctls: [] })],
  [at('os', { name: 'linux' }), at('securityContext', { windowsOptions: { hostProcess: false } })],
  [at('os', { name: 'linux' }), at(`${main}.securityContext`, { windowsOptions: {} })],
  [at('os', { name: 'plan9' })],
  [at('os', {})],
  ...each('dnsConfig', [
    { nameservers: ['1.2.3.4'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }] },
    { nameservers: ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4'] },
    { nameservers: ['x'], searches: ['A_b', '.'], options: [{ value: 'x' }] },
    { searches: ['a', 'a.', '_sip._tcp.a'] },
  ]),
  [at('dnsPolicy', 'None')],
  [at('dnsPolicy', 'None'), at('dnsConfig', { nameservers: ['1.2.3.4'] })],
  [at('dnsPolicy', 'None'), at('dnsConfig', { searches: ['a'] })],
  ...each('hostAliases', [
    [{ ip: '1.2.3.4', hostnames: ['a', 'b.c'] }],
    [{ ip: 'x', hostnames: ['A'] }],
    [{ ip: '1.2.3.4' }, { ip: '1.2.3.4', hostnames: ['a'] }],
    [{ ip: '::1', hostnames: [''] }],
  ]),
  ...each('readinessGates', [
    [{ conditionType: 'example.com/x' }],
    [{ conditionType: 'Bad Type' }],
    [{ conditionType: 'a' }, { conditionType: 'a' }],
  ]),
  ...each('schedulingGates', [
    [{ name: 'example.com/g' }],
    [{ name: 'a' }, { name: 'a' }],
    [{ name: 'Bad Gate' }],
    [{ name: 'x' }, { name: 'y' }],
  ]),
  [at('schedulingGates', [{ name: 'g' }]), at('nodeName', 'n1')],
  ...each('tolerations', [
    [{ operator: 'Exists' }],
    [{ operator: 'Exists', value: 'x' }],
    [{ key: 'k', operator: 'Equal', value: 'bad value', effect: 'NoSchedule' }],
    [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }],
    [{ key: 'k', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 5 }],
    [{ key: '', operator: 'Equal' }],
    [{ key: 'k', operator: 'Gt', value: '5' }],
    [{ key: 'k', operator: 'Lt', value: 'x', effect: 'NoExecute' }],
    [{ key: 'bad key!', operator: 'Exists' }],
    [{ effect: 'X' }],
  ]),
  ...each('topologySpreadConstraints', [
    [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 'a' } },
      },
    ],
    [{ maxSkew: 0, topologyKey: '', whenUnsatisfiable: 'X' }],
    [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', minDomains: 3 }],
    [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', minDomains: 3 }],
    [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', minDomains: 0 }],
    [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        nodeAffinityPolicy: 'Ignore',
        nodeTaintsPolicy: 'Honor',
      },
    ],
    [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        nodeAffinityPolicy: 'X',
        nodeTaintsPolicy: '',
      },
    ],
    [
      { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' },
      { maxSkew: 2, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' },
    ],
    [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', matchLabelKeys: ['pod-template-hash'] }],
    [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        matchLabelKeys: ['app', 'app', 'bad key!'],
        labelSelector: { matchLabels: { app: 'a' } },
      },
    ],
    [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] },
      },
    ],
  ]),
  ...each('affinity', [
    { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
    { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } } },
    {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            {
              matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }],
              matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }],
            },
          ],
        },
      },
    },
    {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            {
              matchExpressions: [{ key: 'a', operator: 'Lt', values: ['1', '2'] }],
              matchFields: [{ key: 'metadata.uid', operator: 'Exists', values: ['n', 'm'] }],
            },
          ],
        },
      },
    },
    {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 0, preference: {} },
          { weight: 101, preference: { matchExpressions: [{ key: 'x', operator: 'X' }] } },
        ],
      },
    },
    {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'zone', labelSelector: { matchLabels: { a: 'b' } } },
        ],
      },
    },
    {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: '', namespaces: ['Bad_'], namespaceSelector: {} },
        ],
      },
    },
    {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 5, podAffinityTerm: { topologyKey: 'zone', matchLabelKeys: ['app'] } },
        ],
      },
    },
    {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 200,
            podAffinityTerm: {
              topologyKey: 'a b',
              matchLabelKeys: ['app'],
              mismatchLabelKeys: ['app', 'x y'],
              labelSelector: { matchLabels: { a: 'b' } },
            },
          },
        ],
      },
    },
    {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            topologyKey: 'zone',
            matchLabelKeys: ['app'],
            labelSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['x'] }] },
          },
        ],
      },
    },
    {},
  ]),
  ...each('nodeSelector', [{ a: 'b' }, { 'kubernetes.io/hostname': 'h' }, { 'bad key!': 'x' }, { a: 'bad value' }]),
  ...each(`${main}.resources`, [
    { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } },
    { limits: { cpu: '1' }, requests: { cpu: '2' } },
    { limits: { 'hugepages-2Mi': '4Mi', cpu: '1' } },
    { limits: { 'hugepages-2Mi': '4Mi' } },
    { limits: { 'hugepages-2Mi': '3Mi', cpu: '1' } },
    { requests: { 'hugepages-2Mi': '4Mi', cpu: '1' } },
    { limits: { 'example.com/gpu': '1' }, requests: { 'example.com/gpu': '2' } },
    { limits: { 'example.com/gpu': '1.5' } },
    { requests: { 'example.com/gpu': '1' } },
    { limits: { gpu: '1', 'requests.cpu': '1' } },
    { requests: { 'ephemeral-storage': '1Gi', pods: '1' } },
    { limits: { cpu: '-1', memory: '0' } },
    { claims: [{ name: 'x' }] },
    { limits: { memory: '100m' } },
    { requests: { 'kubernetes.io/batch-cpu': '1' } },
    {},
  ]),
  [
    at('resourceClaims', [{ name: 'x', resourceClaimName: 'rc' }]),
    at(`${main}.resources`, { claims: [{ name: 'x' }] }),
  ],
  [
    at('resourceClaims', [{ name: 'x', resourceClaimTemplateName: 'rct' }]),
    at(`${main}.resources`, {
      claims: [
        { name: 'x', request: 'r' },
        { name: 'x', request: 'r' },
      ],
    }),
  ],
  [at('resourceClaims', [{ name: 'x', resourceClaimName: 'rc', resourceClaimTemplateName: 'rct' }])],
  [at('resourceClaims', [{ name: 'x' }, { name: 'x', resourceClaimName: 'Bad_' }])],
  [
    at('resourceClaims', [{ name: 'x', resourceClaimName: 'rc' }]),
    at(`${main}.resources`, { claims: [{ name: 'x' }, { name: 'x', request: 'r' }] }),
  ],
  ...each('resources', [
    { requests: { cpu: '1' }, limits: { cpu: '2' } },
    { requests: { cpu: '3' }, limits: { cpu: '2' } },
    { limits: { memory: '1Gi' } },
    { requests: { 'example.com/gpu': '1' } },
    { limits: { 'hugepages-2Mi': '4Mi', cpu: '1' } },
    { requests: { 'ephemeral-storage': '1Gi' } },
    { claims: [{ name: 'x' }] },
  ]),
  [at('resources', { requests: { cpu: '1' } }), at(`${main}.resources`, { requests: { cpu: '2' } })],
  [at('resources', { limits: { cpu: '1' } }), at(`${main}.resources`, { limits: { cpu: '2' } })],
  [at('resources', { limits: { cpu: '1' } }), at('os', { name: 'windows' })],
  ...each('overhead', [{ cpu: '1' }, { cpu: '-1' }, {}]),
  ...each(`${main}.resizePolicy`, [
    [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
    [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }],
    [{ resourceName: 'gpu', restartPolicy: 'X' }],
    [
      { resourceName: 'cpu', restartPolicy: 'NotRequired' },
      { resourceName: 'cpu', restartPolicy: 'RestartContainer' },
    ],
  ]),
  ...each(`${main}.restartPolicy`, ['Always', 'Never', 'X']),
  [
    at(`${main}.restartPolicy`, 'Never'),
    at(`${main}.restartPolicyRules`, [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }]),
  ],
  [
    at(`${main}.restartPolicy`, 'Never'),
    at(`${main}.restartPolicyRules`, [{ action: 'Restart', exitCodes: { operator: 'NotIn', values: [1, 1, 256] } }]),
  ],
  [at(`${main}.restartPolicyRules`, [{ action: 'X', exitCodes: { operator: 'X', values: [] } }])],
  [at(`${main}.restartPolicy`, 'OnFailure'), at(`${main}.restartPolicyRules`, [{ action: 'Restart' }])],
  init({}),
  init({ restartPolicy: 'Always' }),
  init({
    restartPolicy: 'Always',
    livenessProbe: { exec: { command: ['a'] } },
    lifecycle: { preStop: { exec: { command: ['x'] } } },
  }),
  init({ readinessProbe: { exec: { command: ['a'] } } }),
  init({ livenessProbe: { tcpSocket: { port: 1 } }, startupProbe: { tcpSocket: { port: 1 } } }),
  init({ lifecycle: { postStart: { exec: { command: ['a'] } } } }),
  init({ restartPolicy: 'Never' }),
  init({ restartPolicy: 'OnFailure' }),
  init({ name: 'c' }),
  init({ resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }] }),
  init({ ports: [{ containerPort: 80, hostPort: 80 }], resources: { limits: { cpu: '1' } } }),
  second({}),
  second({ name: 'c' }),
  second({ ports: [{ containerPort: 80, hostPort: 80 }] }),
  second({
    ports: [
      { containerPort: 80, name: 'http' },
      { containerPort: 81, name: 'http' },
    ],
  }),
  second({ image: '' }),
  second({ image: 'busybox ', imagePullPolicy: 'Sometimes' }),
  second({ terminationMessagePath: '', terminationMessagePolicy: 'X' }),
  second({ stdinOnce: true, tty: true }),
  second({ workingDir: '/w', args: ['$(A)'], env: [{ name: 'A', value: 'b' }] }),
  [
    at(`${main}.ports`, [
      { containerPort: 80, name: 'http' },
      { containerPort: 80, protocol: 'UDP' },
      { containerPort: 80 },
    ]),
  ],
  [
    at(`${main}.ports`, [
      { containerPort: 80, hostPort: 80 },
      { containerPort: 81, hostPort: 80 },
    ]),
  ],
  [
    at(`${main}.ports`, [
      { containerPort: 80, hostPort: 80, hostIP: '1.2.3.4' },
      { containerPort: 81, hostPort: 80, hostIP: 'x' },
    ]),
  ],
  [
    at(`${main}.ports`, [
      { name: 'a-name-too-long-for-a-port' },
      { containerPort: 80, name: 'UP' },
      { containerPort: 81, name: '123' },
    ]),
  ],
  ...each(`${main}.env`, [
    [
      { name: 'A', value: 'b' },
      { name: 'A', value: 'c' },
    ],
    [
      { name: 'a=b', value: 'x' },
      { name: '', value: 'y' },
    ],
    [{ name: '1a b', value: 'x' }],
    [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    [{ name: 'A', valueFrom: {} }],
    [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }],
    [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['Bad Key!']" } } }],
    [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.hostIPs', apiVersion: 'v1' } } }],
    [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name', apiVersion: 'v9' } } }],
    [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } }],
    [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1Mi' } } }],
    [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1m' } } }],
    [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'requests.hugepages-2Mi' } } }],
    [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.gpu' } } }],
    [{ name: 'A', valueFrom: { resourceFieldRef: {} } }],
    [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } }],
    [{ name: 'A', valueFrom: { configMapKeyRef: { name: '', key: 'bad/key' } } }],
    [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: '' } } }],
    [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' }, configMapKeyRef: { name: 'c', key: 'k' } } }],
    [{ name: 'A', valueFrom: { fileKeyRef: { volumeName: 'vol', path: 'x', key: 'K' } } }],
  ]),
  [
    at('volumes', [{ name: 'vol', emptyDir: {} }]),
    at(`${main}.env`, [
      { name: 'A', valueFrom: { fileKeyRef: { volumeName: 'vol', path: 'a/b', key: 'K', optional: true } } },
    ]),
  ],
  [
    at('volumes', [{ name: 'vol', configMap: { name: 'x' } }]),
    at(`${main}.env`, [{ name: 'A', valueFrom: { fileKeyRef: { volumeName: 'vol', path: '../b', key: '1K' } } }]),
  ],
  ...each(`${main}.envFrom`, [
    [{ prefix: 'P_', configMapRef: { name: 'c' } }],
    [{ prefix: '1=', secretRef: { name: '' } }],
    [{ configMapRef: { name: 'c' }, secretRef: { name: 's' } }],
    [{}],
  ]),
  ...each(`${main}.lifecycle`, [
    { preStop: { sleep: { seconds: 5 } } },
    { preStop: { sleep: { seconds: 500 } } },
    { preStop: { sleep: { seconds: 0 } } },
    { postStart: { httpGet: { port: 80 } } },
    { postStart: { tcpSocket: { port: 80 } } },
    { postStart: {}, preStop: { exec: {} } },
    { preStop: { exec: { command: ['a'] }, sleep: { seconds: 1 } } },
    { stopSignal: 'SIGTERM' },
    { stopSignal: 'SIGX' },
  ]),
  [at(`${main}.lifecycle`, { stopSignal: 'SIGUSR1' }), at('os', { name: 'linux' })],
  [at(`${main}.lifecycle`, { stopSignal: 'SIGUSR1' }), at('os', { name: 'windows' })],
  [at(`${main}.lifecycle`, { preStop: { sleep: { seconds: 5 } } }), at('terminationGracePeriodSeconds', 3)],
  ...each('terminationGracePeriodSeconds', [0, -1, 1]),
  withVolume({ emptyDir: {} }, { mountPath: '/a', subPath: 'x', subPathExpr: '$(A)' }),
  withVolume({ emptyDir: {} }, { mountPath: '/a', subPath: '../x' }),
  withVolume({ emptyDir: {} }, { mountPath: '/a:b', mountPropagation: 'Bidirectional' }),
  withVolume({ emptyDir: {} }, { mountPath: '/a', mountPropagation: 'X' }),
  withVolume({ emptyDir: {} }, { mountPath: '/a', recursiveReadOnly: 'Enabled' }),
  withVolume({ emptyDir: {} }, { mountPath: '/a', readOnly: true, recursiveReadOnly: 'Enabled' }),
  withVolume(
    { emptyDir: {} },
    { mountPath: '/a', readOnly: true, recursiveReadOnly: 'IfPossible', mountPropagation: 'HostToContainer' },
  ),
  withVolume({ emptyDir: {} }, { mountPath: '/a', readOnly: true, recursiveReadOnly: 'X' }),
  withVolume({ emptyDir: { sizeLimit: '-1', medium: 'HugePages-2Mi' } }),
  withVolume({ emptyDir: { medium: 'X' } }),
  withVolume({ emptyDir: {}, hostPath: { path: '/x' } }),
  withVolume({}),
  withVolume({ hostPath: { path: '', type: 'X' } }),
  withVolume({ hostPath: { path: '/a/../b' } }),
  withVolume({ hostPath: { path: '/a', type: '' } }),
  withVolume({ gitRepo: { repository: 'r', directory: '../x' } }),
  withVolume({ gitRepo: { repository: '', directory: '/x' } }),
  withVolume({ gcePersistentDisk: { pdName: 'p', partition: 256 } }),
  withVolume({ awsElasticBlockStore: { volumeID: '', partition: -1 } }),
  withVolume({ secret: { secretName: '' } }),
  withVolume({ secret: { secretName: 's', defaultMode: 512, items: [{ key: 'k', path: '../p' }] } }),
  withVolume({ secret: { secretName: 's', items: [{ key: '', path: '/p', mode: -1 }] } }),
  withVolume({ nfs: { server: '', path: 'x' } }),
  withVolume({ iscsi: { targetPortal: 'p', iqn: 'iqn.2015-02.example.com:test', lun: 0 } }),
  withVolume({ iscsi: { targetPortal: '', iqn: 'x', lun: 300, chapAuthSession: true } }),
  withVolume({
    iscsi: {
      targetPortal: 'p',
      iqn: 'eui.0123456789abcdef',
      lun: 1,
      initiatorName: 'bad',
      secretRef: { name: 's' },
      chapAuthDiscovery: true,
    },
  }),
  withVolume({ iscsi: { targetPortal: 'p', iqn: 'naa.62004567BA64678D0123456789ABCDEF', lun: 1 } }),
  withVolume({ glusterfs: { endpoints: '', path: '' } }),
  withVolume({ rbd: { monitors: [], image: '' } }),
  withVolume({ rbd: { monitors: ['a'], image: 'i' } }),
  withVolume({ cephfs: { monitors: [] } }),
  withVolume({ cephfs: { monitors: ['a'] } }),
  withVolume({ cinder: { volumeID: '', secretRef: { name: '' } } }),
  withVolume({ fc: { targetWWNs: ['a'], lun: 2 } }),
  withVolume({ fc: { targetWWNs: ['a'], wwids: ['b'] } }),
  withVolume({ fc: { targetWWNs: ['a'] } }),
  withVolume({ fc: {} }),
  withVolume({ azureFile: { secretName: '', shareName: '' } }),
  withVolume({ azureFile: { secretName: 's', shareName: 'h' } }),
  withVolume({ azureDisk: { diskName: 'd', diskURI: 'https://x.example.com' } }),
  withVolume({ azureDisk: { diskName: '', diskURI: 'x', kind: 'Managed', cachingMode: 'X' } }),
  withVolume({ azureDisk: { diskName: 'a', diskURI: '/subscriptions/x', kind: 'Shared' } }),
  withVolume({ vsphereVolume: { volumePath: '' } }),
  withVolume({ quobyte: { registry: '', volume: '' } }),
  withVolume({ quobyte: { registry: 'a:1', volume: 'v', tenant: 'x'.repeat(65) } }),
  withVolume({ portworxVolume: { volumeID: '' } }),
  withVolume({ scaleIO: { gateway: '', system: '', volumeName: '' } }),
  withVolume({ scaleIO: { gateway: 'g', system: 's', volumeName: 'v', secretRef: { name: 'x' } } }),
  withVolume({ storageos: { volumeName: 'Bad_', volumeNamespace: 'n' } }),
  withVolume({ storageos: {} }),
  withVolume({ photonPersistentDisk: { pdID: '' } }),
  withVolume({ flexVolume: { driver: '' } }),
  withVolume({ flexVolume: { driver: 'a/b', options: { 'kubernetes.io/x': 'y' } } }),
  withVolume({ flocker: { datasetName: 'a', datasetUUID: 'b' } }),
  withVolume({ flocker: { datasetName: 'a/b' } }),
  withVolume({ flocker: {} }),
  withVolume({ persistentVolumeClaim: { claimName: '' } }),
  withVolume({ csi: { driver: '', nodePublishSecretRef: { name: '' } } }),
  withVolume({ csi: { driver: 'd.example.com', fsType: 'ext4', readOnly: false } }),
  withVolume({ image: { reference: 'r', pullPolicy: 'Always' } }, { mountPath: '/i', subPath: 'x' }),
  withVolume({ image: { reference: '', pullPolicy: 'X' } }),
  withVolume({ image: { reference: ' r' } }),
  withVolume({
    ephemeral: {
      volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
    },
  }),
  withVolume({
    ephemeral: {
      volumeClaimTemplate: { metadata: { labels: { a: 'b' }, name: 'x' }, spec: { accessModes: [], resources: {} } },
    },
  }),
  withVolume({ ephemeral: {} }),
  withVolume({ projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 5 } }] } }),
  withVolume({ projected: { sources: [{ serviceAccountToken: { path: '../t', expirationSeconds: 4294967297 } }] } }),
  withVolume({
    projected: {
      sources: [
        { configMap: { name: 'a', items: [{ key: 'k', path: 'p' }] } },
        { secret: { name: 'b', items: [{ key: 'k', path: 'p' }] } },
      ],
    },
  }),
  withVolume({ projected: { sources: [{}], defaultMode: 1000 } }),
  withVolume({ projected: { sources: [{ configMap: { name: 'a' }, secret: { name: 'b' } }] } }),
  withVolume({ projected: { sources: [{ clusterTrustBundle: { name: 'a', path: 'p' } }] } }),
  withVolume({ projected: { sources: [{ clusterTrustBundle: { signerName: 'x/y', path: 'p', labelSelector: {} } }] } }),
  withVolume({ projected: { sources: [{ clusterTrustBundle: { name: 'a', signerName: 'x/y', path: '' } }] } }),
  withVolume({
    projected: {
      sources: [{ podCertificate: { signerName: 'example.com/s', keyType: 'ED25519', credentialBundlePath: 'b' } }],
    },
  }),
  withVolume({
    projected: {
      sources: [{ podCertificate: { signerName: 'bad', keyType: 'X', maxExpirationSeconds: 5, keyPath: 'k' } }],
    },
  }),
  withVolume({ downwardAPI: { items: [{ path: 'p', fieldRef: { fieldPath: 'status.podIP' } }] } }),
  withVolume({
    downwardAPI: { items: [{ path: '..', resourceFieldRef: { resource: 'limits.cpu' } }], defaultMode: -1 },
  }),
  withVolume({
    downwardAPI: {
      items: [
        {
          path: 'p',
          fieldRef: { fieldPath: 'metadata.name' },
          resourceFieldRef: { containerName: 'c', resource: 'limits.cpu' },
        },
      ],
    },
  }),
  [
    at('volumes', [
      { name: 'v', emptyDir: {} },
      { name: 'v', emptyDir: {} },
    ]),
  ],
  [
    at('volumes', [{ name: 'Bad_', emptyDir: {} }]),
    at(`${main}.volumeMounts`, [
      { name: 'none', mountPath: '/a' },
      { name: '', mountPath: '' },
    ]),
  ],
  [
    at('volumes', [{ name: 'v', emptyDir: {} }]),
    at(`${main}.volumeMounts`, [
      { name: 'v', mountPath: '/a' },
      { name: 'v', mountPath: '/a' },
    ]),
  ],
  [
    at('volumes', [{ name: 'p', persistentVolumeClaim: { claimName: 'c' } }]),
    at(`${main}.volumeDevices`, [{ name: 'p', devicePath: '/dev/x' }]),
  ],
  [at('volumes', [{ name: 'p', emptyDir: {} }]), at(`${main}.volumeDevices`, [{ name: 'p', devicePath: '/dev/../x' }])],
  [
    at('volumes', [{ name: 'p', persistentVolumeClaim: { claimName: 'c' } }]),
    at(`${main}.volumeDevices`, [{ name: 'p', devicePath: '/dev/x' }]),
    at(`${main}.volumeMounts`, [{ name: 'p', mountPath: '/dev/x' }]),
  ],
  [
    at('volumes', [{ name: 'h', hostPath: { path: '/x' } }]),
    at(`${main}.volumeMounts`, [{ name: 'h', mountPath: '/a', mountPropagation: 'Bidirectional' }]),
    at(`${main}.securityContext`, { privileged: true }),
  ],
  ...each('priorityClassName', ['system-node-critical', 'none', 'Bad_']),
  ...each('priority', [0, 5]),
  ...each('preemptionPolicy', ['Never', 'PreemptLowerPriority', 'X']),
  ...each('runtimeClassName', ['none', 'Bad_']),
  ...each('schedulerName', ['x', '']),
  ...each('activeDeadlineSeconds', [1, 0, 2147483648]),
  ...each('imagePullSecrets', [[{ name: 'a' }, { name: 'a' }], [{}], [{ name: 'Bad Name' }]]),
  ...each('restartPolicy', ['Always', 'OnFailure', 'Never', 'X']),
  ...each('enableServiceLinks', [false, true]),
  ...each('schedulingGroup', [{ podGroupName: 'a' }, { podGroupName: 'Bad_' }]),
  [at('ephemeralContainers', [{ name: 'e', image: 'x' }])],
  [at('serviceAccountName', 'default'), at('serviceAccount', 'other')],
  [at('serviceAccountName', 'Bad_')],
  ...each('nodeName', ['n1', 'Bad_']),
  [at('containers', [])],
  [at('containers')],
  [at('containers', [{ name: 'c', image: 'nginx:1.28' }])],
  [at('containers', [{ name: 'other', image: 'nginx' }])],
];

const port = (more: object): JsonValue => ({ port: 80, ...more }) as JsonValue;
const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
const metric = (type: string, more: object): JsonValue => ({ type, ...more }) as JsonValue;
const ingressPath = (more: object): JsonValue =>
  ({ pathType: 'Prefix', path: '/', backend: { service: { name: 's', port: { number: 80 } } }, ...more }) as JsonValue;
const gpu = { name: 'r', exactly: { deviceClassName: 'c' } };

/** Below the object. */
const byKind: Readonly<Record<string, readonly Fragment[]>> = {
  Pod: [
    ...each('metadata.annotations', [
      { 'container.apparmor.security.beta.kubernetes.io/c': 'runtime/default' },
      { 'container.apparmor.security.beta.kubernetes.io/none': 'localhost/x' },
      { 'container.apparmor.security.beta.kubernetes.io/c': 'bogus' },
      { 'seccomp.security.alpha.kubernetes.io/pod': 'runtime/default' },
      { 'kubernetes.io/config.mirror': 'x' },
      { 'controller.kubernetes.io/pod-deletion-cost': '05' },
      { 'controller.kubernetes.io/pod-deletion-cost': '5' },
      { 'scheduler.alpha.kubernetes.io/node-selector': 'x' },
    ]),
    ...each('metadata.labels', [{ app: 'b' }, { 'batch.kubernetes.io/job-completion-index': '1' }]),
  ],
  Service: [
    [at('spec.type', 'NodePort')],
    [at('spec.type', 'LoadBalancer')],
    [at('spec.type', 'ExternalName'), at('spec.externalName', 'a.example.com')],
    [at('spec.type', 'ExternalName'), at('spec.externalName', 'A_'), at('spec.ports')],
    [
      at('spec.type', 'ExternalName'),
      at('spec.externalName', 'a.example.com'),
      at('spec.clusterIP', 'None'),
      at('spec.selector'),
    ],
    [at('spec.type', 'ClusterIP'), at('spec.clusterIP', 'None')],
    [at('spec.type', 'ClusterIP'), at('spec.clusterIP', 'None'), at('spec.ports')],
    [
      at('spec.type', 'ClusterIP'),
      at('spec.clusterIP', 'None'),
      at('spec.selector'),
      at('spec.ipFamilyPolicy', 'RequireDualStack'),
    ],
    [at('spec.type', 'ClusterIP'), at('spec.ipFamilyPolicy', 'RequireDualStack')],
    [at('spec.type', 'ClusterIP'), at('spec.ipFamilyPolicy', 'PreferDualStack')],
    [at('spec.type', 'ClusterIP'), at('spec.ipFamilies', ['IPv6'])],
    [
      at('spec.type', 'ClusterIP'),
      at('spec.ipFamilies', ['IPv6', 'IPv4']),
      at('spec.ipFamilyPolicy', 'PreferDualStack'),
    ],
    [at('spec.type', 'ClusterIP'), at('spec.ipFamilies', ['IPv4', 'IPv6']), at('spec.ipFamilyPolicy', 'SingleStack')],
    [at('spec.clusterIP', 'fd00::1')],
    [at('spec.clusterIP', '10.0.0.300')],
    [at('spec.clusterIPs', ['10.0.77.1', '10.0.77.2'])],
    [at('spec.clusterIPs', ['None', '10.0.77.2'])],
    [at('spec.clusterIP', 'None'), at('spec.clusterIPs', ['10.0.77.2'])],
    [at('spec.clusterIP', ''), at('spec.clusterIPs')],
    [at('spec.clusterIP'), at('spec.clusterIPs', [''])],
    ...each('spec.ports', [
      [port({ name: 'a', nodePort: 30001 }), port({ name: 'b', port: 81, nodePort: 30001 })],
      [port({ name: 'a' }), port({ name: 'a', port: 81 })],
      [port({}), port({ port: 81 })],
      [port({ name: 'a' }), port({ name: 'b' })],
      [port({ name: 'a', protocol: 'UDP' }), port({ name: 'b' })],
      [port({ targetPort: 'http', appProtocol: 'kubernetes.io/h2c' })],
      [port({ targetPort: 'BAD PORT', appProtocol: 'bad protocol' })],
      [port({ name: 'Bad_', port: 0, protocol: 'X' })],
      [port({ nodePort: 1 })],
      [port({ nodePort: 30002 })],
      [],
    ]),
    [at('spec.type', 'LoadBalancer'), at('spec.allocateLoadBalancerNodePorts', false)],
    [at('spec.allocateLoadBalancerNodePorts', true)],
    [at('spec.type', 'LoadBalancer'), at('spec.loadBalancerClass', 'example.com/x')],
    [at('spec.type', 'LoadBalancer'), at('spec.loadBalancerClass', 'Bad Class')],
    [at('spec.loadBalancerClass', 'example.com/x')],
    [
      at('spec.type', 'LoadBalancer'),
      at('spec.loadBalancerIP', '1.2.3.4'),
      at('spec.loadBalancerSourceRanges', ['10.0.0.0/8', ' 1.2.3.0/24', 'x']),
    ],
    [at('spec.loadBalancerSourceRanges', ['10.0.0.0/8'])],
    [
      at('metadata.annotations', { 'service.beta.kubernetes.io/load-balancer-source-ranges': '10.0.0.0/8, x' }),
      at('spec.type', 'LoadBalancer'),
    ],
    [at('spec.type', 'LoadBalancer'), at('spec.externalTrafficPolicy', 'Local')],
    [at('spec.type', 'LoadBalancer'), at('spec.externalTrafficPolicy', 'Local'), at('spec.healthCheckNodePort', 30999)],
    [at('spec.type', 'NodePort'), at('spec.externalTrafficPolicy', 'Local'), at('spec.healthCheckNodePort', 30998)],
    [at('spec.externalTrafficPolicy', 'Local')],
    [at('spec.type', 'NodePort'), at('spec.externalTrafficPolicy', 'X')],
    [at('spec.internalTrafficPolicy', 'Local')],
    [at('spec.internalTrafficPolicy', 'X')],
    ...each('spec.trafficDistribution', ['PreferClose', 'PreferSameNode', 'PreferSameZone', 'X']),
    [at('spec.sessionAffinity', 'ClientIP')],
    [
      at('spec.sessionAffinity', 'ClientIP'),
      at('spec.sessionAffinityConfig', { clientIP: { timeoutSeconds: 100000 } }),
    ],
    [at('spec.sessionAffinity', 'None'), at('spec.sessionAffinityConfig', { clientIP: { timeoutSeconds: 10 } })],
    [at('spec.sessionAffinity', 'X')],
    [at('spec.externalIPs', ['1.2.3.4', '0.0.0.0', 'fe80::1', '::'])],
    [at('spec.publishNotReadyAddresses', true)],
    [at('spec.selector', { 'bad key!': 'x' })],
    [at('spec.selector', {})],
  ],
  Deployment: [
    [at('spec.strategy', { type: 'Recreate' })],
    [at('spec.strategy', { type: 'Recreate', rollingUpdate: { maxSurge: 1 } })],
    [at('spec.strategy', { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } })],
    [at('spec.strategy', { type: 'RollingUpdate', rollingUpdate: { maxSurge: '150%', maxUnavailable: '101%' } })],
    [at('spec.strategy', { rollingUpdate: { maxSurge: '0%', maxUnavailable: '0%' } })],
    [at('spec.progressDeadlineSeconds', 5), at('spec.minReadySeconds', 5)],
    [at('spec.progressDeadlineSeconds', 2147483647), at('spec.minReadySeconds', 10)],
    [at('spec.selector', { matchLabels: { app: 'b' } })],
    [at('spec.selector', {})],
    [at('spec.selector', { matchLabels: { app: 'b' } }), at('spec.template.metadata.labels', { app: 'b' })],
    [at('spec.revisionHistoryLimit', -1), at('spec.paused', true)],
  ],
  ReplicaSet: [
    [at('spec.selector', {})],
    [at('spec.selector', { matchLabels: { app: 'b' } })],
    [at('spec.replicas', -1), at('spec.minReadySeconds', -1)],
    [at('spec.template.spec.restartPolicy', 'Never')],
  ],
  DaemonSet: [
    [at('spec.updateStrategy', { type: 'OnDelete' })],
    [at('spec.updateStrategy', { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } })],
    [at('spec.updateStrategy', { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } })],
    [at('spec.updateStrategy', { type: 'RollingUpdate', rollingUpdate: { maxSurge: '50%', maxUnavailable: '0%' } })],
    [at('spec.updateStrategy', { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } })],
    [at('spec.updateStrategy', { type: 'X' })],
    [at('spec.selector', { matchLabels: { app: 'b' } })],
    [at('spec.minReadySeconds', -1), at('spec.revisionHistoryLimit', -1)],
  ],
  StatefulSet: [
    [at('spec.updateStrategy', { type: 'OnDelete' })],
    [at('spec.updateStrategy', { type: 'OnDelete', rollingUpdate: { partition: 1 } })],
    [at('spec.updateStrategy', { type: 'RollingUpdate', rollingUpdate: { partition: -1 } })],
    [at('spec.updateStrategy', { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '50%' } })],
    [at('spec.updateStrategy', { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } })],
    [at('spec.updateStrategy', { type: 'X' })],
    [at('spec.podManagementPolicy', 'Parallel')],
    [at('spec.podManagementPolicy', 'X')],
    [at('spec.persistentVolumeClaimRetentionPolicy', { whenDeleted: 'Delete', whenScaled: 'Retain' })],
    [at('spec.persistentVolumeClaimRetentionPolicy', { whenDeleted: 'X' })],
    [at('spec.ordinals', { start: 5 })],
    [at('spec.ordinals', { start: -1 })],
    [
      at('spec.volumeClaimTemplates', [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ]),
    ],
    [at('spec.volumeClaimTemplates', [{ metadata: { name: 'Bad_' }, spec: {} }])],
    [at('spec.serviceName', 'Bad_')],
    [at('spec.serviceName', 'other')],
    [at('spec.selector', { matchLabels: { app: 'b' } })],
    [at('spec.minReadySeconds', 4), at('spec.replicas', 5)],
    [at('spec.revisionHistoryLimit', 3)],
  ],
  Job: [
    [at('spec.completionMode', 'Indexed'), at('spec.completions', 3), at('spec.parallelism', 2)],
    [at('spec.completionMode', 'Indexed'), at('spec.completions')],
    [at('spec.completionMode', 'Indexed'), at('spec.completions', 100001), at('spec.parallelism', 100001)],
    [at('spec.completionMode', 'X')],
    [
      at('spec.completionMode', 'Indexed'),
      at('spec.completions', 3),
      at('spec.backoffLimitPerIndex', 1),
      at('spec.maxFailedIndexes', 2),
    ],
    [at('spec.completionMode', 'Indexed'), at('spec.completions', 3), at('spec.maxFailedIndexes', 5)],
    [
      at('spec.completionMode', 'Indexed'),
      at('spec.completions', 200000),
      at('spec.backoffLimitPerIndex', 1),
      at('spec.maxFailedIndexes', 100001),
    ],
    [at('spec.backoffLimitPerIndex', 1)],
    [
      at('spec.completionMode', 'Indexed'),
      at('spec.completions', 3),
      at('spec.successPolicy', { rules: [{ succeededIndexes: '0-1,2', succeededCount: 2 }] }),
    ],
    [
      at('spec.completionMode', 'Indexed'),
      at('spec.completions', 3),
      at('spec.successPolicy', { rules: [{ succeededIndexes: '2-1' }, { succeededCount: 5 }] }),
    ],
    [
      at('spec.completionMode', 'Indexed'),
      at('spec.completions', 3),
      at('spec.successPolicy', { rules: [{ succeededIndexes: '0,0,x' }, {}] }),
    ],
    [at('spec.completionMode', 'Indexed'), at('spec.completions', 3), at('spec.successPolicy', { rules: [] })],
    [at('spec.successPolicy', { rules: [{ succeededCount: 1 }] })],
    [
      at('spec.template.spec.restartPolicy', 'Never'),
      at('spec.podFailurePolicy', {
        rules: [{ action: 'FailJob', onExitCodes: { containerName: 'c', operator: 'In', values: [1, 2] } }],
      }),
    ],
    [
      at('spec.template.spec.restartPolicy', 'Never'),
      at('spec.podFailurePolicy', {
        rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      }),
    ],
    [
      at('spec.template.spec.restartPolicy', 'Never'),
      at('spec.podFailurePolicy', {
        rules: [{ action: 'FailIndex', onExitCodes: { operator: 'NotIn', values: [2, 1, 1, 0] } }],
      }),
    ],
    [
      at('spec.template.spec.restartPolicy', 'Never'),
      at('spec.podFailurePolicy', {
        rules: [
          {
            action: 'X',
            onExitCodes: { containerName: 'none', operator: 'In', values: [0] },
            onPodConditions: [{ type: 'bad type', status: 'X' }],
          },
        ],
      }),
    ],
    [
      at('spec.template.spec.restartPolicy', 'Never'),
      at('spec.podFailurePolicy', { rules: [{ action: 'Count' }, { action: 'Count', onPodConditions: [] }] }),
    ],
    [at('spec.template.spec.restartPolicy', 'OnFailure'), at('spec.podFailurePolicy', { rules: [] })],
    [at('spec.podReplacementPolicy', 'Failed')],
    [at('spec.podReplacementPolicy', 'TerminatingOrFailed'), at('spec.podFailurePolicy', { rules: [] })],
    [at('spec.podReplacementPolicy', 'X')],
    [at('spec.suspend', true)],
    [at('spec.suspend', true), at('spec.template.spec.nodeSelector', { a: 'b' })],
    [at('spec.suspend', false), at('spec.template.spec.nodeSelector', { a: 'c' })],
    [
      at('spec.suspend', true),
      at('spec.template.metadata.labels', { x: 'y' }),
      at('spec.template.spec.tolerations', [{ operator: 'Exists' }]),
    ],
    [at('spec.suspend', true), at('spec.template.spec.containers.0.resources', { requests: { cpu: '1' } })],
    [at('spec.template.spec.schedulingGates', [{ name: 'a' }])],
    [
      at('spec.manualSelector', true),
      at('spec.selector', { matchLabels: { x: 'y' } }),
      at('spec.template.metadata.labels', { x: 'y' }),
    ],
    [at('spec.manualSelector', true)],
    [at('spec.selector', { matchLabels: { x: 'y' } })],
    [at('spec.managedBy', 'example.com/x')],
    [at('spec.managedBy', 'bad')],
    [at('spec.managedBy', 'kubernetes.io/job-controller')],
    [at('spec.activeDeadlineSeconds', -1), at('spec.ttlSecondsAfterFinished', -1), at('spec.backoffLimit', -1)],
    [at('spec.ttlSecondsAfterFinished', 10), at('spec.backoffLimit', 2)],
    [at('spec.parallelism', 5), at('spec.completions', 7)],
    [at('spec.template.spec.restartPolicy', 'Always')],
  ],
  CronJob: [
    ...each('spec.timeZone', ['Etc/UTC', 'Local', '', 'America/New_York', 'Bad Zone', 'UTC']),
    ...each('spec.schedule', [
      'TZ=UTC * * * * *',
      'CRON_TZ=Etc/UTC * * * * *',
      '@every 1h',
      '@yearly',
      '*/0 * * * *',
      '0 0 * * MON-FRI',
      '0 0 1-40 * *',
      '? ? ? ? ?',
      '* * * * * *',
      '',
    ]),
    [at('spec.timeZone', 'Etc/UTC'), at('spec.schedule', 'TZ=UTC * * * * *')],
    [at('spec.concurrencyPolicy', 'X')],
    [
      at('spec.startingDeadlineSeconds', -1),
      at('spec.successfulJobsHistoryLimit', -1),
      at('spec.failedJobsHistoryLimit', -1),
    ],
    [at('spec.jobTemplate.spec.manualSelector', true)],
    [
      at('spec.jobTemplate.spec.manualSelector', true),
      at('spec.jobTemplate.spec.selector', { matchLabels: { a: 'b' } }),
    ],
    [at('spec.jobTemplate.spec.selector', { matchLabels: { a: 'b' } })],
    [at('spec.jobTemplate.spec.completionMode', 'Indexed')],
    [at('spec.jobTemplate.spec.podFailurePolicy', { rules: [{ action: 'Count' }] })],
    [at('spec.jobTemplate.metadata', { labels: { 'bad key!': 'x' }, annotations: { a: 'b' } })],
  ],
  HorizontalPodAutoscaler: [
    ...each('spec.metrics', [
      [metric('Resource', { resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } })],
      [metric('Resource', { resource: { name: 'cpu', target: { type: 'Value', value: '1' } } })],
      [metric('Resource', { resource: { name: '', target: { type: 'Utilization' } } })],
      [
        metric('Resource', {
          resource: { name: 'cpu', target: { type: 'AverageValue', averageValue: '0', averageUtilization: 0 } },
        }),
      ],
      [
        metric('ContainerResource', {
          containerResource: { name: 'cpu', container: 'c', target: { type: 'Utilization', averageUtilization: 5 } },
        }),
      ],
      [metric('ContainerResource', { containerResource: { name: 'x', container: '', target: { type: 'X' } } })],
      [metric('Pods', { pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '5' } } })],
      [
        metric('Pods', {
          pods: {
            metric: { name: 'a/b', selector: { matchExpressions: [{ key: 'a', operator: 'X' }] } },
            target: { type: 'Value', value: '5' },
          },
        }),
      ],
      [
        metric('Object', {
          object: { describedObject: target, metric: { name: 'm' }, target: { type: 'Value', value: '5' } },
        }),
      ],
      [
        metric('Object', {
          object: {
            describedObject: { kind: '', name: 'a/b' },
            metric: { name: '' },
            target: { type: 'AverageValue', averageValue: '-1' },
          },
        }),
      ],
      [
        metric('External', {
          external: {
            metric: { name: 'm', selector: { matchLabels: { a: 'b' } } },
            target: { type: 'AverageValue', averageValue: '5' },
          },
        }),
      ],
      [
        metric('External', {
          external: { metric: { name: 'm' }, target: { type: 'Value', value: '5', averageValue: '5' } },
        }),
      ],
      [
        metric('External', {
          external: { metric: { name: 'm' }, target: { type: 'Utilization', averageUtilization: 5 } },
        }),
      ],
      [metric('Pods', { resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } })],
      [
        metric('Resource', {
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
          pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '5' } },
        }),
      ],
      [metric('X', {})],
      [],
    ]),
    ...each('spec.behavior', [
      { scaleUp: { stabilizationWindowSeconds: 3601, policies: [{ type: 'Pods', value: 1, periodSeconds: 1801 }] } },
      { scaleUp: { stabilizationWindowSeconds: -1, selectPolicy: 'X', policies: [] } },
      { scaleDown: { selectPolicy: 'Disabled' } },
      { scaleDown: { policies: [{ type: 'X', value: 0, periodSeconds: 0 }] } },
      { scaleUp: { tolerance: '0.05' }, scaleDown: { tolerance: '-1' } },
      {
        scaleUp: {},
        scaleDown: { policies: [{ type: 'Percent', value: 10, periodSeconds: 60 }], stabilizationWindowSeconds: 0 },
      },
      {},
    ]),
    [at('spec.minReplicas', 0)],
    [at('spec.minReplicas', 5), at('spec.maxReplicas', 3)],
    [at('spec.maxReplicas', 0)],
    [at('spec.scaleTargetRef', { kind: 'a/b', name: 'x%y' })],
    [at('spec.targetCPUUtilizationPercentage', 0)],
    [at('spec.targetCPUUtilizationPercentage', 50)],
    [
      at('metadata.annotations', {
        'autoscaling.alpha.kubernetes.io/metrics':
          '[{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"5"}}]',
      }),
    ],
    [at('metadata.annotations', { 'autoscaling.alpha.kubernetes.io/metrics': 'not json' })],
    [
      at('metadata.annotations', {
        'autoscaling.alpha.kubernetes.io/behavior': '{"ScaleUp":{"StabilizationWindowSeconds":5}}',
      }),
    ],
    [
      at('metadata.annotations', {
        'autoscaling.alpha.kubernetes.io/conditions': '[]',
        'autoscaling.alpha.kubernetes.io/current-metrics': '[]',
      }),
    ],
  ],
  NetworkPolicy: [
    [at('spec.policyTypes', ['Egress']), at('spec.ingress', [{}])],
    [at('spec.policyTypes'), at('spec.egress', [{}])],
    [at('spec.policyTypes', ['Ingress', 'Egress', 'Ingress'])],
    [at('spec.ingress', [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }])],
    [at('spec.ingress', [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/8', '10.0.0.0/8', 'x'] } }] }])],
    [at('spec.ingress', [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }])],
    [at('spec.ingress', [{ from: [{}] }])],
    [at('spec.ingress', [{ ports: [{ port: 80, endPort: 90 }] }])],
    [at('spec.ingress', [{ ports: [{ port: 80, endPort: 70 }, { endPort: 5 }, { port: 'http', endPort: 5 }] }])],
    [
      at('spec.egress', [
        {
          ports: [{ port: 'BAD', protocol: 'X' }, { port: 0 }],
          to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'a b': 'c' } } }],
        },
      ]),
    ],
    [at('spec.podSelector', { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['x'] }] })],
    [at('spec.ingress', [{ from: [{ ipBlock: { cidr: '010.0.0.0/8' } }] }])],
  ],
  Ingress: [
    [at('spec.rules', [{ host: '*.example.com', http: { paths: [ingressPath({})] } }])],
    [at('spec.rules', [{ host: '1.2.3.4', http: { paths: [ingressPath({ path: 'x' })] } }])],
    [at('spec.rules', [{ host: '*.*.com', http: { paths: [ingressPath({ path: '/a//b' })] } }])],
    [
      at('spec.rules', [
        { http: { paths: [ingressPath({ path: '/a%2fb' }), ingressPath({ path: '/../x', pathType: 'Exact' })] } },
      ]),
    ],
    [at('spec.rules', [{ http: { paths: [ingressPath({ path: '(x', pathType: 'ImplementationSpecific' })] } }])],
    [at('spec.rules', [{ http: { paths: [] } }])],
    [
      at('spec.rules', [
        {
          http: {
            paths: [ingressPath({ backend: { resource: { apiGroup: 'x.example.com', kind: 'K', name: 'n' } } })],
          },
        },
      ]),
    ],
    [
      at('spec.rules', [
        {
          http: {
            paths: [
              ingressPath({
                backend: { resource: { kind: '', name: '' }, service: { name: 's', port: { number: 1 } } },
              }),
            ],
          },
        },
      ]),
    ],
    [
      at('spec.rules', [
        { http: { paths: [ingressPath({ backend: { service: { name: 'Bad_', port: { number: 80, name: 'x' } } } })] } },
      ]),
    ],
    [at('spec.rules', [{ http: { paths: [ingressPath({ backend: { service: { name: 's', port: {} } } })] } }])],
    [at('spec.rules', [{ http: { paths: [ingressPath({ backend: {} })] } }])],
    [at('spec.rules', [{ host: 'a.b' }])],
    [at('spec.rules'), at('spec.defaultBackend')],
    [at('spec.rules', []), at('spec.defaultBackend', { service: { name: 's', port: { name: 'http' } } })],
    [at('spec.tls', [{ hosts: ['a.b', '*.c.d', 'Bad_'], secretName: 'Bad_' }])],
    [at('spec.tls', [{}])],
    [at('spec.ingressClassName', 'Bad_')],
    [at('spec.ingressClassName', 'x'), at('metadata.annotations', { 'kubernetes.io/ingress.class': 'y' })],
    [at('metadata.annotations', { 'kubernetes.io/ingress.class': 'y' }), at('spec.ingressClassName')],
  ],
  PersistentVolume: [
    [at('spec.accessModes', ['ReadWriteOncePod', 'ReadWriteOnce'])],
    [at('spec.capacity', { storage: '0' })],
    [at('spec.capacity', { storage: '2Gi' })],
    [at('spec.capacity', { storage: '1Gi', cpu: '1' })],
    [at('spec.capacity')],
    [at('spec.persistentVolumeReclaimPolicy', 'Recycle')],
    [at('spec.persistentVolumeReclaimPolicy', 'Recycle'), at('spec.hostPath', { path: '/' })],
    [at('spec.persistentVolumeReclaimPolicy', 'X')],
    [at('spec.volumeMode', 'Block')],
    [at('spec.volumeMode', 'X')],
    [at('spec.storageClassName', 'Bad_')],
    [at('spec.claimRef', { namespace: 'd1', name: 'c' })],
    [at('spec.claimRef', { name: 'c' })],
    [at('spec.mountOptions', ['a', 'b'])],
    [at('spec.volumeAttributesClassName', '')],
    [at('spec.volumeAttributesClassName', 'x')],
    [
      at('spec.nodeAffinity', {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] }] },
      }),
    ],
    [
      at('spec.nodeAffinity', {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['c'] }] }] },
      }),
    ],
    [at('spec.nodeAffinity', {})],
    [at('spec.hostPath', { path: '/a/../b' })],
    [at('spec.local', { path: '/x' })],
    [
      at('spec.csi', {
        driver: 'd.example.com',
        volumeHandle: 'h',
        controllerPublishSecretRef: { name: 's', namespace: 'n' },
        nodeStageSecretRef: { name: 's' },
      }),
    ],
    [at('spec.csi', { driver: 'Bad_', volumeHandle: '', nodeExpandSecretRef: { namespace: 'n' } })],
    [
      at('metadata.annotations', {
        'volume.beta.kubernetes.io/storage-class': 'x',
        'volume.beta.kubernetes.io/mount-options': 'a',
      }),
    ],
  ],
  PersistentVolumeClaim: [
    [at('spec.dataSource', { kind: 'PersistentVolumeClaim', name: 'x' })],
    [at('spec.dataSource', { kind: 'VolumeSnapshot', name: 'x', apiGroup: 'snapshot.storage.k8s.io' })],
    [at('spec.dataSource', { kind: 'Pod', name: 'x' })],
    [at('spec.dataSource', { kind: '', name: '' })],
    [at('spec.dataSourceRef', { kind: 'X', name: 'x', apiGroup: 'x.example.com' })],
    [at('spec.dataSourceRef', { kind: 'PersistentVolumeClaim', name: 'x', namespace: 'other' })],
    [
      at('spec.dataSource', { kind: 'PersistentVolumeClaim', name: 'x' }),
      at('spec.dataSourceRef', { kind: 'PersistentVolumeClaim', name: 'y' }),
    ],
    [at('spec.resources', { requests: { storage: '2Gi' } })],
    [at('spec.resources', { requests: { storage: '500Mi' } })],
    [at('spec.resources', { requests: { storage: '0' }, limits: { storage: '1Gi' } })],
    [at('spec.resources', { requests: { cpu: '1' } })],
    [at('spec.resources', {})],
    [at('spec.accessModes', ['ReadWriteOncePod', 'ReadWriteOnce'])],
    [at('spec.accessModes', [])],
    [at('spec.volumeMode', 'Block')],
    [at('spec.storageClassName', '')],
    [at('spec.storageClassName', 'Bad_')],
    [at('spec.volumeAttributesClassName', 'x')],
    [at('spec.volumeAttributesClassName', '')],
    [at('spec.selector', { matchExpressions: [{ key: 'a', operator: 'In' }] })],
    [at('spec.volumeName', 'pv')],
    [at('metadata.annotations', { 'volume.beta.kubernetes.io/storage-class': 'x' })],
  ],
  StorageClass: [
    [at('provisioner', 'Bad Provisioner')],
    [at('parameters', { '': 'x' })],
    [at('parameters', { a: 'x'.repeat(300) })],
    [at('reclaimPolicy', 'X')],
    [
      at('volumeBindingMode', 'WaitForFirstConsumer'),
      at('allowedTopologies', [{ matchLabelExpressions: [{ key: 'a', values: ['b'] }] }]),
    ],
    [
      at('allowedTopologies', [
        {
          matchLabelExpressions: [
            { key: 'a', values: ['b', 'b'] },
            { key: 'a', values: [] },
          ],
        },
        {},
      ]),
    ],
    [at('allowVolumeExpansion', true), at('mountOptions', ['a'])],
    [at('volumeBindingMode', 'X')],
  ],
  CSIDriver: [
    [at('spec.attachRequired', false), at('spec.podInfoOnMount', true)],
    [at('spec.volumeLifecycleModes', ['Persistent', 'Ephemeral', 'X'])],
    [at('spec.fsGroupPolicy', 'X')],
    [at('spec.fsGroupPolicy', 'File')],
    [at('spec.tokenRequests', [{ audience: 'a', expirationSeconds: 5 }, { audience: 'a' }])],
    [at('spec.tokenRequests', [{ audience: '', expirationSeconds: 4294967297 }])],
    [at('spec.requiresRepublish', true), at('spec.seLinuxMount', true), at('spec.storageCapacity', true)],
    [at('spec.nodeAllocatableUpdatePeriodSeconds', 5)],
    [at('spec.nodeAllocatableUpdatePeriodSeconds', 15)],
    [at('spec.serviceAccountTokenInSecrets', true)],
    [at('spec.preventPodSchedulingIfMissing', true)],
  ],
  ResourceClaim: [
    [at('spec.devices.requests', [gpu, gpu])],
    [at('spec.devices.requests', [{ name: 'r' }])],
    [at('spec.devices.requests', [{ ...gpu, firstAvailable: [{ name: 's', deviceClassName: 'c' }] }])],
    [
      at('spec.devices.requests', [
        {
          name: 'r',
          firstAvailable: [
            { name: 's', deviceClassName: 'c' },
            { name: 's', deviceClassName: 'Bad_', allocationMode: 'All', count: 3 },
          ],
        },
      ]),
    ],
    [at('spec.devices.requests', [{ name: 'r', exactly: { deviceClassName: 'c', allocationMode: 'All', count: 5 } }])],
    [at('spec.devices.requests', [{ name: 'r', exactly: { deviceClassName: '', allocationMode: 'X' } }])],
    [at('spec.devices.requests', [{ name: 'r', exactly: { deviceClassName: 'c', count: -1 } }])],
    [at('spec.devices.requests', [{ name: 'Bad/Name', exactly: { deviceClassName: 'c', adminAccess: true } }])],
    [
      at('spec.devices.requests', [
        {
          name: 'r',
          exactly: {
            deviceClassName: 'c',
            selectors: [{ cel: { expression: 'device.x' } }, {}, { cel: { expression: '' } }],
          },
        },
      ]),
    ],
    [
      at('spec.devices.requests', [
        {
          name: 'r',
          exactly: { deviceClassName: 'c', selectors: [{ cel: { expression: 'device.attributes["a"].b == "x" &&' } }] },
        },
      ]),
    ],
    [
      at('spec.devices.requests', [
        {
          name: 'r',
          exactly: {
            deviceClassName: 'c',
            tolerations: [
              { key: 'k', operator: 'X', effect: 'Y' },
              { operator: 'Exists', value: 'v', tolerationSeconds: 3 },
            ],
          },
        },
      ]),
    ],
    [
      at('spec.devices.requests', [
        { name: 'r', exactly: { deviceClassName: 'c', capacity: { requests: { memory: '1Gi' } } } },
      ]),
    ],
    [at('spec.devices.constraints', [{ requests: ['none', 'r'], matchAttribute: 'bad' }])],
    [at('spec.devices.constraints', [{ requests: ['r'] }])],
    [at('spec.devices.constraints', [{ distinctAttribute: 'd.example.com/x', matchAttribute: 'd.example.com/x' }])],
    [at('spec.devices.config', [{ requests: ['x'], opaque: { driver: 'Bad_', parameters: 'x' } }])],
    [at('spec.devices.config', [{}])],
    [at('spec.devices.config', [{ opaque: { driver: 'd.example.com' } }])],
    [at('spec.devices', {})],
  ],
  DeviceClass: [
    [at('spec.selectors', [{ cel: { expression: 'device.driver' } }])],
    [
      at('spec.selectors', [
        { cel: { expression: 'device.capacity["d.example.com"].m.compareTo(quantity("1Gi")) > 0' } },
      ]),
    ],
    [
      at('spec.selectors', [
        { cel: { expression: 'has(device.attributes["d"].x) && device.allowMultipleAllocations' } },
      ]),
    ],
    [at('spec.selectors', [{}, { cel: { expression: 'true' } }])],
    [at('spec.config', [{ opaque: { driver: 'd.example.com', parameters: {} } }, {}])],
    [at('spec.extendedResourceName', 'gpu')],
    [at('spec.extendedResourceName', 'requests.example.com/x')],
    [at('spec.extendedResourceName', 'example.com/x')],
  ],
  ResourceSlice: [
    [at('spec.nodeName', 'n'), at('spec.allNodes')],
    [at('spec.nodeName', 'n'), at('spec.allNodes', true)],
    [at('spec.allNodes', false)],
    [
      at('spec.allNodes'),
      at('spec.nodeSelector', {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['x'] }] }],
      }),
    ],
    [at('spec.allNodes'), at('spec.nodeSelector', { nodeSelectorTerms: [{}, {}] })],
    [at('spec.pool', { name: 'Bad_/x', generation: -1, resourceSliceCount: 0 })],
    [at('spec.pool', { name: 'q', generation: 2, resourceSliceCount: 1 })],
    [at('spec.driver', 'Bad_')],
    [at('spec.devices', [{ name: 'a' }, { name: 'a' }])],
    [
      at('spec.devices', [
        {
          name: 'Bad_',
          attributes: { 'a b': {}, x: { int: 1, bool: true }, v: { version: '1.x' }, s: { string: 'x'.repeat(65) } },
        },
      ]),
    ],
    [
      at('spec.devices', [
        {
          name: 'd',
          capacity: { 'd.example.com/m': { value: '-1' }, x: { value: '1', requestPolicy: { default: '1' } } },
        },
      ]),
    ],
    [
      at('spec.devices', [
        {
          name: 'd',
          taints: [
            { key: 'k', effect: 'X' },
            { key: '', effect: 'NoExecute', value: 'bad value' },
          ],
        },
      ]),
    ],
    [at('spec.devices', [{ name: 'd', nodeName: 'n', allNodes: true }])],
    [
      at('spec.perDeviceNodeSelection', true),
      at('spec.allNodes'),
      at('spec.devices', [{ name: 'd', nodeName: 'n' }, { name: 'e' }]),
    ],
    [at('spec.sharedCounters', [{ name: 's', counters: { c: { value: '1' } } }]), at('spec.devices')],
    [at('spec.sharedCounters', [{ name: 's', counters: {} }])],
    [at('spec.devices', [{ name: 'd', consumesCounters: [{ counterSet: 's', counters: { c: { value: '1' } } }] }])],
    [
      at('spec.devices', [
        {
          name: 'd',
          bindingConditions: ['a'],
          bindingFailureConditions: ['b'],
          bindsToNode: true,
          allowMultipleAllocations: true,
        },
      ]),
    ],
  ],
  Node: [
    [
      at('spec.taints', [
        { key: 'k', effect: 'NoSchedule' },
        { key: 'k', effect: 'NoSchedule' },
      ]),
    ],
    [
      at('spec.taints', [
        { key: '', effect: '' },
        { key: 'k', value: 'bad value', effect: 'X' },
      ]),
    ],
    [at('spec.podCIDRs', ['10.0.0.0/24', 'fd00::/64'])],
    [at('spec.podCIDRs', ['10.0.0.0/24', '10.0.1.0/24'])],
    [at('spec.podCIDR', '10.9.0.0/24'), at('spec.podCIDRs', ['10.9.0.0/24'])],
    [at('spec.podCIDR', '10.9.0.1/24'), at('spec.podCIDRs')],
    [at('spec.podCIDR', ''), at('spec.podCIDRs', [])],
    [at('spec.providerID', 'other')],
    [at('spec.configSource', { configMap: { name: 'a', namespace: 'b', kubeletConfigKey: 'k' } })],
    [at('spec.unschedulable', false)],
    [at('spec.externalID', 'x')],
    [at('metadata.annotations', { 'scheduler.alpha.kubernetes.io/preferAvoidPods': '{}' })],
    [at('metadata.labels', { 'node-role.kubernetes.io/worker': '', 'bad key!': '' })],
  ],
  Secret: [
    [at('type', 'kubernetes.io/tls'), at('data', { 'tls.crt': 'YQ==', 'tls.key': 'YQ==' }), at('stringData')],
    [at('type', 'kubernetes.io/tls'), at('data', { 'tls.crt': 'YQ==' })],
    [at('type', 'kubernetes.io/dockercfg'), at('data', { '.dockercfg': 'e30=' })],
    [at('type', 'kubernetes.io/dockercfg'), at('data', { '.dockercfg': 'YQ==' })],
    [at('type', 'kubernetes.io/dockerconfigjson'), at('data', {})],
    [at('type', 'kubernetes.io/basic-auth'), at('data', {})],
    [at('type', 'kubernetes.io/ssh-auth'), at('data', { x: 'YQ==' })],
    [
      at('type', 'kubernetes.io/service-account-token'),
      at('metadata.annotations', { 'kubernetes.io/service-account.name': 'default' }),
    ],
    [at('type', 'kubernetes.io/service-account-token'), at('metadata.annotations')],
    [at('type', 'bootstrap.kubernetes.io/token')],
    [at('type', 'x'.repeat(300))],
    [at('type', '')],
    [at('immutable', true)],
    [at('immutable', true), at('data', { a: 'YQ==' })],
    [at('stringData', { 'bad/key': 'x', '..': 'y', a: 'b' })],
    [at('data', { a: 'YQ==' })],
  ],
  ConfigMap: [
    [at('data', { a: 'b' }), at('binaryData', { a: 'YQ==' })],
    [at('data', { 'bad/key': 'x', '..': 'y', '.': 'z' })],
    [at('immutable', true)],
    [at('immutable', false)],
    [at('immutable', true), at('data', { z: 'y' })],
    [at('data', { a: 'x'.repeat(1_100_000) })],
  ],
  EndpointSlice: [
    [at('addressType', 'FQDN'), at('endpoints', [{ addresses: ['a.example.com'] }])],
    [at('addressType', 'FQDN'), at('endpoints', [{ addresses: ['Bad_'] }])],
    [at('addressType', 'IPv6'), at('endpoints', [{ addresses: ['fd00::1', 'fe80::1', '::1'] }])],
    [at('endpoints', [{ addresses: [] }, { addresses: ['10.1.2.3', '10.1.2.3'] }])],
    [at('endpoints', [{ addresses: ['127.0.0.1', '169.254.1.1', '224.0.0.1', '0.0.0.0', '010.1.2.3'] }])],
    [
      at('endpoints', [
        {
          addresses: ['10.1.2.3'],
          hostname: 'Bad_',
          nodeName: 'Bad_',
          deprecatedTopology: { a: 'b', 'bad key!': 'x' },
        },
      ]),
    ],
    [at('endpoints', [{ addresses: ['10.1.2.3'], hints: { forZones: [{ name: 'a' }, { name: 'a' }, { name: '' }] } }])],
    [at('endpoints', [{ addresses: ['10.1.2.3'], hints: { forNodes: [{ name: 'a' }, { name: 'Bad_' }] } }])],
    [at('ports', [{ name: '', port: 80 }, { port: 81 }])],
    [at('ports', [{ name: 'Bad_', port: 0, protocol: 'X', appProtocol: 'bad protocol' }])],
    [at('ports', [{ name: 'a' }])],
    [at('metadata.labels', { 'endpointslice.kubernetes.io/managed-by': 'x', 'kubernetes.io/service-name': 's' })],
  ],
  PodDisruptionBudget: [
    [at('spec.minAvailable', 1), at('spec.maxUnavailable')],
    [at('spec.minAvailable', 1), at('spec.maxUnavailable', 1)],
    [at('spec.minAvailable', '50%'), at('spec.maxUnavailable')],
    [at('spec.minAvailable', '150%'), at('spec.maxUnavailable')],
    [at('spec.maxUnavailable', '0%')],
    [at('spec.maxUnavailable', -1)],
    [at('spec.selector', {})],
    [at('spec.selector', { matchLabels: { 'a b': 'c' } })],
    [at('spec.selector')],
    [at('spec.unhealthyPodEvictionPolicy', 'X')],
  ],
  ResourceQuota: [
    [at('spec.scopes', ['BestEffort', 'NotBestEffort'])],
    [at('spec.scopes', ['Terminating', 'NotTerminating'])],
    [at('spec.scopes', ['BestEffort']), at('spec.hard', { 'requests.cpu': '1' })],
    [at('spec.scopes', ['BestEffort']), at('spec.hard', { pods: '1' }), at('spec.scopeSelector')],
    [at('spec.scopes', ['X', 'PriorityClass', 'CrossNamespacePodAffinity', 'VolumeAttributesClass'])],
    [
      at('spec.hard', {
        'count/x.y': '1',
        'requests.example.com/gpu': '1',
        'limits.example.com/gpu': '1',
        'bad name': '1',
      }),
    ],
    [
      at('spec.hard', {
        pods: '1.5',
        services: '-1',
        'requests.storage': '1Gi',
        'x.storageclass.storage.k8s.io/requests.storage': '1Gi',
      }),
    ],
    [
      at('spec.scopeSelector', {
        matchExpressions: [
          { scopeName: 'PriorityClass', operator: 'Exists', values: ['x'] },
          { scopeName: 'BestEffort', operator: 'In', values: ['x'] },
          { scopeName: 'X', operator: 'Y' },
        ],
      }),
    ],
  ],
  LimitRange: [
    [at('spec.limits', [{ type: 'Pod', default: { cpu: '1' }, defaultRequest: { cpu: '1' } }])],
    [
      at('spec.limits', [
        {
          type: 'Container',
          max: { cpu: '1' },
          min: { cpu: '2' },
          default: { cpu: '3' },
          defaultRequest: { cpu: '500m' },
        },
      ]),
    ],
    [at('spec.limits', [{ type: 'Container', default: { cpu: '1' }, defaultRequest: { cpu: '2' } }])],
    [
      at('spec.limits', [
        {
          type: 'Container',
          maxLimitRequestRatio: { cpu: '500m', memory: '10' },
          min: { memory: '1' },
          max: { memory: '5' },
        },
      ]),
    ],
    [at('spec.limits', [{ type: 'PersistentVolumeClaim' }])],
    [at('spec.limits', [{ type: 'X', max: { gpu: '1' } }, { type: 'Container' }, { type: 'Container' }])],
    [at('spec.limits', [{ type: 'example.com/x', max: { 'example.com/gpu': '1' }, default: { cpu: '1' } }])],
  ],
  CertificateSigningRequest: [
    ...each('spec.usages', [['digital signature', 'client auth'], ['x', 'client auth', 'client auth'], []]),
    ...each('spec.signerName', [
      'kubernetes.io/kubelet-serving',
      'example.com/x/y',
      'a/b',
      'example.com',
      'kubernetes.io/legacy-unknown',
    ]),
    ...each('spec.expirationSeconds', [600, 599, 86400]),
    ...each('spec.request', ['YQ==', '']),
    [at('spec.username', 'x'), at('spec.groups', ['y'])],
  ],
  Lease: [
    [at('spec.leaseDurationSeconds', 0), at('spec.leaseTransitions', -1)],
    [at('spec.strategy', 'X'), at('spec.holderIdentity', '')],
    [at('spec.preferredHolder', 'x'), at('spec.strategy')],
    [at('spec.strategy', 'example.com/S')],
    [at('spec', {})],
  ],
  FlowSchema: [
    [at('spec.matchingPrecedence', 0)],
    [at('spec.matchingPrecedence', 10001)],
    [at('spec.matchingPrecedence', 1)],
    [at('spec.distinguisherMethod', { type: 'X' })],
    [at('spec.priorityLevelConfiguration', { name: 'exempt' })],
    [at('spec.priorityLevelConfiguration', { name: '' })],
    [at('spec.rules', [{ subjects: [] }])],
    [
      at('spec.rules', [
        {
          subjects: [
            { kind: 'User' },
            { kind: 'Group', group: { name: '' } },
            { kind: 'X' },
            { kind: 'ServiceAccount', serviceAccount: { name: '*', namespace: '' } },
          ],
          resourceRules: [
            {
              verbs: ['*', 'get'],
              apiGroups: ['*', ''],
              resources: ['*', 'x'],
              namespaces: ['*', 'x'],
              clusterScope: true,
            },
          ],
        },
      ]),
    ],
    [
      at('spec.rules', [
        {
          subjects: [{ kind: 'User', user: { name: '*' } }],
          nonResourceRules: [{ verbs: ['get', 'x'], nonResourceURLs: ['/a*', 'x', '*', ''] }],
          resourceRules: [{ verbs: [], apiGroups: [], resources: [] }],
        },
      ]),
    ],
    [
      at('spec.rules', [
        {
          subjects: [{ kind: 'User', user: { name: 'a' }, group: { name: 'b' } }],
          resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
        },
      ]),
    ],
  ],
  PriorityLevelConfiguration: [
    [at('spec', { type: 'Exempt', exempt: { nominalConcurrencyShares: 1, lendablePercent: 10 } })],
    [at('spec', { type: 'Exempt', limited: {} })],
    [at('spec', { type: 'Limited' })],
    [at('spec', { type: 'Limited', limited: { limitResponse: { type: 'Reject', queuing: { queues: 1 } } } })],
    [at('spec', { type: 'Limited', limited: { limitResponse: { type: 'Queue' } } })],
    [
      at('spec', {
        type: 'Limited',
        limited: { limitResponse: { type: 'Queue', queuing: { queues: 10, handSize: 11, queueLengthLimit: 0 } } },
      }),
    ],
    [
      at('spec', {
        type: 'Limited',
        limited: { limitResponse: { type: 'Queue', queuing: { queues: 10000001, handSize: 60, queueLengthLimit: 1 } } },
      }),
    ],
    [
      at('spec', {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: -1,
          lendablePercent: 101,
          borrowingLimitPercent: -1,
          limitResponse: { type: 'X' },
        },
      }),
    ],
    [at('spec', { type: 'X' })],
  ],
  ClusterRole: [
    [at('rules', [{ verbs: [], apiGroups: [''], resources: ['pods'] }])],
    [at('rules', [{ verbs: ['get'], apiGroups: [], resources: [] }])],
    [at('rules', [{ verbs: ['get'], nonResourceURLs: ['/x'], resources: ['pods'], apiGroups: [''] }])],
    [at('aggregationRule', { clusterRoleSelectors: [] })],
    [at('aggregationRule', { clusterRoleSelectors: [{ matchExpressions: [{ key: 'a', operator: 'X' }] }] })],
  ],
  Role: [
    [at('rules', [{ verbs: ['get'], nonResourceURLs: ['/x'] }])],
    [at('rules', [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }, {}])],
  ],
  RoleBinding: [
    [at('roleRef', { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'x' })],
    [at('roleRef', { apiGroup: '', kind: 'X', name: 'a/b' })],
    [
      at('subjects', [
        { kind: 'ServiceAccount', name: 'Bad_', apiGroup: 'x' },
        { kind: 'User', name: '', namespace: 'x' },
        { kind: 'X', name: 'x' },
      ]),
    ],
    [at('subjects', [])],
  ],
  ClusterRoleBinding: [
    [at('roleRef', { kind: 'Role', name: 'x' })],
    [
      at('subjects', [
        { kind: 'ServiceAccount', name: 'a' },
        { kind: 'Group', name: 'g', apiGroup: 'x' },
      ]),
    ],
  ],
  APIService: [
    [at('spec.service'), at('spec.insecureSkipTLSVerify')],
    [at('spec.insecureSkipTLSVerify', true), at('spec.caBundle', 'YQ==')],
    [at('spec.groupPriorityMinimum', 0), at('spec.versionPriority', 1001)],
    [at('spec.groupPriorityMinimum', 20001)],
    [at('spec.service', { name: '', namespace: '', port: 70000 })],
  ],
  ServiceCIDR: [
    each('spec.cidrs', [
      ['10.9.0.0/16'],
      ['10.9.0.1/16'],
      ['10.9.0.0/16', 'fd00::/64'],
      ['10.9.0.0/16', '10.8.0.0/16'],
      [],
      ['x'],
      ['10.9.0.0/16', 'fd00::/64', 'fd01::/64'],
    ]),
  ].flat(),
  IPAddress: [
    each('spec.parentRef', [
      { resource: 'services', name: 'x', namespace: 'd1' },
      { resource: '', name: '' },
      { resource: 'pods', name: 'Bad/X', group: 'Bad_' },
    ]),
    [[at('spec.parentRef')]],
  ].flat(),
  Namespace: [
    [at('spec.finalizers', ['kubernetes', 'x'])],
    [at('spec.finalizers', [])],
    [
      at('metadata.labels', {
        'pod-security.kubernetes.io/enforce': 'x',
        'pod-security.kubernetes.io/warn-version': 'v99',
      }),
    ],
  ],
  PriorityClass: [
    [at('value', 1000000001)],
    [at('value', -2147483648)],
    [at('globalDefault', true)],
    [at('preemptionPolicy', 'X')],
    [at('value', 5), at('description', 'x')],
  ],
  RuntimeClass: [
    [at('handler', 'Bad_')],
    [at('handler', 'other')],
    [at('overhead', { podFixed: { cpu: '-1', gpu: '1' } })],
    [
      at('scheduling', {
        nodeSelector: { 'a b': 'x' },
        tolerations: [
          { key: 'k', operator: 'Exists' },
          { key: 'k', operator: 'Exists' },
        ],
      }),
    ],
  ],
  ValidatingAdmissionPolicy: [
    [
      at('spec.validations', [
        { expression: 'object.spec.x >', message: 'a\nb' },
        { expression: '1', messageExpression: '1', reason: 'X' },
      ]),
    ],
    [
      at('spec.validations', [{ expression: 'variables.none' }, { expression: 'params.data.x == "y"' }]),
      at('spec.paramKind'),
    ],
    [at('spec.validations', []), at('spec.auditAnnotations', [])],
    [
      at('spec.variables', [
        { name: 'a', expression: '1' },
        { name: 'a', expression: 'variables.b' },
        { name: 'Bad Name', expression: '' },
      ]),
    ],
    [
      at('spec.auditAnnotations', [
        { key: 'bad key!', valueExpression: '1' },
        { key: 'k', valueExpression: '"x"' },
        { key: 'k', valueExpression: '' },
      ]),
    ],
    [
      at('spec.matchConditions', [
        { name: 'a', expression: 'object.x' },
        { name: '', expression: 'true' },
      ]),
    ],
    [at('spec.matchConstraints')],
    [
      at('spec.matchConstraints', {
        resourceRules: [
          {
            operations: ['*', 'CREATE'],
            apiGroups: ['*', ''],
            apiVersions: [],
            resources: ['*/*', 'pods'],
            scope: 'X',
          },
        ],
        matchPolicy: 'X',
      }),
    ],
    [
      at('spec.matchConstraints', {
        resourceRules: [
          {
            operations: ['CONNECT', 'X'],
            apiGroups: ['apps'],
            apiVersions: ['v1'],
            resources: ['deployments', 'deployments/'],
            resourceNames: ['a', 'a', 'B/'],
          },
        ],
      }),
    ],
    [at('spec.paramKind', { apiVersion: 'x', kind: 'Bad-Kind' })],
    [at('spec.failurePolicy', 'X')],
    [
      at('spec.validations', [
        { expression: "authorizer.group('').resource('pods').check('get').allowed()" },
        { expression: "namespaceObject.metadata.name == 'x' && request.operation == 'CREATE'" },
      ]),
    ],
    [
      at('spec.validations', [
        {
          expression: 'object.metadata.labels.all(k, object.metadata.labels[k] == "a")',
          messageExpression: '"x" + string(1)',
        },
      ]),
    ],
  ],
  ValidatingWebhookConfiguration: [
    [at('webhooks.0.timeoutSeconds', 31)],
    [at('webhooks.0.sideEffects', 'Unknown')],
    [at('webhooks.0.clientConfig', { service: { name: '', namespace: '', path: 'x//y', port: 70000 } })],
    [at('webhooks.0.clientConfig', { url: 'http://u@x.example.com/?a#b' })],
    [at('webhooks.0.admissionReviewVersions', ['v9', 'v9'])],
    [
      at('webhooks.0.rules', [
        { operations: ['*', 'UPDATE'], apiGroups: ['*', 'x'], apiVersions: ['*', 'v1'], resources: ['*', 'pods'] },
      ]),
    ],
    [
      at('webhooks.0.matchConditions', [
        { name: 'a', expression: 'oldObject == null' },
        { name: 'a', expression: 'x' },
      ]),
    ],
  ],
  CustomResourceDefinition: [
    [
      at('spec.versions.0.schema.openAPIV3Schema', {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            'x-kubernetes-validations': [{ rule: 'self.x > 1', message: 'm' }],
            properties: { x: { type: 'integer' } },
          },
        },
      }),
    ],
    [
      at('spec.versions.0.schema.openAPIV3Schema', {
        type: 'object',
        properties: {
          spec: {
            type: 'object',
            'x-kubernetes-validations': [
              { rule: 'self.y', message: 'a\nb', reason: 'X', fieldPath: '.z' },
              { rule: '' },
            ],
            properties: { x: { type: 'integer' } },
          },
        },
      }),
    ],
    [
      at('spec.versions.0.schema.openAPIV3Schema', {
        type: 'object',
        properties: {
          l: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
          m: { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' },
        },
      }),
    ],
    [
      at('spec.versions.0.schema.openAPIV3Schema', {
        type: 'object',
        properties: {
          a: { type: 'string', pattern: '(', enum: ['x', 'x'], minLength: 5, maxLength: 1, format: 'date-time' },
        },
      }),
    ],
    [
      at('spec.versions.0.schema.openAPIV3Schema', {
        type: 'object',
        properties: {
          a: { 'x-kubernetes-int-or-string': true, type: 'string' },
          b: { 'x-kubernetes-embedded-resource': true, type: 'object' },
          c: {},
        },
      }),
    ],
    [
      at('spec.versions.0.schema.openAPIV3Schema', {
        type: 'object',
        properties: {
          a: { type: 'integer', default: 'x' },
          b: { type: 'object', default: { q: 1 }, properties: {} },
          c: { anyOf: [{ type: 'string' }], oneOf: [{ required: ['x'] }] },
        },
      }),
    ],
    [at('spec.versions.0.schema.openAPIV3Schema', { type: 'array', items: { type: 'string' } })],
    [
      at('spec.versions.0.schema.openAPIV3Schema', {
        type: 'object',
        additionalProperties: false,
        properties: {
          a: { type: 'object', additionalProperties: { type: 'string' }, properties: { x: { type: 'string' } } },
        },
      }),
    ],
    [at('spec.versions.0.schema')],
    [
      at('spec.versions.0.additionalPrinterColumns', [
        { name: 'A', type: 'X', jsonPath: 'spec' },
        { name: '', type: 'string', jsonPath: '.spec.a[', format: 'X' },
      ]),
    ],
    [
      at('spec.versions.0.subresources', {
        scale: { specReplicasPath: 'spec.r', statusReplicasPath: '.spec.r', labelSelectorPath: '.x[0]' },
      }),
    ],
    [
      at('spec.versions.0.selectableFields', [
        { jsonPath: '.spec.none' },
        { jsonPath: '.metadata.name' },
        { jsonPath: '.spec.a' },
        { jsonPath: '.spec.a' },
      ]),
    ],
    [at('spec.scope', 'X')],
    [at('spec.conversion', { strategy: 'Webhook' })],
    [
      at('spec.conversion', {
        strategy: 'Webhook',
        webhook: { clientConfig: { url: 'https://x.example.com' }, conversionReviewVersions: ['v9'] },
      }),
    ],
    [at('spec.conversion', { strategy: 'None', webhook: { conversionReviewVersions: [] } })],
    [at('spec.preserveUnknownFields', true)],
    [at('spec.versions.0.deprecated', true), at('spec.versions.0.deprecationWarning', '')],
    [at('spec.versions.0.deprecationWarning', 'x')],
    [at('spec.versions.0.served', false)],
    [at('spec.versions.0.name', 'Bad.V')],
  ],
  VolumeAttachment: [
    [at('spec.source', {})],
    [at('spec.attacher', 'Bad_')],
    [at('spec.nodeName', '')],
    [
      at('spec.source', {
        inlineVolumeSpec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteOnce'],
          csi: { driver: 'd.example.com', volumeHandle: 'h' },
        },
      }),
    ],
  ],
  CSINode: [
    [
      at('spec.drivers', [
        { name: 'a', nodeID: 'n' },
        { name: 'a', nodeID: '' },
      ]),
    ],
    [
      at('spec.drivers', [
        { name: 'd.example.com', nodeID: 'x'.repeat(200), topologyKeys: ['a', 'a', 'b c'], allocatable: { count: -1 } },
      ]),
    ],
    [at('spec.drivers', [])],
  ],
  VolumeAttributesClass: [
    [at('driverName', 'Bad_')],
    [at('driverName', 'other.example.com')],
    [at('parameters', {})],
    [at('parameters', { '': 'x' })],
  ],
  ServiceAccount: [[at('secrets', [{ name: 'a' }, { name: 'a', namespace: 'x' }])], [at('imagePullSecrets', [{}])]],
  IngressClass: [
    [at('spec.controller', 'bad')],
    [at('spec.controller', 'other.example.com/c')],
    [at('spec.parameters', { kind: 'P', name: 'p', scope: 'Cluster', namespace: 'x' })],
    [at('spec.parameters', { kind: 'P', name: 'p', scope: 'Namespace' })],
    [at('spec.parameters', { kind: '', name: 'a/b', scope: 'X', apiGroup: 'Bad_' })],
  ],
  Endpoints: [
    [
      at('subsets', [
        {
          addresses: [{ ip: '127.0.0.1', hostname: 'Bad_', nodeName: 'Bad_' }],
          ports: [{ port: 0 }, { port: 80, name: 'Bad_', protocol: 'X', appProtocol: 'x y' }],
        },
      ]),
    ],
    [at('subsets', [{ ports: [{ port: 80 }] }])],
    [
      at('subsets', [
        {
          addresses: [{ ip: '10.1.1.1' }, { ip: '10.1.1.1' }, { ip: 'fe80::1' }],
          ports: [
            { port: 80, name: 'b' },
            { port: 79, name: 'a' },
          ],
        },
        {
          addresses: [{ ip: '10.1.1.0' }],
          ports: [
            { port: 79, name: 'a' },
            { port: 80, name: 'b' },
          ],
        },
      ]),
    ],
  ],
};
const alike: Readonly<Record<string, string>> = {
  MutatingWebhookConfiguration: 'ValidatingWebhookConfiguration',
  ReplicationController: 'ReplicaSet',
};
const podSpecPath: Readonly<Record<string, readonly string[]>> = {
  Pod: ['spec'],
  PodTemplate: ['template', 'spec'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
  ...Object.fromEntries(
    ['Deployment', 'ReplicaSet', 'DaemonSet', 'StatefulSet', 'Job', 'ReplicationController'].map((kind) => [
      kind,
      ['spec', 'template', 'spec'],
    ]),
  ),
};

/** What there is for a kind: parts of its own, and of the pods it makes. */
export function fragmentsOf(kind: string): { readonly own: readonly Fragment[]; readonly pod: readonly Fragment[] } {
  const path = podSpecPath[kind];
  return {
    own: byKind[kind] ?? byKind[alike[kind] ?? ''] ?? [],
    pod: path ? podSpec.map((fragment) => fragment.map((edit) => ({ ...edit, path: [...path, ...edit.path] }))) : [],
  };
}

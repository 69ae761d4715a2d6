/** Valid objects to start from: those of the golden cases, and richer ones of the kinds with the most rules. */
import type { JsonObject, JsonValue } from '../../src/api/json.ts';
import { builtinSchema } from '../../src/api/schema/builtin.ts';
import type { ResourceSchema } from '../../src/api/schema/model.ts';
import { loadCases } from '../golden/cases.ts';

export interface Base {
  readonly resource: ResourceSchema;
  /** With its own name; the generator gives it another. */
  readonly object: JsonObject;
}

const container = { name: 'c', image: 'nginx:1.27' };
const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [container] } };
const selector = { matchLabels: { app: 'a' } };
const pod = (spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels: { app: 'a' } },
  spec: { containers: [container], automountServiceAccountToken: false, ...spec },
});
const volume = (spec: object): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'v' },
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], ...spec },
});

const rich: readonly object[] = [
  pod({
    volumes: [
      { name: 'cm', configMap: { name: 'x', items: [{ key: 'k', path: 'p/q', mode: 420 }], optional: true } },
      { name: 'sec', secret: { secretName: 's', defaultMode: 256 } },
      {
        name: 'dw',
        downwardAPI: {
          items: [
            { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
            { path: 'cpu', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', divisor: '1m' } },
          ],
        },
      },
      {
        name: 'pr',
        projected: {
          sources: [
            { serviceAccountToken: { path: 't', expirationSeconds: 3600, audience: 'a' } },
            { configMap: { name: 'c' } },
            { secret: { name: 's', items: [{ key: 'k', path: 'z' }] } },
            { downwardAPI: { items: [{ path: 'n', fieldRef: { fieldPath: 'metadata.name' } }] } },
          ],
        },
      },
      { name: 'hp', hostPath: { path: '/var/x', type: 'DirectoryOrCreate' } },
      { name: 'ed', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } },
      { name: 'pvc', persistentVolumeClaim: { claimName: 'q', readOnly: true } },
      { name: 'nfs', nfs: { server: 's.example.com', path: '/exp' } },
      {
        name: 'csi',
        csi: { driver: 'd.example.com', volumeAttributes: { a: 'b' }, nodePublishSecretRef: { name: 's' } },
      },
      {
        name: 'eph',
        ephemeral: {
          volumeClaimTemplate: {
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        },
      },
      { name: 'img', image: { reference: 'r/i:1', pullPolicy: 'IfNotPresent' } },
      { name: 'git', gitRepo: { repository: 'https://x/y', directory: 'd' } },
      { name: 'isc', iscsi: { targetPortal: '1.2.3.4:3260', iqn: 'iqn.2026-01.com.example:x', lun: 0 } },
    ],
    containers: [
      {
        ...container,
        volumeMounts: [
          { name: 'cm', mountPath: '/cm', subPath: 'a/b', readOnly: true },
          { name: 'ed', mountPath: '/ed', mountPropagation: 'HostToContainer', subPathExpr: '$(A)' },
        ],
        env: [
          { name: 'A', value: 'v' },
          { name: 'B', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: true } } },
          { name: 'C', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'D', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
        ],
        envFrom: [{ prefix: 'P_', configMapRef: { name: 'x' } }, { secretRef: { name: 'y', optional: true } }],
        ports: [
          { name: 'http', containerPort: 80, hostPort: 8080, protocol: 'TCP', hostIP: '127.0.0.1' },
          { containerPort: 53, protocol: 'UDP' },
        ],
        lifecycle: {
          preStop: { exec: { command: ['sleep', '1'] } },
          postStart: { httpGet: { path: '/x', port: 'http' } },
        },
      },
    ],
  }),
  pod({
    hostAliases: [{ ip: '1.2.3.4', hostnames: ['a.b'] }],
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['1.1.1.1'], searches: ['x.y'], options: [{ name: 'ndots', value: '2' }] },
    tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 30 }, { operator: 'Exists' }],
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: selector,
        minDomains: 2,
        nodeAffinityPolicy: 'Honor',
        matchLabelKeys: ['x'],
      },
    ],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            {
              matchExpressions: [{ key: 'k', operator: 'In', values: ['a'] }],
              matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }],
            },
          ],
        },
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 5, preference: { matchExpressions: [{ key: 'k', operator: 'Gt', values: ['5'] }] } },
        ],
      },
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'zone', labelSelector: selector, namespaces: ['d1'], matchLabelKeys: ['y'] },
        ],
      },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: 'kubernetes.io/hostname',
              namespaceSelector: {},
              labelSelector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] },
            },
          },
        ],
      },
    },
    securityContext: {
      runAsUser: 1000,
      runAsNonRoot: true,
      fsGroup: 5,
      supplementalGroups: [1, 2],
      fsGroupChangePolicy: 'OnRootMismatch',
      sysctls: [{ name: 'net.ipv4.ip_forward', value: '1' }],
      seccompProfile: { type: 'RuntimeDefault' },
      seLinuxOptions: { level: 's0' },
      appArmorProfile: { type: 'RuntimeDefault' },
    },
    readinessGates: [{ conditionType: 'example.com/ready' }],
    schedulingGates: [{ name: 'example.com/gate' }],
    imagePullSecrets: [{ name: 's' }],
    hostname: 'h',
    subdomain: 'sub',
    terminationGracePeriodSeconds: 5,
    activeDeadlineSeconds: 100,
    shareProcessNamespace: true,
    nodeSelector: { a: 'b' },
    schedulerName: 'other',
    priorityClassName: 'system-node-critical',
    os: { name: 'linux' },
    containers: [
      {
        ...container,
        securityContext: {
          privileged: false,
          allowPrivilegeEscalation: false,
          capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
          readOnlyRootFilesystem: true,
          procMount: 'Default',
          seccompProfile: { type: 'Localhost', localhostProfile: 'p/x.json' },
          runAsGroup: 3,
        },
        resources: {
          requests: { cpu: '100m', memory: '1Gi', 'ephemeral-storage': '1Gi' },
          limits: { cpu: '1', memory: '1Gi', 'example.com/gpu': '1', 'hugepages-2Mi': '2Mi' },
        },
        resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
        livenessProbe: {
          httpGet: { path: '/h', port: 80, scheme: 'HTTPS', httpHeaders: [{ name: 'X-A', value: 'b' }] },
          periodSeconds: 5,
          terminationGracePeriodSeconds: 3,
        },
        readinessProbe: { tcpSocket: { port: 'p' }, failureThreshold: 2, successThreshold: 2 },
        startupProbe: { grpc: { port: 9000, service: 's' } },
        terminationMessagePolicy: 'FallbackToLogsOnError',
        imagePullPolicy: 'Never',
      },
      {
        name: 'd',
        image: 'busybox',
        restartPolicy: 'Always',
        tty: true,
        stdin: true,
        workingDir: '/w',
        args: ['a'],
        command: ['b'],
      },
    ],
    initContainers: [
      { name: 'i', image: 'busybox', restartPolicy: 'Always', startupProbe: { exec: { command: ['true'] } } },
    ],
    restartPolicy: 'Always',
  }),
  pod({
    hostNetwork: true,
    hostPID: true,
    hostUsers: true,
    containers: [{ ...container, ports: [{ containerPort: 80 }] }],
    resources: { requests: { cpu: '1' }, limits: { cpu: '2' } },
  }),
  pod({
    resourceClaims: [{ name: 'rc', resourceClaimName: 'x' }],
    containers: [
      {
        ...container,
        resources: { claims: [{ name: 'rc', request: 'r' }] },
        volumeDevices: [{ name: 'v', devicePath: '/dev/x' }],
      },
    ],
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }],
  }),
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec: {
      replicas: 2,
      selector,
      template,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } },
      minReadySeconds: 5,
      progressDeadlineSeconds: 100,
      revisionHistoryLimit: 3,
      paused: false,
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 's' },
    spec: {
      replicas: 2,
      serviceName: 'sv',
      selector,
      template,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } },
      ordinals: { start: 1 },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'd' },
    spec: {
      selector,
      template,
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%', maxSurge: 0 } },
      minReadySeconds: 1,
    },
  },
  {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j' },
    spec: {
      completions: 3,
      parallelism: 2,
      completionMode: 'Indexed',
      backoffLimitPerIndex: 1,
      maxFailedIndexes: 2,
      activeDeadlineSeconds: 60,
      ttlSecondsAfterFinished: 10,
      suspend: false,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [
          { action: 'FailJob', onExitCodes: { containerName: 'c', operator: 'In', values: [1, 2] } },
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        ],
      },
      successPolicy: { rules: [{ succeededIndexes: '0-1', succeededCount: 1 }] },
      template: { spec: { restartPolicy: 'Never', containers: [container] } },
    },
  },
  {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'cj' },
    spec: {
      schedule: '*/5 * * * *',
      timeZone: 'Etc/UTC',
      concurrencyPolicy: 'Forbid',
      startingDeadlineSeconds: 30,
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 2,
      jobTemplate: {
        metadata: { labels: { a: 'b' } },
        spec: { template: { spec: { restartPolicy: 'OnFailure', containers: [container] } } },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name: 'rc' },
    spec: { replicas: 1, minReadySeconds: 2, selector: { app: 'a' }, template },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: {
      selector: { a: 'b' },
      type: 'LoadBalancer',
      ports: [
        { name: 'a', port: 80, targetPort: 'http', appProtocol: 'kubernetes.io/h2c' },
        { name: 'b', port: 81, protocol: 'UDP' },
      ],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 100 } },
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Local',
      loadBalancerSourceRanges: ['10.0.0.0/8'],
      externalIPs: ['1.2.3.4'],
      allocateLoadBalancerNodePorts: false,
      loadBalancerClass: 'example.com/lb',
      publishNotReadyAddresses: true,
      trafficDistribution: 'PreferClose',
    },
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'i' },
    spec: {
      ingressClassName: 'x',
      defaultBackend: { service: { name: 's', port: { number: 80 } } },
      tls: [{ hosts: ['a.example.com'], secretName: 't' }],
      rules: [
        {
          host: 'a.example.com',
          http: {
            paths: [
              { path: '/x', pathType: 'Prefix', backend: { service: { name: 's', port: { name: 'http' } } } },
              {
                path: '/y',
                pathType: 'Exact',
                backend: { resource: { apiGroup: 'example.com', kind: 'B', name: 'b' } },
              },
            ],
          },
        },
        { host: '*.example.com' },
      ],
    },
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'n' },
    spec: {
      podSelector: selector,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { podSelector: {}, namespaceSelector: selector },
            { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
          ],
          ports: [{ protocol: 'TCP', port: 80, endPort: 90 }, { port: 'http' }],
        },
      ],
      egress: [{ to: [{ namespaceSelector: {} }], ports: [{ protocol: 'SCTP', port: 5 }] }],
    },
  },
  volume({
    csi: {
      driver: 'd.example.com',
      volumeHandle: 'h',
      fsType: 'ext4',
      volumeAttributes: { a: 'b' },
      nodePublishSecretRef: { name: 's', namespace: 'd1' },
    },
    persistentVolumeReclaimPolicy: 'Delete',
    storageClassName: 'sc',
    mountOptions: ['ro'],
    volumeMode: 'Filesystem',
    nodeAffinity: {
      required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'k', operator: 'In', values: ['a'] }] }] },
    },
    claimRef: { name: 'c', namespace: 'd1' },
  }),
  volume({ hostPath: { path: '/x', type: '' } }),
  volume({ nfs: { server: 's', path: '/x' } }),
  volume({
    local: { path: '/l' },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }] }],
      },
    },
  }),
  volume({
    iscsi: {
      targetPortal: '1.2.3.4',
      iqn: 'iqn.2026-01.com.example:x',
      lun: 1,
      chapAuthSession: false,
      secretRef: { name: 's', namespace: 'd1' },
    },
  }),
  volume({ fc: { targetWWNs: ['50060e801049cfd1'], lun: 0 } }),
  volume({ rbd: { monitors: ['1.2.3.4:6789'], image: 'i', pool: 'p' } }),
  volume({ cephfs: { monitors: ['1.2.3.4'], path: '/p' } }),
  volume({ awsElasticBlockStore: { volumeID: 'vol-1', fsType: 'ext4' } }),
  volume({ gcePersistentDisk: { pdName: 'd', partition: 1 } }),
  volume({ azureDisk: { diskName: 'd', diskURI: 'https://b/d.vhd', kind: 'Dedicated' } }),
  volume({ azureFile: { secretName: 's', shareName: 'sh', secretNamespace: 'd1' } }),
  volume({ vsphereVolume: { volumePath: '[ds] a' } }),
  volume({ portworxVolume: { volumeID: 'v' } }),
  volume({ flexVolume: { driver: 'e/d', options: { a: 'b' } } }),
  volume({ glusterfs: { endpoints: 'e', path: 'p' } }),
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' }, limits: { storage: '2Gi' } },
      storageClassName: 'sc',
      volumeMode: 'Block',
      volumeName: 'pv',
      selector,
      dataSourceRef: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 's' },
    },
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'sc' },
    provisioner: 'd.example.com',
    parameters: { a: 'b' },
    reclaimPolicy: 'Retain',
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
    mountOptions: ['ro'],
    allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: ['a', 'b'] }] }],
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'd.example.com' },
    spec: {
      attachRequired: false,
      podInfoOnMount: true,
      fsGroupPolicy: 'File',
      volumeLifecycleModes: ['Persistent', 'Ephemeral'],
      tokenRequests: [{ audience: 'a', expirationSeconds: 3600 }],
      requiresRepublish: true,
      storageCapacity: true,
      seLinuxMount: true,
      nodeAllocatableUpdatePeriodSeconds: 10,
    },
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSINode',
    metadata: { name: 'n' },
    spec: {
      drivers: [
        { name: 'd.example.com', nodeID: 'n', topologyKeys: ['a/b'], allocatable: { count: 3 } },
        { name: 'e.example.com', nodeID: 'm', topologyKeys: [] },
      ],
    },
  },
  {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' },
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        {
          type: 'Pods',
          pods: { metric: { name: 'm', selector }, target: { type: 'AverageValue', averageValue: '10' } },
        },
        {
          type: 'Object',
          object: {
            describedObject: { kind: 'Ingress', name: 'i', apiVersion: 'networking.k8s.io/v1' },
            metric: { name: 'r' },
            target: { type: 'Value', value: '5' },
          },
        },
        { type: 'External', external: { metric: { name: 'q' }, target: { type: 'Value', value: '5' } } },
        {
          type: 'ContainerResource',
          containerResource: { name: 'memory', container: 'c', target: { type: 'AverageValue', averageValue: '1Gi' } },
        },
      ],
      behavior: {
        scaleUp: {
          stabilizationWindowSeconds: 5,
          selectPolicy: 'Max',
          policies: [{ type: 'Percent', value: 50, periodSeconds: 15 }],
        },
        scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] },
      },
    },
  },
  {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'p' },
    spec: { maxUnavailable: '50%', selector, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'cr' },
    rules: [
      { apiGroups: ['', 'apps'], resources: ['pods'], verbs: ['get', 'list'], resourceNames: ['x'] },
      { nonResourceURLs: ['/healthz', '/x/*'], verbs: ['get'] },
    ],
    aggregationRule: { clusterRoleSelectors: [selector] },
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'rb' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
    subjects: [
      { kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' },
      { kind: 'ServiceAccount', name: 'default', namespace: 'd1' },
      { kind: 'Group', name: 'g' },
    ],
  },
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n', labels: { a: 'b' } },
    spec: {
      podCIDR: '10.244.0.0/24',
      podCIDRs: ['10.244.0.0/24'],
      providerID: 'x://y',
      unschedulable: true,
      taints: [
        { key: 'k', value: 'v', effect: 'NoSchedule' },
        { key: 'k', effect: 'NoExecute' },
      ],
    },
    status: {
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      allocatable: { cpu: '3', memory: '7Gi' },
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '192.0.2.1' }],
    },
  },
  {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q' },
    spec: {
      hard: { pods: '10', 'requests.cpu': '4', 'count/deployments.apps': '3' },
      scopes: ['NotTerminating'],
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'l' },
    spec: {
      limits: [
        {
          type: 'Container',
          max: { cpu: '2', memory: '2Gi' },
          min: { cpu: '100m' },
          default: { cpu: '500m' },
          defaultRequest: { cpu: '200m' },
          maxLimitRequestRatio: { cpu: '10' },
        },
        { type: 'Pod', max: { cpu: '4' } },
        { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '5Gi' } },
      ],
    },
  },
  {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name: 'pc' },
    value: 1000,
    description: 'd',
    preemptionPolicy: 'Never',
  },
  {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'rc' },
    handler: 'runc',
    overhead: { podFixed: { cpu: '100m', memory: '10Mi' } },
    scheduling: { nodeSelector: { a: 'b' }, tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoSchedule' }] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'e' },
    addressType: 'IPv4',
    endpoints: [
      {
        addresses: ['10.1.2.3'],
        conditions: { ready: true, serving: true, terminating: false },
        hostname: 'h',
        nodeName: 'n1',
        zone: 'z',
        hints: { forZones: [{ name: 'z' }], forNodes: [{ name: 'n1' }] },
        targetRef: { kind: 'Pod', name: 'p', namespace: 'd1' },
        deprecatedTopology: { a: 'b' },
      },
    ],
    ports: [{ name: 'http', port: 80, protocol: 'TCP', appProtocol: 'http' }],
  },
  {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'e' },
    subsets: [
      {
        addresses: [{ ip: '10.1.2.3', hostname: 'h', nodeName: 'n1', targetRef: { kind: 'Pod', name: 'p' } }],
        notReadyAddresses: [{ ip: '10.1.2.4' }],
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 81, protocol: 'UDP', appProtocol: 'x' },
        ],
      },
    ],
  },
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': 'e30=' },
    immutable: false,
  },
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    type: 'kubernetes.io/basic-auth',
    stringData: { username: 'u', password: 'p' },
    immutable: true,
  },
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's' },
    type: 'kubernetes.io/ssh-auth',
    stringData: { 'ssh-privatekey': 'k' },
  },
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'c' },
    data: { a: 'b', 'x.y': 'z' },
    binaryData: { b: 'YQ==' },
    immutable: true,
  },
  {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 's' },
    secrets: [{ name: 'x' }],
    imagePullSecrets: [{ name: 'y' }],
    automountServiceAccountToken: false,
  },
  {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l' },
    spec: {
      holderIdentity: 'h',
      leaseDurationSeconds: 10,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: 3,
      strategy: 'OldestEmulationVersion',
      preferredHolder: 'p',
    },
  },
  {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'e' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'example.com/c',
    reportingInstance: 'i',
    action: 'A',
    reason: 'R',
    type: 'Warning',
    note: 'n',
    regarding: { kind: 'Pod', name: 'p', namespace: 'd1' },
    related: { kind: 'Node', name: 'n' },
    series: { count: 2, lastObservedTime: '2026-01-01T00:00:00.000000Z' },
  },
  {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'd1' },
    reason: 'R',
    message: 'm',
    type: 'Normal',
    count: 3,
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    source: { component: 'c', host: 'h' },
  },
  {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata: { name: 'f' },
    spec: {
      priorityLevelConfiguration: { name: 'x' },
      matchingPrecedence: 100,
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [
            { kind: 'User', user: { name: 'u' } },
            { kind: 'ServiceAccount', serviceAccount: { name: 's', namespace: 'd1' } },
          ],
          resourceRules: [
            {
              verbs: ['get'],
              apiGroups: ['x.example.com'],
              resources: ['foos'],
              namespaces: ['d1'],
              clusterScope: false,
            },
          ],
          nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/zzz'] }],
        },
      ],
    },
  },
  {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'PriorityLevelConfiguration',
    metadata: { name: 'f' },
    spec: {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares: 5,
        lendablePercent: 10,
        borrowingLimitPercent: 20,
        limitResponse: { type: 'Queue', queuing: { queues: 8, handSize: 2, queueLengthLimit: 10 } },
      },
    },
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'm' },
    webhooks: [
      {
        name: 'a.example.com',
        sideEffects: 'NoneOnDryRun',
        admissionReviewVersions: ['v1', 'v1beta1'],
        clientConfig: { url: 'https://x.example.com/p' },
        failurePolicy: 'Ignore',
        matchPolicy: 'Exact',
        timeoutSeconds: 5,
        reinvocationPolicy: 'IfNeeded',
        namespaceSelector: selector,
        objectSelector: selector,
        matchConditions: [{ name: 'c', expression: 'true' }],
        rules: [
          {
            operations: ['CREATE', 'UPDATE'],
            apiGroups: ['x.example.com'],
            apiVersions: ['v1'],
            resources: ['foos', 'foos/status'],
            scope: 'Namespaced',
          },
        ],
      },
    ],
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: 'v' },
    spec: {
      failurePolicy: 'Ignore',
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      matchConstraints: {
        resourceRules: [
          { operations: ['CREATE'], apiGroups: ['x.example.com'], apiVersions: ['v1'], resources: ['foos'] },
        ],
        namespaceSelector: selector,
      },
      matchConditions: [{ name: 'm', expression: 'true' }],
      variables: [{ name: 'x', expression: '1' }],
      validations: [{ expression: 'object.spec.x > 1', message: 'no', reason: 'Invalid', messageExpression: "'a'" }],
      auditAnnotations: [{ key: 'k', valueExpression: "'x'" }],
    },
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'v' },
    spec: {
      policyName: 'p',
      paramRef: { name: 'c', namespace: 'd1', parameterNotFoundAction: 'Deny' },
      validationActions: ['Deny', 'Audit'],
      matchResources: {
        resourceRules: [
          { operations: ['CREATE'], apiGroups: ['x.example.com'], apiVersions: ['v1'], resources: ['foos'] },
        ],
      },
    },
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name: 'm' },
    spec: { policyName: 'p', paramRef: { selector, parameterNotFoundAction: 'Allow' } },
  },
  {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name: 'r' },
    spec: {
      devices: {
        requests: [
          {
            name: 'a',
            exactly: {
              deviceClassName: 'x',
              allocationMode: 'ExactCount',
              count: 2,
              selectors: [{ cel: { expression: "device.driver == 'a'" } }],
              tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoSchedule' }],
            },
          },
          { name: 'b', firstAvailable: [{ name: 's', deviceClassName: 'y' }] },
        ],
        constraints: [{ requests: ['a'], matchAttribute: 'd.example.com/x' }],
        config: [{ requests: ['a'], opaque: { driver: 'd.example.com', parameters: { a: 1 } } }],
      },
    },
  },
  {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'DeviceClass',
    metadata: { name: 'd' },
    spec: {
      selectors: [{ cel: { expression: "device.driver == 'x'" } }],
      config: [{ opaque: { driver: 'd.example.com', parameters: {} } }],
      extendedResourceName: 'example.com/gpu',
    },
  },
  {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: 'r' },
    spec: {
      driver: 'd.example.com',
      pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
      allNodes: true,
      devices: [
        {
          name: 'd0',
          attributes: { a: { int: 1 }, b: { bool: true }, c: { version: '1.2.3' }, 'x.example.com/d': { string: 's' } },
          capacity: { m: { value: '1Gi' } },
          taints: [{ key: 'k', effect: 'NoSchedule', value: 'v' }],
        },
      ],
    },
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttachment',
    metadata: { name: 'v' },
    spec: { attacher: 'd.example.com', nodeName: 'n1', source: { persistentVolumeName: 'pv' } },
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIStorageCapacity',
    metadata: { name: 'c' },
    storageClassName: 'sc',
    nodeTopology: selector,
    capacity: '1Gi',
    maximumVolumeSize: '1Gi',
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name: 'i' },
    spec: {
      controller: 'example.com/c',
      parameters: { apiGroup: 'x.example.com', kind: 'P', name: 'p', namespace: 'd1', scope: 'Namespace' },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'n', labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } },
    spec: { finalizers: ['example.com/f'] },
  },
  {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'foos.y.example.com' },
    spec: {
      group: 'y.example.com',
      scope: 'Namespaced',
      names: { plural: 'foos', kind: 'Foo', shortNames: ['fo'], categories: ['all'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: {
                  type: 'object',
                  properties: {
                    a: { type: 'string', maxLength: 5, default: 'x' },
                    l: {
                      type: 'array',
                      items: { type: 'object', required: ['k'], properties: { k: { type: 'string' } } },
                      'x-kubernetes-list-type': 'map',
                      'x-kubernetes-list-map-keys': ['k'],
                    },
                  },
                },
              },
            },
          },
          subresources: { status: {}, scale: { specReplicasPath: '.spec.r', statusReplicasPath: '.status.r' } },
          additionalPrinterColumns: [{ name: 'A', type: 'string', jsonPath: '.spec.a' }],
          selectableFields: [{ jsonPath: '.spec.a' }],
        },
      ],
    },
  },
];

const virtual = new Set(['bindings']);

/** In the order of the golden cases, then the rich ones. */
export function loadBases(): readonly Base[] {
  const bodies: JsonValue[] = [];
  for (const { send } of loadCases('defaults'))
    if (send.method === 'POST' && send.body !== undefined && !/\/(token|binding|eviction)\?/.test(send.path))
      bodies.push(send.body as JsonValue);
  bodies.push(...(rich as unknown as JsonValue[]));
  const bases: Base[] = [];
  for (const body of bodies) {
    const object = body as JsonObject;
    const [group, version] = splitVersion(String(object.apiVersion));
    const resource = builtinSchema.resources.find(
      (r) =>
        r.group === group &&
        r.version === version &&
        r.kind === object.kind &&
        r.servedByDefault &&
        !virtual.has(r.resource),
    );
    if (resource) bases.push({ resource, object: withoutToken(object) });
  }
  return bases;
}

/** Pods of the golden cases without their token volume: where it comes, an update's diff begins with it. */
function withoutToken(object: JsonObject): JsonObject {
  if (object.kind !== 'Pod') return object;
  return { ...object, spec: { automountServiceAccountToken: false, ...(object.spec as JsonObject) } };
}

function splitVersion(apiVersion: string): [string, string] {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import { builtinPrinter } from './index.ts';

const nowMs = Date.UTC(2026, 10, 23, 1, 0, 0);
const metadata = { name: 'x', creationTimestamp: '2026-11-23T00:55:00Z' };
function row(group: string, resource: string, object: object, version = 'v1'): unknown[] {
  const printer = builtinPrinter(builtinSchema.resource(group, version, resource)!)!;
  const { cells } = printer.row({ metadata, ...object } as JsonObject, { nowMs });
  assert.equal(cells.length, printer.columns.length, 'one cell for each column');
  return [...cells];
}
const pod = (more: { spec?: object; status?: object; metadata?: object }): unknown[] =>
  row('', 'pods', {
    metadata: { ...metadata, ...more.metadata },
    spec: { containers: [{ name: 'c' }], ...more.spec },
    status: { phase: 'Pending', ...more.status },
  });
const running = { name: 'c', ready: true, restartCount: 0, state: { running: {} } };

const cases: readonly { name: string; got: () => unknown; want: unknown }[] = [
  {
    name: 'a pending pod',
    got: () => pod({}),
    want: ['x', '0/1', 'Pending', '0', '5m', '<none>', '<none>', '<none>', '<none>'],
  },
  {
    name: 'a running pod with address and node',
    got: () =>
      pod({
        spec: { nodeName: 'n1' },
        status: { phase: 'Running', podIP: '10.0.0.1', containerStatuses: [running] },
      }).slice(0, 7),
    want: ['x', '1/1', 'Running', '0', '5m', '10.0.0.1', 'n1'],
  },
  {
    name: 'a waiting container names the reason',
    got: () =>
      pod({
        status: {
          phase: 'Running',
          containerStatuses: [
            {
              ...running,
              ready: false,
              restartCount: 3,
              state: { waiting: { reason: 'CrashLoopBackOff' } },
              lastState: { terminated: { exitCode: 1, finishedAt: '2026-11-23T00:59:00Z' } },
            },
          ],
        },
      }).slice(1, 4),
    want: ['0/1', 'CrashLoopBackOff', '3 (60s ago)'],
  },
  {
    name: 'a container that ended without a reason shows its exit code',
    got: () =>
      pod({
        status: {
          phase: 'Failed',
          containerStatuses: [{ ...running, ready: false, state: { terminated: { exitCode: 3 } } }],
        },
      })[2],
    want: 'ExitCode:3',
  },
  {
    name: 'init containers count up',
    got: () =>
      pod({
        spec: { initContainers: [{ name: 'i' }, { name: 'j' }] },
        status: {
          initContainerStatuses: [
            { name: 'i', restartCount: 0, state: { terminated: { exitCode: 0 } } },
            { name: 'j', restartCount: 0, state: { running: {} } },
          ],
        },
      })[2],
    want: 'Init:1/2',
  },
  {
    name: 'a ready sidecar counts as ready',
    got: () =>
      pod({
        spec: { initContainers: [{ name: 's', restartPolicy: 'Always' }] },
        status: {
          phase: 'Running',
          initContainerStatuses: [{ name: 's', ready: true, started: true, restartCount: 0, state: { running: {} } }],
          containerStatuses: [running],
        },
      })[1],
    want: '2/2',
  },
  {
    name: 'a deleted pod is terminating',
    got: () =>
      pod({
        metadata: { deletionTimestamp: '2026-11-23T00:59:00Z' },
        status: { phase: 'Running', containerStatuses: [running] },
      })[2],
    want: 'Terminating',
  },
  {
    name: 'a pod on a lost node is unknown',
    got: () =>
      pod({
        metadata: { deletionTimestamp: '2026-11-23T00:59:00Z' },
        status: { phase: 'Running', reason: 'NodeLost' },
      })[2],
    want: 'Unknown',
  },
  {
    name: 'a cordoned node with roles',
    got: () =>
      row('', 'nodes', {
        metadata: { ...metadata, labels: { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'db' } },
        spec: { unschedulable: true },
        status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.3' } },
      }).slice(1, 5),
    want: ['Ready,SchedulingDisabled', 'db,worker', '5m', 'v1.36.3'],
  },
  {
    name: 'a load balancer without an address is pending',
    got: () =>
      row('', 'services', {
        spec: {
          type: 'LoadBalancer',
          clusterIP: '10.96.0.7',
          clusterIPs: ['10.96.0.7'],
          ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }],
          selector: { b: '2', a: '1' },
        },
      }),
    want: ['x', 'LoadBalancer', '10.96.0.7', '<pending>', '80:30080/TCP', '5m', 'a=1,b=2'],
  },
  {
    name: 'more endpoints than fit',
    got: () =>
      row('', 'endpoints', {
        subsets: [{ addresses: [1, 2, 3, 4].map((n) => ({ ip: `10.0.0.${n}` })), ports: [{ port: 80 }] }],
      })[1],
    want: '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...',
  },
  {
    name: 'a deployment',
    got: () =>
      row('apps', 'deployments', {
        spec: {
          replicas: 3,
          selector: { matchLabels: { app: 'a' } },
          template: { spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
        status: { readyReplicas: 1, updatedReplicas: 2 },
      }),
    want: ['x', '1/3', 2, 0, '5m', 'c', 'i', 'app=a'],
  },
  {
    name: 'a finished job',
    got: () =>
      row('batch', 'jobs', {
        spec: { completions: 2 },
        status: {
          succeeded: 2,
          startTime: '2026-11-23T00:56:00Z',
          completionTime: '2026-11-23T00:57:30Z',
          conditions: [{ type: 'Complete', status: 'True' }],
        },
      }).slice(1, 4),
    want: ['Complete', '2/2', '90s'],
  },
  {
    name: 'a default storage class',
    got: () =>
      row('storage.k8s.io', 'storageclasses', {
        metadata: { ...metadata, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
        provisioner: 'p',
      })[0],
    want: 'x (default)',
  },
  {
    name: 'a series of events',
    got: () =>
      row('', 'events', {
        involvedObject: { kind: 'Pod', name: 'p' },
        reason: 'R',
        type: 'Normal',
        message: 'm',
        source: { component: 'kubelet', host: 'n1' },
        series: { count: 4, lastObservedTime: '2026-11-23T00:59:30.000000Z' },
        eventTime: '2026-11-23T00:50:00.000000Z',
      }),
    want: ['30s', 'Normal', 'R', 'pod/p', '', 'kubelet, n1', 'm', '10m', 4, 'x'],
  },
];
for (const c of cases) test(`printer: ${c.name}`, () => assert.deepEqual(c.got(), c.want));

test('printer: every printer fills every column of a bare object, or says why it cannot', () => {
  const bare: Readonly<Record<string, object>> = {
    events: { involvedObject: {} },
    rolebindings: { roleRef: { kind: 'Role', name: 'r' } },
    clusterrolebindings: { roleRef: { kind: 'ClusterRole', name: 'r' } },
    csinodes: { spec: { drivers: [] } },
    csidrivers: { spec: {} },
    volumeattachments: { spec: { attacher: 'a', nodeName: 'n', source: {} } },
    certificatesigningrequests: { spec: { request: '', signerName: 's' } },
    resourceslices: { spec: { driver: 'd', pool: { name: 'p' } } },
    horizontalpodautoscalers: { spec: { scaleTargetRef: { kind: 'K', name: 'n' }, maxReplicas: 1 } },
  };
  for (const resource of builtinSchema.resources) {
    if (!resource.servedByDefault || !builtinPrinter(resource)) continue;
    row(resource.group, resource.resource, bare[resource.resource] ?? {}, resource.version);
  }
});

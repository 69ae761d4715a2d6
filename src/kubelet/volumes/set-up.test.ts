import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { requires } from '../../../test/requirements.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume, VolumeMount } from '../../api/types/core-v1.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import type { Mounts } from '../../host/mounts.ts';
import type { ObjectSource } from '../object-source.ts';
import { containerMounts } from './container-mounts.ts';
import { createVolumes, podFolder, type Volumes } from './volumes.ts';

interface Bench {
  readonly root: string;
  readonly volumes: Volumes;
  /** What was mounted: `tmpfs <path> <size>`, `bind <source> <target> ro`. */
  readonly mounted: string[];
  readonly mounts: Mounts;
  setUp(volumes: readonly Volume[], more?: { spec?: Partial<Pod['spec']>; fresh?: boolean }): Promise<Pod>;
}

const claims: Record<string, PersistentVolumeClaim> = {
  bound: claim('bound', { volumeName: 'v' }, 'Bound'),
  pending: claim('pending', {}, 'Pending'),
  stolen: claim('stolen', { volumeName: 'v' }, 'Bound'),
  going: { ...claim('going', { volumeName: 'v' }, 'Bound'), metadata: { name: 'going', deletionTimestamp: 'now' } },
};
function claim(name: string, spec: PersistentVolumeClaim['spec'], phase: string): PersistentVolumeClaim {
  return { metadata: { name, uid: `uid-${name}` }, spec: spec!, status: { phase } };
}

async function withBench(
  volume: PersistentVolume['spec'] | undefined,
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'volumes-'));
  const mounted: string[] = [];
  const points = new Set<string>();
  const mounts: Mounts = {
    list: () => [...points].map((mountPoint) => ({ mountPoint, type: '', source: '', options: [] })),
    isMounted: (path) => points.has(path),
    tmpfs: async (path, { sizeBytes }) => {
      points.add(path);
      mounted.push(`tmpfs ${path.slice(root.length)} ${sizeBytes ?? ''}`.trim());
    },
    bind: async (source, target, { readOnly } = {}) => {
      points.add(target);
      mounted.push(`bind ${source.replace(root, '')} ${target.slice(root.length)}${readOnly ? ' ro' : ''}`);
    },
    mount: async (source, target, { type, options }) => {
      points.add(target);
      mounted.push(`${type} ${source} ${target.slice(root.length)} ${options?.join() ?? ''}`.trim());
    },
    unmount: async (path) => void points.delete(path),
    unmountBelow: async () => 0,
    unmountUnder: async (prefix) => {
      const under = [...points].filter((path) => path.startsWith(prefix));
      for (const path of under) points.delete(path);
      return under.length;
    },
  };
  const objects: ObjectSource = {
    configMap: async (_, name) => (name === 'cm' ? { metadata: { name }, data: { key: 'value' } } : undefined),
    secret: async () => undefined,
    runtimeClass: async () => undefined,
    claim: async (_, name) => claims[name],
    volume: async (name) =>
      name === 'v' && volume
        ? { metadata: { name }, spec: { claimRef: { name: 'bound', namespace: 'a', uid: 'uid-bound' }, ...volume } }
        : undefined,
    services: () => [],
  };
  const volumes = createVolumes({ root, mounts, clock: createVirtualClock() });
  try {
    await body({
      root,
      volumes,
      mounted,
      mounts,
      async setUp(wanted, { spec = {}, fresh = true } = {}) {
        const pod: Pod = {
          metadata: { name: 'p', namespace: 'a', uid: 'u' },
          spec: { containers: [{ name: 'c' }], volumes: wanted, ...spec },
        };
        await volumes.setUp(pod, {
          objects,
          tokens: { token: async () => 'T', forget: () => undefined },
          allocatable: { memory: '1Gi' },
          fresh,
          nodeName: 'n',
          nodeIPs: [],
          podIPs: [],
        });
        return pod;
      },
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const ofClaim = (claimName: string, readOnly = false): Volume => ({
  name: 'data',
  persistentVolumeClaim: { claimName, readOnly },
});

for (const [claimName, volume, want] of [
  ['none', undefined, 'failed to fetch PVC from API server: persistentvolumeclaims "none" not found'],
  ['pending', undefined, 'PVC is not bound'],
  ['going', undefined, 'PVC is being deleted'],
  ['bound', undefined, 'failed to get PV "v" from API server: persistentvolumes "v" not found'],
  [
    'stolen',
    { hostPath: { path: '/x' } },
    'found PV object "v" with a pvc.ClaimRef.UID "uid-bound" that does not point to claim "uid-stolen"',
  ],
] as const)
  test(`volumes: claim ${claimName} is refused: ${want}`, () =>
    withBench(volume, async (bench) => {
      await assert.rejects(bench.setUp([ofClaim(claimName)]), {
        reason: 'FailedMount',
        message: `Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: error processing PVC a/${claimName}: ${want}`,
      });
    }));

for (const [name, spec, want] of [
  [
    'a local folder that is missing',
    { local: { path: '/no/such' } },
    'MountVolume.NewMounter initialization failed for volume "v" : path "/no/such" does not exist',
  ],
  [
    'a hostPath of another type',
    { hostPath: { path: '/dev/null', type: 'Directory' } },
    'MountVolume.SetUp failed for volume "v" : hostPath type check failed: /dev/null is not a directory',
  ],
  [
    'a CSI volume without its driver',
    { csi: { driver: 'd', volumeHandle: 'h' } },
    'MountVolume.SetUp failed for volume "v" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name d not found in the list of registered CSI drivers',
  ],
  [
    'a kind of the past',
    { capacity: {}, cephfs: { monitors: [] } },
    'Unable to attach or mount volumes: volume "v" is of a kind this kubelet does not support: cephfs',
  ],
] as const)
  test(`volumes: ${name} is told`, () =>
    withBench(spec as unknown as PersistentVolume['spec'], async (bench) => {
      await assert.rejects(bench.setUp([ofClaim('bound')]), { reason: 'FailedMount', message: want });
    }));

test('volumes: a local volume is bound into the pod, once, and read-only when the pod says so', () =>
  withBench({ local: { path: tmpdir() } }, async (bench) => {
    const pod = await bench.setUp([ofClaim('bound', true)]);
    await bench.setUp([ofClaim('bound', true)]);
    const path = '/pods/u/volumes/kubernetes.io~local-volume/v';
    assert.deepEqual(bench.mounted, [`bind ${tmpdir()} ${path} ro`]);
    assert.deepEqual(await bench.volumes.path(pod, 'data'), { path: bench.root + path, readOnly: true });
  }));

test('volumes: NFS is mounted with the options of the volume', () =>
  withBench({ nfs: { server: 's', path: '/e' }, mountOptions: ['hard', 'nfsvers=4.1'] }, async (bench) => {
    await bench.setUp([ofClaim('bound')]);
    assert.deepEqual(bench.mounted, ['nfs s:/e /pods/u/volumes/kubernetes.io~nfs/v hard,nfsvers=4.1']);
  }));

for (const [name, limit, podLimit, want] of [
  ["the node's memory", undefined, undefined, 2 ** 30],
  ["the pod's limit", undefined, '64Mi', 64 * 2 ** 20],
  ['its own limit', '1Mi', '64Mi', 2 ** 20],
  ["no more than the pod's limit", '1Gi', '64Mi', 64 * 2 ** 20],
] as const)
  test(`volumes: a memory volume is as large as ${name}`, () =>
    withBench(undefined, async (bench) => {
      const container = { name: 'c', ...(podLimit ? { resources: { limits: { memory: podLimit } } } : {}) };
      await bench.setUp([{ name: 'm', emptyDir: { medium: 'Memory', ...(limit ? { sizeLimit: limit } : {}) } }], {
        spec: { containers: [container] },
      });
      assert.deepEqual(bench.mounted, [`tmpfs /pods/u/volumes/kubernetes.io~empty-dir/m ${want}`]);
    }));

test("volumes: an emptyDir is everybody's, and keeps what its owner made of it", () =>
  withBench(undefined, async (bench) => {
    const volumes: Volume[] = [{ name: 'e', emptyDir: {} }];
    const pod = await bench.setUp(volumes);
    const { path } = await bench.volumes.path(pod, 'e');
    assert.equal(statSync(path).mode & 0o7777, 0o777);
    chmodSync(path, 0o700);
    await bench.setUp(volumes);
    assert.equal(statSync(path).mode & 0o7777, 0o700);
  }));

test('volumes: fsGroup owns an emptyDir and the files of a ConfigMap', async (t) => {
  if (!requires(t, { root: true, linux: true })) return;
  await withBench(undefined, async (bench) => {
    const volumes: Volume[] = [
      { name: 'e', emptyDir: {} },
      { name: 'c', configMap: { name: 'cm', defaultMode: 0o400 } },
    ];
    const pod = await bench.setUp(volumes, { spec: { securityContext: { fsGroup: 4242 } } });
    const shown = (path: string) => `${statSync(path).gid} ${(statSync(path).mode & 0o7777).toString(8)}`;
    assert.equal(shown((await bench.volumes.path(pod, 'e')).path), '4242 2777');
    assert.equal(shown(join((await bench.volumes.path(pod, 'c')).path, 'key')), '4242 440');
  });
});

test('volumes: nothing is removed while something is mounted below', () =>
  withBench(undefined, async (bench) => {
    const pod = await bench.setUp([{ name: 'e', emptyDir: { medium: 'Memory' } }]);
    const { path } = await bench.volumes.path(pod, 'e');
    const stuck = createVolumes({
      root: bench.root,
      mounts: { ...bench.mounts, unmountUnder: async () => 0 },
      clock: createVirtualClock(),
    });
    await assert.rejects(stuck.tearDown('u'), /is still mounted/);
    assert.ok(existsSync(path));
    await bench.volumes.tearDown('u');
    assert.equal(existsSync(podFolder(bench.root, 'u')), false);
  }));

async function mountsOf(bench: Bench, mount: Partial<VolumeMount>, recursiveReadOnly = false) {
  const pod = await bench.setUp([{ name: 'e', emptyDir: {} }]);
  const { path } = await bench.volumes.path(pod, 'e');
  mkdirSync(join(path, 'dir'), { recursive: true });
  if (!existsSync(join(path, 'out'))) symlinkSync('/etc', join(path, 'out'));
  writeFileSync(join(path, 'file'), 'x');
  const [found] = await containerMounts(
    pod,
    { name: 'c', volumeMounts: [{ name: 'e', mountPath: 'data', ...mount }] },
    {
      volumes: bench.volumes,
      mounts: bench.mounts,
      podFolder: podFolder(bench.root, 'u'),
      env: new Map([['NAME', 'dir']]),
      volumeImages: new Map(),
      recursiveReadOnly,
    },
  );
  return { ...found, hostPath: found!.hostPath?.slice(bench.root.length) };
}

const plain = { containerPath: '/data', readonly: false, propagation: 'PROPAGATION_PRIVATE' };
const whole = '/pods/u/volumes/kubernetes.io~empty-dir/e';
const part = '/pods/u/volume-subpaths/e/c/0';
for (const [name, mount, want] of [
  ['the whole volume', {}, { ...plain, hostPath: whole }],
  ['read-only', { readOnly: true }, { ...plain, readonly: true, hostPath: whole }],
  [
    'propagation',
    { mountPropagation: 'Bidirectional' },
    { ...plain, propagation: 'PROPAGATION_BIDIRECTIONAL', hostPath: whole },
  ],
  ['a folder of it', { subPath: 'dir' }, { ...plain, hostPath: part }],
  ['a file of it', { subPath: 'file' }, { ...plain, hostPath: part }],
  ['a folder that is made', { subPath: 'new/below' }, { ...plain, hostPath: part }],
  ['an expanded one', { subPathExpr: '$(NAME)' }, { ...plain, hostPath: part }],
  [
    'recursively read-only where possible',
    { readOnly: true, recursiveReadOnly: 'IfPossible' },
    { ...plain, readonly: true, hostPath: whole },
  ],
] as const)
  test(`container mounts: ${name}`, () =>
    withBench(undefined, async (bench) => assert.deepEqual(await mountsOf(bench, mount), want)));

for (const [name, mount, message] of [
  ['a link out of the volume', { subPath: 'out' }, 'failed to prepare subPath for volumeMount "e" of container "c"'],
  [
    'a new folder behind a link out',
    { subPath: 'out/new' },
    'failed to prepare subPath for volumeMount "e" of container "c"',
  ],
  ['an absolute path', { subPathExpr: '/$(NAME)' }, 'error SubPath `/dir` must not be an absolute path'],
  ['a way up', { subPath: '../x' }, "unable to provision SubPath `../x`: must not contain '..'"],
  ['a name that is not known', { subPathExpr: '$(NO)' }, 'missing value for "NO"'],
  [
    'recursively read-only where it cannot be',
    { readOnly: true, recursiveReadOnly: 'Enabled' },
    'failed to resolve recursive read-only mode: volume "e" requested recursive read-only mode, but it is not supported by the runtime',
  ],
] as const)
  test(`container mounts: ${name} is refused`, () =>
    withBench(undefined, async (bench) => assert.rejects(mountsOf(bench, mount), { message })));

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultKubeletConfig } from './config.ts';
import {
  applyConfiguration,
  ConfigurationError,
  configurationDocument,
  loadConfiguration,
} from './configuration-file.ts';

const head = { kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1' };
const apply = (fields: object) => applyConfiguration(defaultKubeletConfig, { ...head, ...fields });

test('configuration: the file, then the drop-ins by name, each over the last; maps merge, lists are replaced', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-config-'));
  try {
    const write = (name: string, fields: object): string => {
      writeFileSync(join(folder, name), JSON.stringify({ ...head, ...fields }));
      return join(folder, name);
    };
    const file = write('kubelet.yaml', { maxPods: 10, systemReserved: { cpu: '1' }, clusterDNS: ['192.0.2.1'] });
    write('20.conf', { maxPods: 30 });
    write('10.conf', { maxPods: 20, systemReserved: { memory: '1Gi' }, clusterDNS: ['192.0.2.2'] });
    write('30.txt', { maxPods: 99 });
    const { config } = await loadConfiguration(defaultKubeletConfig, { file, dropInDir: folder });
    assert.deepEqual(
      [config.maxPods, config.systemReserved, config.clusterDNS, config.podsPerCore],
      [30, { cpu: '1', memory: '1Gi' }, ['192.0.2.2'], 0],
    );
    writeFileSync(join(folder, '40.conf'), 'kind: Pod\napiVersion: v1\n');
    await assert.rejects(loadConfiguration(defaultKubeletConfig, { dropInDir: folder }), {
      name: 'ConfigurationError',
      message: /40\.conf: no kind "Pod" is registered/,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('configuration: durations, sizes and nested fields are read and written back', () => {
  const fields = {
    syncFrequency: '1m30s',
    containerLogMaxSize: '20Mi',
    crashLoopBackOff: { maxContainerRestartPeriod: '20s' },
    authentication: { anonymous: { enabled: true } },
    shutdownGracePeriodByPodPriority: [{ priority: 0, shutdownGracePeriodSeconds: 5 }],
  };
  const { config, ignored } = apply(fields);
  assert.deepEqual(
    [config.syncFrequencyMs, config.containerLogMaxSizeBytes, config.crashLoopBackOffMaxMs, config.anonymousAuth],
    [90_000, 20 * 1024 * 1024, 20_000, true],
  );
  assert.deepEqual(ignored, []);
  const again = applyConfiguration(defaultKubeletConfig, configurationDocument(config)).config;
  assert.deepEqual({ ...again, withoutEffect: {} }, config);
});

test('configuration: fields without effect here are taken and named', () => {
  assert.deepEqual(apply({ hairpinMode: 'none', logging: { format: 'json' } }).ignored, ['hairpinMode', 'logging']);
});

for (const [name, fields, message] of [
  ['an unknown field', { maxPod: 1 }, 'strict decoding error: unknown field "maxPod"'],
  ['a wrong type', { maxPods: '10' }, 'invalid configuration: maxPods: must be a whole number'],
  [
    'a wrong duration',
    { syncFrequency: '1 minute' },
    'invalid configuration: syncFrequency: invalid duration "1 minute"',
  ],
  [
    'a low threshold above the high one',
    { imageGCHighThresholdPercent: 50, imageGCLowThresholdPercent: 60 },
    'invalid configuration: imageGCLowThresholdPercent (--image-gc-low-threshold) 60 must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) 50',
  ],
  [
    'parallel pulls that are serialized',
    { maxParallelImagePulls: 5 },
    'invalid configuration: maxParallelImagePulls 5 must not be set or set to 1 when serializeImagePulls is true',
  ],
  [
    'an unknown signal',
    { evictionHard: { x: '1' } },
    'invalid configuration: unsupported eviction signal x in evictionHard',
  ],
  [
    'more time for critical pods than there is',
    { shutdownGracePeriod: '1s', shutdownGracePeriodCriticalPods: '2s' },
    'invalid configuration: shutdownGracePeriod 1s must be >= shutdownGracePeriodCriticalPods 2s',
  ],
] as const)
  test(`configuration: refuses ${name}`, () =>
    assert.throws(
      () => apply(fields),
      (error) => error instanceof ConfigurationError && error.message === message,
    ));

test("configuration: /configz says all that upstream's does without a file, and what a file says of fields without effect", () => {
  const { config } = apply({ clusterDNS: ['10.96.0.10'], eventBurst: 7, logging: { verbosity: 4 } });
  const { eventBurst, logging, ...document } = configurationDocument(config);
  assert.deepEqual([eventBurst, (logging as { verbosity: number; format: string }).verbosity], [7, 4]);
  assert.equal((logging as { format: string }).format, 'text');
  // As v1.36.3 answered, less where its files lay.
  assert.deepEqual(document, {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    enableServer: true,
    syncFrequency: '1m0s',
    fileCheckFrequency: '20s',
    httpCheckFrequency: '20s',
    address: '0.0.0.0',
    port: 10250,
    authentication: { webhook: { enabled: true, cacheTTL: '2m0s' }, anonymous: { enabled: false } },
    authorization: { mode: 'Webhook', webhook: { cacheAuthorizedTTL: '5m0s', cacheUnauthorizedTTL: '30s' } },
    registryPullQPS: 5,
    registryBurst: 10,
    imagePullCredentialsVerificationPolicy: 'NeverVerifyPreloadedImages',
    eventRecordQPS: 50,
    enableDebuggingHandlers: true,
    healthzPort: 10248,
    healthzBindAddress: '127.0.0.1',
    oomScoreAdj: -999,
    clusterDomain: 'cluster.local',
    clusterDNS: ['10.96.0.10'],
    streamingConnectionIdleTimeout: '4h0m0s',
    nodeStatusUpdateFrequency: '10s',
    nodeStatusReportFrequency: '5m0s',
    nodeLeaseDurationSeconds: 40,
    imageMinimumGCAge: '2m0s',
    imageMaximumGCAge: '0s',
    imageGCHighThresholdPercent: 85,
    imageGCLowThresholdPercent: 80,
    volumeStatsAggPeriod: '1m0s',
    cgroupRoot: '/',
    cgroupsPerQOS: true,
    cgroupDriver: 'cgroupfs',
    cpuManagerPolicy: 'none',
    cpuManagerReconcilePeriod: '10s',
    memoryManagerPolicy: 'None',
    topologyManagerPolicy: 'none',
    topologyManagerScope: 'container',
    runtimeRequestTimeout: '2m0s',
    hairpinMode: 'promiscuous-bridge',
    maxPods: 110,
    podPidsLimit: -1,
    resolvConf: '/etc/resolv.conf',
    cpuCFSQuota: true,
    cpuCFSQuotaPeriod: '100ms',
    nodeStatusMaxImages: 50,
    maxOpenFiles: 1000000,
    contentType: 'application/vnd.kubernetes.protobuf',
    kubeAPIQPS: 50,
    kubeAPIBurst: 100,
    serializeImagePulls: true,
    evictionHard: {
      'imagefs.available': '15%',
      'imagefs.inodesFree': '5%',
      'memory.available': '100Mi',
      'nodefs.available': '10%',
      'nodefs.inodesFree': '5%',
    },
    evictionPressureTransitionPeriod: '5m0s',
    mergeDefaultEvictionSettings: false,
    enableControllerAttachDetach: true,
    makeIPTablesUtilChains: true,
    iptablesMasqueradeBit: 14,
    iptablesDropBit: 15,
    failSwapOn: true,
    memorySwap: {},
    containerLogMaxSize: '10Mi',
    containerLogMaxFiles: 5,
    containerLogMaxWorkers: 1,
    containerLogMonitorInterval: '10s',
    configMapAndSecretChangeDetectionStrategy: 'Watch',
    enforceNodeAllocatable: ['pods'],
    volumePluginDir: '/usr/libexec/kubernetes/kubelet-plugins/volume/exec/',
    enableSystemLogHandler: true,
    enableSystemLogQuery: false,
    shutdownGracePeriod: '0s',
    shutdownGracePeriodCriticalPods: '0s',
    crashLoopBackOff: { maxContainerRestartPeriod: '5m0s' },
    enableProfilingHandler: true,
    enableDebugFlagsHandler: true,
    seccompDefault: false,
    memoryThrottlingFactor: 0.9,
    memoryReservationPolicy: 'None',
    registerNode: true,
    localStorageCapacityIsolation: true,
    failCgroupV1: true,
    podLogsDir: '/var/log/pods',
  });
});

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
  assert.deepEqual(applyConfiguration(defaultKubeletConfig, configurationDocument(config)).config, config);
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

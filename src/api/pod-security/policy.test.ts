import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodSpec } from '../types/core-v1.ts';
import { detailsText, type LevelVersion, levelText, policyOf, violations } from './policy.ts';

const at = (text: string): LevelVersion => {
  const [level, version] = text.split(':') as [LevelVersion['level'], string];
  return { level, minor: version === 'latest' ? Number.POSITIVE_INFINITY : Number(version.slice(3)) };
};
/** Satisfies `restricted` by itself. */
const good = {
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  },
};
const c = (name: string, over: object = {}): object => ({ name, ...over });
const strict = (over: object = {}): object => ({ containers: [c('a', good)], ...over });

type Row = readonly [name: string, level: string, spec: object, want: string, metadata?: object];
const rows: readonly Row[] = [
  ['privileged asks nothing', 'privileged:latest', { hostPID: true, containers: [c('a')] }, ''],
  ['a plain pod is good enough for baseline', 'baseline:latest', { containers: [c('a')] }, ''],
  ['a pod that says it all is restricted', 'restricted:latest', strict(), ''],
  [
    'a plain pod under restricted',
    'restricted:latest',
    { containers: [c('a'), c('b')] },
    'allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true), seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ],
  [
    'host namespaces and ports',
    'baseline:latest',
    { hostNetwork: true, hostIPC: true, containers: [c('a', { ports: [{ hostPort: 80 }, { hostPort: 443 }] })] },
    'host namespaces (hostNetwork=true, hostIPC=true), hostPort (container "a" uses hostPorts 443, 80)',
  ],
  [
    'init and ephemeral containers count',
    'baseline:latest',
    {
      initContainers: [c('i', { securityContext: { privileged: true } })],
      containers: [c('a')],
      ephemeralContainers: [c('e', { securityContext: { capabilities: { add: ['NET_ADMIN', 'CHOWN'] } } })],
    },
    'non-default capabilities (container "e" must not include "NET_ADMIN" in securityContext.capabilities.add), privileged (container "i" must not set securityContext.privileged=true)',
  ],
  [
    'a host path, seen by baseline and by restricted',
    'baseline:latest',
    strict({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
    'hostPath volumes (volume "v")',
  ],
  [
    'restricted names the type instead',
    'restricted:latest',
    strict({
      volumes: [
        { name: 'v', hostPath: { path: '/' } },
        { name: 'n', nfs: {} },
        { name: 'e', emptyDir: {} },
      ],
    }),
    'restricted volume types (volumes "v", "n" use restricted volume types "hostPath", "nfs")',
  ],
  [
    'a probe of another host, since 1.34',
    'baseline:v1.34',
    { containers: [c('a', { livenessProbe: { httpGet: { host: 'x', port: 1 } } })] },
    'probe or lifecycle host (container "a" uses probe or lifecycle host "x")',
  ],
  [
    'a probe of another host, before',
    'baseline:v1.33',
    { containers: [c('a', { livenessProbe: { httpGet: { host: 'x', port: 1 } } })] },
    '',
  ],
  [
    'SELinux options',
    'baseline:latest',
    { securityContext: { seLinuxOptions: { type: 'spc_t', user: 'u' } }, containers: [c('a')] },
    'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)',
  ],
  [
    'sysctls by version',
    'baseline:v1.28',
    {
      securityContext: {
        sysctls: [{ name: 'net.ipv4.ip_local_reserved_ports' }, { name: 'net.ipv4.tcp_fin_timeout' }],
      },
      containers: [c('a')],
    },
    'forbidden sysctls (net.ipv4.tcp_fin_timeout)',
  ],
  [
    'an AppArmor annotation',
    'baseline:latest',
    { containers: [c('a')] },
    'forbidden AppArmor profile (annotation must not set AppArmor profile type to "container.apparmor.security.beta.kubernetes.io/a="unconfined"")',
    { annotations: { 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' } },
  ],
  [
    'a seccomp annotation counts before 1.19 only',
    'baseline:v1.18',
    { containers: [c('a')] },
    'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
    { annotations: { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' } },
  ],
  [
    'pod and container that want root',
    'restricted:latest',
    {
      securityContext: { runAsNonRoot: false, runAsUser: 0 },
      containers: [c('a', { securityContext: { ...good.securityContext, runAsNonRoot: false } })],
    },
    'runAsNonRoot != true (pod and container "a" must not set securityContext.runAsNonRoot=false), runAsUser=0 (pod must not set runAsUser=0)',
  ],
  [
    'root in user namespaces of its own',
    'restricted:latest',
    { hostUsers: false, securityContext: { runAsUser: 0 }, containers: [c('a', good)] },
    '',
  ],
  [
    'an unmasked proc in user namespaces of its own is baseline, not restricted',
    'restricted:v1.35',
    { hostUsers: false, containers: [c('a', { securityContext: { ...good.securityContext, procMount: 'Unmasked' } })] },
    'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    'a Windows pod need not say what it cannot',
    'restricted:latest',
    { os: { name: 'windows' }, securityContext: { runAsNonRoot: true }, containers: [c('a')] },
    '',
  ],
  [
    'windows host processes',
    'baseline:latest',
    { securityContext: { windowsOptions: { hostProcess: true } }, containers: [c('a')] },
    'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
  ],
];
for (const [name, level, spec, want, metadata = {}] of rows)
  test(`pod security: ${name}`, () => {
    assert.equal(detailsText(violations(at(level), spec as PodSpec, metadata)), want);
  });

const prefix = 'pod-security.kubernetes.io/';
const read = (labels: Readonly<Record<string, string>>): readonly string[] => {
  const { policy, errors } = policyOf(Object.fromEntries(Object.entries(labels).map(([k, v]) => [prefix + k, v])));
  const found = errors.map(({ field, message }) => `${field}: ${message}`);
  return [levelText(policy.enforce), levelText(policy.audit), levelText(policy.warn), ...found];
};

test('pod security: labels make the policy; who enforces is warned of the same unless labels say otherwise', () => {
  const free = 'privileged:latest';
  assert.deepEqual(read({}), [free, free, free]);
  assert.deepEqual(read({ enforce: 'baseline', 'enforce-version': 'v1.30' }), [
    'baseline:v1.30',
    free,
    'baseline:v1.30',
  ]);
  assert.deepEqual(read({ enforce: 'baseline', warn: 'privileged' }), ['baseline:latest', free, free]);
  assert.deepEqual(read({ audit: 'restricted', 'audit-version': 'v1.0' }), [free, 'restricted:v1.0', free]);
  assert.deepEqual(read({ enforce: 'nope', 'warn-version': 'v1.01', audit: 'x' }), [
    'restricted:latest',
    free,
    free,
    `metadata.labels[${prefix}enforce]: Invalid value: "nope": must be one of privileged, baseline, restricted`,
    `metadata.labels[${prefix}audit]: Invalid value: "x": must be one of privileged, baseline, restricted`,
    `metadata.labels[${prefix}warn-version]: Invalid value: "v1.01": must be "latest" or "v1.x"`,
  ]);
});

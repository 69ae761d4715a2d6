/** The single components: their flags, their files, and the three of a control plane talking over a real port. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { builtinSchema } from '../../api/schema/builtin.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { createRealRandom } from '../../base/real-random.ts';
import { createClient } from '../../client/create-client.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../../client/kubeconfig.ts';
import { ClusterError } from '../cluster-error.ts';
import { createCertificateAuthority, createServiceAccountKeys } from '../pki.ts';
import { renderKubeconfig } from '../user-kubeconfig.ts';
import { parseTokenFile, runApiServerCommand, servedVersions } from './api-server.ts';
import { runControllerManagerCommand } from './controller-manager.ts';
import { runKubeletCommand } from './kubelet.ts';
import { runProxyCommand } from './proxy.ts';
import type { ComponentIo } from './run-component.ts';
import { runSchedulerCommand } from './scheduler.ts';
import { parseSchedulerConfiguration } from './scheduler-configuration.ts';

const clock = createRealClock();
const random = createRealRandom();
const never = new AbortController().signal;

function io(printed: string[] = []): ComponentIo {
  return {
    clock,
    random,
    metrics: createMetricsRegistry(),
    logger: () => silentLogger,
    print: (text) => printed.push(text),
    spawner: () => Promise.reject(new Error('no programs in this test')),
  };
}

const refuses = (promise: Promise<unknown>, message: string): Promise<void> =>
  assert.rejects(promise, (error: unknown) => error instanceof ClusterError && error.message === message);

test('components: a flag that upstream does not know is refused in its words', () =>
  refuses(runSchedulerCommand(['--nothing'], io(), never), 'unknown flag: --nothing'));

test('components: a flag that upstream has and Bireme has not is refused, unless it asks for the default', async () => {
  await refuses(
    runApiServerCommand(['--audit-webhook-config-file=/x'], io(), never),
    '--audit-webhook-config-file is a flag of kube-apiserver that has no effect in Bireme yet, so it is refused',
  );
  await refuses(
    runApiServerCommand(['--audit-log-mode=blocking', '--enable-garbage-collector'], io(), never),
    '--service-account-signing-key-file is missing',
  );
});

for (const [flag, message] of [
  ['--feature-gates=Nothing=true', 'unrecognized feature gate: Nothing'],
  ['--feature-gates=SidecarContainers', 'missing bool value for SidecarContainers'],
  [
    '--feature-gates=AllAlpha=maybe',
    'invalid value of AllAlpha=maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax',
  ],
  [
    '--feature-gates=kube:AllAlpha=true',
    '--feature-gates=AllAlpha=true has no effect in Bireme, whose features are as v1.36 has them by default, so it is refused',
  ],
  ['--feature-gates=AllAlpha=false,SidecarContainers=true', '--service-account-signing-key-file is missing'],
  ['--allow-privileged=true', '--service-account-signing-key-file is missing'],
  [
    '--requestheader-username-headers=X-User',
    '--requestheader-username-headers=X-User has no effect in Bireme, so it is refused',
  ],
  ['--requestheader-username-headers=X-Remote-User', '--service-account-signing-key-file is missing'],
  [
    '--watch-cache=false',
    '--watch-cache is a flag of kube-apiserver that has no effect in Bireme yet, so it is refused',
  ],
  [
    '--service-account-lookup=false',
    '--service-account-lookup is a flag of kube-apiserver that has no effect in Bireme yet, so it is refused',
  ],
  [
    '--enable-admission-plugins=NodeRestriction,AlwaysPullImages',
    '--enable-admission-plugins names "AlwaysPullImages", an admission plugin that is not there',
  ],
  [
    '--disable-admission-plugins=PodSecurty',
    '--disable-admission-plugins names "PodSecurty", an admission plugin that is not there',
  ],
  ['--runtime-config=apps/v2=true', '--runtime-config: unknown api "apps/v2"'],
  ['--runtime-config=v1=false', '--runtime-config: the core group cannot be switched off in Bireme'],
] as const)
  test(`components: ${flag} is answered with: ${message}`, () =>
    refuses(runApiServerCommand([flag], io(), never), message));

test('components: --runtime-config switches group versions, the narrower word wins', () => {
  const resource = (apiVersion: string, name: string) => {
    const [version, group = ''] = apiVersion.split('/').reverse() as [string, string?];
    return builtinSchema.resource(group, version, name)!;
  };
  const [pods, deployments, alpha] = [
    resource('v1', 'pods'),
    resource('apps/v1', 'deployments'),
    builtinSchema.resources.find(({ version, servedByDefault }) => version.includes('alpha') && !servedByDefault)!,
  ];
  assert.equal(servedVersions({}), undefined);
  const all = servedVersions({ 'api/all': 'true' })!;
  assert.deepEqual([pods, deployments, alpha].map(all), [true, true, true]);
  const none = servedVersions({ 'api/all': 'false', 'apps/v1': '' })!;
  assert.deepEqual([pods, deployments, alpha].map(none), [true, true, false]);
  const one = servedVersions({ [`${alpha.group}/${alpha.version}/${alpha.resource}`]: 'true', 'api/ga': 'false' })!;
  assert.deepEqual([deployments, alpha].map(one), [false, true]);
});

test('components: the documentation names each flag that is accepted without effect', async () => {
  const page = readFileSync(new URL('../../../docs/components.md', import.meta.url), 'utf8');
  const printed: string[] = [];
  for (const run of [
    runApiServerCommand,
    runControllerManagerCommand,
    runSchedulerCommand,
    runKubeletCommand,
    runProxyCommand,
  ])
    await run(['--help'], io(printed), never);
  const flags = printed
    .join('')
    .split('\n')
    .filter((line) => line.includes('accepted, without effect'))
    .map((line) => /--([a-z0-9-]+)/.exec(line)![1]!);
  assert.ok(flags.length > 100);
  const missing = [...new Set(flags)].filter((flag) => !page.includes(`\`${flag}\``));
  assert.deepEqual(missing, []);
});

test('components: --help tells what each flag does here, --version what upstream says', async () => {
  const printed: string[] = [];
  await runSchedulerCommand(['--help'], io(printed), never);
  assert.match(printed[0]!, /--leader-elect-lease-duration duration +\(default 15s\)\n/);
  assert.match(printed[0]!, /--profiling +accepted, without effect \(default true\)\n/);
  await runControllerManagerCommand(['--version'], io(printed), never);
  assert.match(printed[1]!, /^Kubernetes v1\.36\.\d+\n$/);
});

test('components: without a kubeconfig they say so', async () => {
  await refuses(runSchedulerCommand([], io(), never), 'The scheduler does not know the API server');
  await refuses(
    runControllerManagerCommand(['--kubeconfig=/nowhere/x'], io(), never),
    `Cannot read "/nowhere/x" (--kubeconfig): ENOENT: no such file or directory, open '/nowhere/x'`,
  );
});

test('components: a controller that does not exist is refused', () =>
  assert.rejects(
    runControllerManagerCommand(['--kubeconfig=/x', '--controllers=*,-nobody'], io(), never),
    (error: unknown) => error instanceof ClusterError && /nobody/.test(error.message),
  ));

test('components: a token file has three columns and a quoted fourth', () => {
  const users = parseTokenFile('t1,ann,1,"a,b"\n\nt2,bob,2\n# none\n', 'tokens.csv');
  assert.deepEqual(
    [...users].map(([token, user]) => [token, user.name, user.uid, user.groups]),
    [
      ['t1', 'ann', '1', ['a', 'b']],
      ['t2', 'bob', '2', []],
    ],
  );
  assert.throws(() => parseTokenFile('t1,ann', 'tokens.csv'), /at least 3 columns .* found 2 in line 1/);
});

const scoring = ['ImageLocality', 'NodeResourcesFit'];
const configuration = (more: string): string =>
  `apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n${more}`;

test('scheduler configuration: profile, weights, arguments and leader election', () => {
  const { scheduler, leaderElection, kubeconfig } = parseSchedulerConfiguration(
    configuration(
      [
        'clientConnection: {kubeconfig: /etc/k.conf}',
        'leaderElection: {leaderElect: false, leaseDuration: 20s}',
        'profiles:',
        '- schedulerName: mine',
        '  plugins: {score: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit, weight: 5}]}}',
        '  pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]',
      ].join('\n'),
    ),
    'file',
    scoring,
  );
  assert.deepEqual(scheduler, {
    schedulerName: 'mine',
    pluginArgs: { NodeResourcesFit: { scoringStrategy: { type: 'MostAllocated' } } },
    weights: { ImageLocality: 0, NodeResourcesFit: 5 },
    disabled: [],
  });
  assert.deepEqual([leaderElection, kubeconfig], [{ leaderElect: false, leaseDurationMs: 20_000 }, '/etc/k.conf']);
});

for (const [what, text, message] of [
  ['an unknown field', 'paralelism: 3', '"file": strict decoding error: unknown field "paralelism"'],
  [
    'extenders',
    'extenders: [{urlPrefix: http://x}]',
    '"file": extenders has no effect in Bireme yet, so it is refused',
  ],
  [
    'a wrong duration',
    'leaderElection: {leaseDuration: 5}',
    '"file": leaderElection.leaseDuration: invalid duration 5',
  ],
] as const)
  test(`scheduler configuration: ${what} is refused`, () => {
    assert.throws(
      () => parseSchedulerConfiguration(configuration(text), 'file', scoring),
      (error: unknown) => error instanceof ClusterError && error.message === message,
    );
  });

test('scheduler configuration: another kind is refused', () => {
  assert.throws(
    () => parseSchedulerConfiguration('{"apiVersion":"v1","kind":"Pod"}', 'file', scoring),
    /no kind "Pod" is registered for version "v1"/,
  );
});

/** Certificates, keys and kubeconfigs as a person would make them. */
async function files(t: TestContext, port: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-components-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const ca = await createCertificateAuthority('ca', { clock, random });
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o600 });
  const server = await ca.issue({ commonName: 'kube-apiserver', usages: ['server'], ipAddresses: ['127.0.0.1'] });
  write('ca.crt', ca.cert);
  write('ca.key', ca.key);
  write('server.crt', server.cert);
  write('server.key', server.key);
  write('sa.key', (await createServiceAccountKeys()).privateKey);
  for (const [name, commonName, organizations] of [
    ['admin', 'admin', ['system:masters']],
    ['scheduler', 'system:kube-scheduler', []],
    ['manager', 'system:kube-controller-manager', []],
  ] as const) {
    const pair = await ca.issue({ commonName, organizations, usages: ['client'] });
    write(
      `${name}.conf`,
      renderKubeconfig({
        name,
        server: `https://127.0.0.1:${port}`,
        certificateAuthority: ca.cert,
        clientCertificate: pair.cert,
        clientKey: pair.key,
      }),
    );
  }
  return folder;
}

test('components: API server, controller manager and scheduler over a port make pods of a Deployment and bind them', {
  timeout: 60_000,
}, async (t) => {
  const port = 20_000 + random.below(20_000);
  const folder = await files(t, port);
  const at = (name: string): string => join(folder, name);
  const stop = new AbortController();
  const parts = [
    runApiServerCommand(
      [
        `--embedded-store=${at('store')}`,
        `--secure-port=${port}`,
        '--bind-address=127.0.0.1',
        `--tls-cert-file=${at('server.crt')}`,
        `--tls-private-key-file=${at('server.key')}`,
        `--client-ca-file=${at('ca.crt')}`,
        `--service-account-signing-key-file=${at('sa.key')}`,
        `--service-account-key-file=${at('sa.key')}`,
        '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
        '--service-cluster-ip-range=10.96.0.0/16',
        '--authorization-mode=Node,RBAC',
      ],
      io(),
      stop.signal,
    ),
  ];
  const admin = createHttpsTransport(
    transportOptionsOf(parseKubeconfig(readFileSync(at('admin.conf'), 'utf8'), 'admin.conf'), { clock }),
  );
  const client = createClient(admin);
  const until = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
    for (;;) {
      const found = await look().catch(() => undefined);
      if (found !== undefined) return found;
      await clock.sleep(50);
    }
  };
  try {
    await until(async () => (await client.resource(resources.namespaces).get('kube-system')) && true);
    parts.push(
      runSchedulerCommand([`--kubeconfig=${at('scheduler.conf')}`, '--secure-port=0'], io(), stop.signal),
      runControllerManagerCommand(
        [
          `--kubeconfig=${at('manager.conf')}`,
          '--secure-port=0',
          '--use-service-account-credentials',
          `--root-ca-file=${at('ca.crt')}`,
        ],
        io(),
        stop.signal,
      ),
    );
    const node = await client
      .resource(resources.nodes)
      .create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } } as Node);
    const amounts = { cpu: '4', memory: '8Gi', pods: '10' };
    const condition = { type: 'Ready', status: 'True', reason: 'Test', message: '' } as const;
    await client.resource(resources.nodes).updateStatus({
      ...node,
      status: { capacity: amounts, allocatable: amounts, conditions: [condition] },
    } as unknown as Node);
    await client.resource(resources.deployments).create({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'c', image: 'nginx' }] },
        },
      },
    });
    const bound = await until(async () => {
      const { items } = await client.resource(resources.pods).list({ namespace: 'default' });
      return items.length === 3 && items.every((pod: Pod) => pod.spec?.nodeName === 'n1') ? items : undefined;
    });
    assert.equal(bound.length, 3);
    // Each controller wrote as itself.
    const accounts = await client.resource(resources.serviceAccounts).list({ namespace: 'kube-system' });
    const names = accounts.items.map(({ metadata }) => metadata.name);
    for (const name of ['deployment-controller', 'replicaset-controller']) assert.ok(names.includes(name), name);
  } finally {
    stop.abort();
    await Promise.allSettled(parts);
    await admin.close();
  }
  assert.deepEqual(
    (await Promise.allSettled(parts)).map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled'],
  );
});

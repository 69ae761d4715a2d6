import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { KubeconfigError, mergeKubeconfigs, parseKubeconfig, transportOptionsOf } from './kubeconfig.ts';

const text = `
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c
  cluster: { server: "https://h:6443", certificate-authority: pki/ca.crt, certificate-authority-data: ${btoa('CA')} }
- name: skip
  cluster: { server: "https://h:6443", insecure-skip-tls-verify: true, tls-server-name: other }
users:
- name: cert
  user: { client-certificate: a.crt, client-key: /abs/a.key }
- name: token
  user: { token: t, tokenFile: token }
- name: exec
  user: { exec: { command: aws } }
contexts:
- name: one
  context: { cluster: c, user: cert }
- name: two
  context: { cluster: skip, user: token, namespace: ns }
- name: three
  context: { cluster: c, user: exec }
- name: broken
  context: { cluster: nowhere, user: cert }
`;
const clock = createVirtualClock();
const of = (context?: string) => {
  const { clock: _, ...rest } = transportOptionsOf(parseKubeconfig(text, '/home/u/.kube/config'), {
    clock,
    ...(context ? { context } : {}),
  });
  return rest;
};

test('kubeconfig: the current context, inline data before files, files relative to the kubeconfig', () => {
  assert.deepEqual(of(), {
    server: 'https://h:6443',
    ca: 'CA',
    clientCertificate: { cert: { file: '/home/u/.kube/a.crt' }, key: { file: '/abs/a.key' } },
    namespace: 'default',
  });
});

test('kubeconfig: a named context; a token file wins over a token', () => {
  assert.deepEqual(of('two'), {
    server: 'https://h:6443',
    insecureSkipTlsVerify: true,
    tlsServerName: 'other',
    token: { file: '/home/u/.kube/token' },
    namespace: 'ns',
  });
});

for (const [name, run, message] of [
  ['an unknown context', () => of('nope'), /context "nope" does not exist/],
  ['an unknown cluster', () => of('broken'), /cluster "nowhere" of context "broken" does not exist/],
  ['a plugin', () => of('three'), /authenticates by "exec", which is not supported/],
  ['no YAML', () => parseKubeconfig('a: [', 'f'), /Cannot read kubeconfig "f"/],
  ['another kind', () => parseKubeconfig('kind: Pod', 'f'), /its kind is "Pod"/],
  ['a list that is none', () => parseKubeconfig('users: 3', 'f'), /users must be a list/],
  [
    'a certificate without a key',
    () => parseKubeconfig('users: [{name: u, user: {client-certificate: x}}]', 'f'),
    /certificate without its key/,
  ],
] as const)
  test(`kubeconfig: ${name} is named`, () => {
    assert.throws(run, (error) => error instanceof KubeconfigError && message.test(error.message));
  });

test('kubeconfig: an empty file is an empty configuration, and having no context is said', () => {
  const config = parseKubeconfig('', 'f');
  assert.throws(() => transportOptionsOf(config, { clock }), /no current context/);
});

test('kubeconfig: of several files the first word counts', () => {
  const merged = mergeKubeconfigs([
    parseKubeconfig('clusters: [{name: c, cluster: {server: "https://first"}}]', '/a'),
    parseKubeconfig(text, '/b'),
  ]);
  assert.equal(merged.clusters.get('c')?.server, 'https://first');
  assert.equal(merged.currentContext, 'one');
});

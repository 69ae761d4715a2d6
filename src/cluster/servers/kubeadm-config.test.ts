import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterError } from '../cluster-error.ts';
import { readKubeadmConfig } from './kubeadm-config.ts';

const init = `
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: abcdef.0123456789abcdef
  ttl: 24h0m0s
  usages: [signing, authentication]
  groups: ['system:bootstrappers:kubeadm:default-node-token']
localAPIEndpoint: { advertiseAddress: 10.0.0.1, bindPort: 7443 }
nodeRegistration:
  name: m1
  criSocket: unix:///run/crio/crio.sock
  taints: []
  kubeletExtraArgs: [{ name: node-labels, value: 'disk=ssd,zone=a' }]
certificateKey: ${'ab'.repeat(32)}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.0
clusterName: kubernetes
controlPlaneEndpoint: api.example:6443
networking: { podSubnet: 10.1.0.0/16, serviceSubnet: 10.2.0.0/16, dnsDomain: c.local }
apiServer: { certSANs: [api.example], extraArgs: [] }
etcd: {}
`;

test('kubeadm configuration: what init takes from both documents', () => {
  assert.deepEqual(readKubeadmConfig(init, 'init', 'f'), {
    token: 'abcdef.0123456789abcdef',
    tokenTtl: '24h0m0s',
    apiserverAdvertiseAddress: '10.0.0.1',
    apiserverBindPort: 7443,
    nodeName: 'm1',
    containerRuntimeEndpoint: 'unix:///run/crio/crio.sock',
    schedulable: true,
    taints: [],
    labels: { disk: 'ssd', zone: 'a' },
    uploadCerts: true,
    certificateKey: 'ab'.repeat(32),
    controlPlaneEndpoint: 'api.example:6443',
    podNetworkCidr: '10.1.0.0/16',
    serviceCidr: '10.2.0.0/16',
    serviceDnsDomain: 'c.local',
    apiserverCertExtraSans: ['api.example'],
  });
});

test('kubeadm configuration: what join takes, as a worker and as a control-plane host', () => {
  const join = (more: string): string => `
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: { apiServerEndpoint: '10.0.0.1:6443', token: t, caCertHashes: ['sha256:0'] }
${more}`;
  const worker = { server: '10.0.0.1:6443', token: 't', discoveryTokenCaCertHash: ['sha256:0'] };
  assert.deepEqual(readKubeadmConfig(join(''), 'join', 'f'), worker);
  assert.deepEqual(readKubeadmConfig(join('controlPlane: { certificateKey: k }'), 'join', 'f'), {
    ...worker,
    controlPlane: true,
    certificateKey: 'k',
  });
});

test('kubeadm configuration: whatever would have no effect is refused by its name', () => {
  const head = (kind: string): string => `apiVersion: kubeadm.k8s.io/v1beta4\nkind: ${kind}\n`;
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      'a field nobody follows',
      `${head('ClusterConfiguration')}imageRepository: r`,
      /The field imageRepository in the ClusterConfiguration of "f" has no effect here/,
    ],
    [
      'one further down',
      `${head('ClusterConfiguration')}apiServer: { extraArgs: [{ name: v, value: "4" }] }`,
      /The field apiServer.extraArgs /,
    ],
    [
      'a value of another type',
      `${head('InitConfiguration')}localAPIEndpoint: { bindPort: x }`,
      /localAPIEndpoint.bindPort .* is "x", and can only be a port/,
    ],
    ['another version', `${head('ClusterConfiguration')}kubernetesVersion: v1.30.0`, /can only be a version v1.36/],
    [
      'an older group version',
      'apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration',
      /v1beta3, kind InitConfiguration, which "init" does not take/,
    ],
    ['a kind of the other command', head('JoinConfiguration'), /which "init" does not take/],
    [
      "the kubelet's own",
      'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration',
      /kind KubeletConfiguration/,
    ],
    [
      'an argument of the kubelet',
      `${head('InitConfiguration')}nodeRegistration: { kubeletExtraArgs: [{ name: v, value: "4" }] }`,
      /node-labels/,
    ],
    ['the same kind twice', `${head('InitConfiguration')}---\n${head('InitConfiguration')}`, /another kubeadm/],
    ['nothing', '', /holds no configuration/],
    ['no YAML', 'a: [', /is no YAML/],
  ];
  for (const [what, yaml, sentence] of cases)
    assert.throws(
      () => readKubeadmConfig(yaml, 'init', 'f'),
      (error) => error instanceof ClusterError && sentence.test(error.message) && error.remedy !== '',
      what,
    );
});

/**
 * kubeadm's configuration file (kubeadm.k8s.io/v1beta4) for `init` and `join`: the fields that say here what they say there become the flags of the
 * same meaning; every other one is refused by its name, so that nobody believes in a setting that has no effect.
 */
import { parseAllDocuments } from 'yaml';
import { ClusterError } from '../cluster-error.ts';
import type { NodeTaint } from '../node-config.ts';

/** By the names of our flags; absent where the file says nothing. */
export interface KubeadmSettings {
  nodeName?: string;
  apiserverAdvertiseAddress?: string;
  apiserverBindPort?: number;
  podNetworkCidr?: string;
  serviceCidr?: string;
  serviceDnsDomain?: string;
  controlPlaneEndpoint?: string;
  apiserverCertExtraSans?: readonly string[];
  certificateKey?: string;
  uploadCerts?: boolean;
  token?: string;
  tokenTtl?: string;
  labels?: Readonly<Record<string, string>>;
  taints?: readonly NodeTaint[];
  schedulable?: boolean;
  containerRuntimeEndpoint?: string;
  /** join: the API server, and as what. */
  server?: string;
  discoveryTokenCaCertHash?: readonly string[];
  discoveryTokenUnsafeSkipCaVerification?: boolean;
  controlPlane?: boolean;
}

type Take = (settings: KubeadmSettings, value: unknown) => string | undefined;
type Fields = Readonly<Record<string, Take>>;

const apiVersion = 'kubeadm.k8s.io/v1beta4';
const controlPlaneTaint = 'node-role.kubernetes.io/control-plane';

/** @returns what is expected instead, when the value is not of that type. */
const text =
  (name: keyof KubeadmSettings): Take =>
  (settings, value) =>
    typeof value === 'string' ? void Object.assign(settings, { [name]: value }) : 'a text';
const texts =
  (name: keyof KubeadmSettings): Take =>
  (settings, value) =>
    Array.isArray(value) && value.every((each) => typeof each === 'string')
      ? void Object.assign(settings, { [name]: value })
      : 'a list of texts';
const flag =
  (name: keyof KubeadmSettings): Take =>
  (settings, value) =>
    typeof value === 'boolean' ? void Object.assign(settings, { [name]: value }) : 'true or false';
const port: Take = (settings, value) =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536
    ? void Object.assign(settings, { apiserverBindPort: value })
    : 'a port';
/** What is so here and cannot be otherwise. */
const only =
  (...values: readonly unknown[]): Take =>
  (_settings, value) =>
    values.includes(value) ? undefined : values.map((each) => JSON.stringify(each)).join(' or ');

const nodeRegistration: Fields = {
  'nodeRegistration.name': text('nodeName'),
  'nodeRegistration.criSocket': text('containerRuntimeEndpoint'),
  'nodeRegistration.taints': takeTaints,
  'nodeRegistration.kubeletExtraArgs': takeKubeletArguments,
  'nodeRegistration.imagePullPolicy': only('IfNotPresent'),
  'nodeRegistration.imagePullSerial': only(true),
};

const kinds: Readonly<Record<'init' | 'join', Readonly<Record<string, Fields>>>> = {
  init: {
    InitConfiguration: {
      ...nodeRegistration,
      bootstrapTokens: takeToken,
      'localAPIEndpoint.advertiseAddress': text('apiserverAdvertiseAddress'),
      'localAPIEndpoint.bindPort': port,
      certificateKey: (settings, value) => {
        settings.uploadCerts = true;
        return text('certificateKey')(settings, value);
      },
    },
    ClusterConfiguration: {
      clusterName: only('kubernetes'),
      controlPlaneEndpoint: text('controlPlaneEndpoint'),
      kubernetesVersion: (_settings, value) =>
        /^(v?1\.36(\.\d+)?|stable(-1(\.36)?)?)$/.test(String(value)) ? undefined : 'a version v1.36',
      'networking.podSubnet': text('podNetworkCidr'),
      'networking.serviceSubnet': text('serviceCidr'),
      'networking.dnsDomain': text('serviceDnsDomain'),
      'apiServer.certSANs': texts('apiserverCertExtraSans'),
    },
  },
  join: {
    JoinConfiguration: {
      ...nodeRegistration,
      'discovery.bootstrapToken.apiServerEndpoint': text('server'),
      'discovery.bootstrapToken.token': text('token'),
      'discovery.bootstrapToken.caCertHashes': texts('discoveryTokenCaCertHash'),
      'discovery.bootstrapToken.unsafeSkipCAVerification': flag('discoveryTokenUnsafeSkipCaVerification'),
      'discovery.tlsBootstrapToken': text('token'),
      'controlPlane.localAPIEndpoint.advertiseAddress': text('apiserverAdvertiseAddress'),
      'controlPlane.localAPIEndpoint.bindPort': only(6443),
      'controlPlane.certificateKey': text('certificateKey'),
    },
  },
};

/** @param yaml one document or several. @throws ClusterError naming the first field that cannot be followed. */
export function readKubeadmConfig(yaml: string, command: 'init' | 'join', file: string): KubeadmSettings {
  const settings: KubeadmSettings = {};
  const seen = new Set<string>();
  const documents = parseAllDocuments(yaml);
  for (const document of Array.isArray(documents) ? documents : []) {
    const [damage] = document.errors;
    if (damage) throw new ClusterError(`"${file}" is no YAML: ${damage.message.split('\n')[0]}`, 'mend the file');
    const value: unknown = document.toJS();
    if (value === null) continue;
    const { apiVersion: version, kind, ...rest } = isObject(value) ? value : {};
    const fields = kinds[command][String(kind)];
    if (version !== apiVersion || !fields || seen.has(String(kind)))
      throw new ClusterError(
        `"${file}" holds ${seen.has(String(kind)) ? 'another' : 'a'} ${version}, kind ${kind}, which "${command}" does not take`,
        remedyFor(String(kind), command),
      );
    seen.add(String(kind));
    if (command === 'join' && isObject(rest.controlPlane)) settings.controlPlane = true;
    take(settings, fields, rest, '', `${kind} of "${file}"`);
  }
  if (seen.size === 0)
    throw new ClusterError(
      `"${file}" holds no configuration for "${command}"`,
      `write a ${Object.keys(kinds[command])[0]} of ${apiVersion} into it`,
    );
  return settings;
}

function remedyFor(kind: string, command: 'init' | 'join'): string {
  if (kind === 'KubeletConfiguration') return 'give it as a file of its own with --kubelet-config';
  if (kind === 'KubeProxyConfiguration')
    return 'leave it out: the flags of "init" and "join" say what the proxy can do';
  return `"${command}" takes ${Object.keys(kinds[command]).join(' and ')} of ${apiVersion}, each once`;
}

/** Nothing, empty texts, lists and objects say nothing. */
function take(settings: KubeadmSettings, fields: Fields, value: unknown, path: string, where: string): void {
  if (value === null || value === undefined || value === '') return;
  const field = fields[path];
  if (field) {
    const expected = field(settings, value);
    if (expected === undefined) return;
    throw new ClusterError(
      `The field ${path} in the ${where} is ${JSON.stringify(value)}, and can only be ${expected}`,
      'change it or leave it out',
    );
  }
  if (Array.isArray(value) && value.length === 0) return;
  const known = path === '' || Object.keys(fields).some((name) => name.startsWith(`${path}.`));
  if (!known && !(isObject(value) && Object.keys(value).length === 0))
    throw new ClusterError(
      `The field ${path} in the ${where} has no effect here`,
      'leave it out; docs/servers.md lists the fields that are followed',
    );
  if (!isObject(value)) {
    throw new ClusterError(`The field ${path} in the ${where} is no object`, 'mend the file');
  }
  for (const [name, each] of Object.entries(value))
    take(settings, fields, each, path === '' ? name : `${path}.${name}`, where);
}

function takeToken(settings: KubeadmSettings, value: unknown): string | undefined {
  const expected = 'a list of one object with a token and perhaps a ttl, for signing and authentication';
  if (!Array.isArray(value) || value.length !== 1 || !isObject(value[0])) return expected;
  const { token, ttl, usages, groups, description: _said, ...others } = value[0];
  const usual = (list: unknown, names: readonly string[]): boolean =>
    list === undefined ||
    (Array.isArray(list) && list.length === names.length && names.every((name) => list.includes(name)));
  if (
    Object.keys(others).length > 0 ||
    !usual(usages, ['signing', 'authentication']) ||
    !usual(groups, ['system:bootstrappers:kubeadm:default-node-token'])
  )
    return expected;
  if (typeof token === 'string') settings.token = token;
  if (typeof ttl === 'string') settings.tokenTtl = ttl;
  return undefined;
}

/** kubeadm: absent, the control plane's taint; an empty list, none. */
function takeTaints(settings: KubeadmSettings, value: unknown): string | undefined {
  const isTaint = (each: unknown): each is NodeTaint =>
    isObject(each) &&
    typeof each.key === 'string' &&
    ['NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(String(each.effect)) &&
    (each.value === undefined || typeof each.value === 'string');
  if (!Array.isArray(value) || !value.every(isTaint)) return 'a list of taints';
  settings.schedulable = !value.some(({ key }) => key === controlPlaneTaint);
  settings.taints = value.filter(({ key }) => key !== controlPlaneTaint);
  return undefined;
}

function takeKubeletArguments(settings: KubeadmSettings, value: unknown): string | undefined {
  const expected = 'the argument node-labels; give others with --kubelet-config';
  if (!Array.isArray(value)) return expected;
  for (const each of value) {
    if (!isObject(each) || each.name !== 'node-labels' || typeof each.value !== 'string') return expected;
    settings.labels = Object.fromEntries(
      each.value
        .split(',')
        .filter(Boolean)
        .map((label) => [label.split('=')[0] ?? '', label.slice(label.indexOf('=') + 1)]),
    );
  }
  return undefined;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

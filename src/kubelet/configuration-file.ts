/**
 * KubeletConfiguration (kubelet.config.k8s.io/v1beta1) to and from this kubelet's settings: one table, read by the file loader and by
 * `/configz`. Source: staging/src/k8s.io/kubelet/config/v1beta1/types.go.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { JsonObject, JsonValue } from '../api/json.ts';
import { applyMergePatch } from '../api/patch/merge-patch.ts';
import { parseValue } from '../api/quantity.ts';
import { formatDuration, parseDuration } from '../api/time.ts';
import { defaultKubeletConfig, type KubeletConfig } from './config.ts';
import { parseThresholds } from './eviction/thresholds.ts';

export class ConfigurationError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ConfigurationError';
  }
}

const apiVersion = 'kubelet.config.k8s.io/v1beta1';
const kind = 'KubeletConfiguration';

/** How a field's value looks in the file. Durations are milliseconds here and Go's text there; `size` is a quantity there and bytes here. */
type FieldKind = 'bool' | 'int' | 'string' | 'strings' | 'duration' | 'size' | 'map' | 'objects';

/** path in the file -> [name here, kind] */
const fields: Readonly<Record<string, readonly [keyof KubeletConfig, FieldKind]>> = {
  enableServer: ['enableServer', 'bool'],
  staticPodPath: ['staticPodPath', 'string'],
  staticPodURL: ['staticPodURL', 'string'],
  staticPodURLHeader: ['staticPodURLHeader', 'map'],
  syncFrequency: ['syncFrequencyMs', 'duration'],
  fileCheckFrequency: ['fileCheckFrequencyMs', 'duration'],
  httpCheckFrequency: ['httpCheckFrequencyMs', 'duration'],
  address: ['address', 'string'],
  port: ['port', 'int'],
  'authentication.anonymous.enabled': ['anonymousAuth', 'bool'],
  'authentication.webhook.cacheTTL': ['webhookAuthenticationCacheTTLMs', 'duration'],
  'authorization.webhook.cacheAuthorizedTTL': ['webhookAuthorizationCacheAuthorizedTTLMs', 'duration'],
  'authorization.webhook.cacheUnauthorizedTTL': ['webhookAuthorizationCacheUnauthorizedTTLMs', 'duration'],
  registryPullQPS: ['registryPullQPS', 'int'],
  registryBurst: ['registryBurst', 'int'],
  enableDebuggingHandlers: ['enableDebuggingHandlers', 'bool'],
  clusterDomain: ['clusterDomain', 'string'],
  clusterDNS: ['clusterDNS', 'strings'],
  nodeStatusUpdateFrequency: ['nodeStatusUpdateFrequencyMs', 'duration'],
  nodeStatusReportFrequency: ['nodeStatusReportFrequencyMs', 'duration'],
  nodeLeaseDurationSeconds: ['nodeLeaseDurationSeconds', 'int'],
  imageMinimumGCAge: ['imageMinimumGCAgeMs', 'duration'],
  imageMaximumGCAge: ['imageMaximumGCAgeMs', 'duration'],
  imageGCHighThresholdPercent: ['imageGCHighThresholdPercent', 'int'],
  imageGCLowThresholdPercent: ['imageGCLowThresholdPercent', 'int'],
  'userNamespaces.idsPerPod': ['userNamespaceIDsPerPod', 'int'],
  cgroupRoot: ['cgroupRoot', 'string'],
  runtimeRequestTimeout: ['runtimeRequestTimeoutMs', 'duration'],
  maxPods: ['maxPods', 'int'],
  podPidsLimit: ['podPidsLimit', 'int'],
  resolvConf: ['resolvConf', 'string'],
  cpuCFSQuota: ['cpuCFSQuota', 'bool'],
  cpuCFSQuotaPeriod: ['cpuCFSQuotaPeriodMs', 'duration'],
  nodeStatusMaxImages: ['nodeStatusMaxImages', 'int'],
  serializeImagePulls: ['serializeImagePulls', 'bool'],
  maxParallelImagePulls: ['maxParallelImagePulls', 'int'],
  evictionHard: ['evictionHard', 'map'],
  evictionSoft: ['evictionSoft', 'map'],
  evictionSoftGracePeriod: ['evictionSoftGracePeriod', 'map'],
  evictionPressureTransitionPeriod: ['evictionPressureTransitionPeriodMs', 'duration'],
  evictionMaxPodGracePeriod: ['evictionMaxPodGracePeriod', 'int'],
  evictionMinimumReclaim: ['evictionMinimumReclaim', 'map'],
  podsPerCore: ['podsPerCore', 'int'],
  'memorySwap.swapBehavior': ['memorySwapBehavior', 'string'],
  containerLogMaxSize: ['containerLogMaxSizeBytes', 'size'],
  containerLogMaxFiles: ['containerLogMaxFiles', 'int'],
  containerLogMonitorInterval: ['containerLogMonitorIntervalMs', 'duration'],
  systemReserved: ['systemReserved', 'map'],
  kubeReserved: ['kubeReserved', 'map'],
  enforceNodeAllocatable: ['enforceNodeAllocatable', 'strings'],
  allowedUnsafeSysctls: ['allowedUnsafeSysctls', 'strings'],
  providerID: ['providerID', 'string'],
  enableSystemLogHandler: ['enableSystemLogHandler', 'bool'],
  shutdownGracePeriod: ['shutdownGracePeriodMs', 'duration'],
  shutdownGracePeriodCriticalPods: ['shutdownGracePeriodCriticalPodsMs', 'duration'],
  shutdownGracePeriodByPodPriority: ['shutdownGracePeriodByPodPriority', 'objects'],
  'crashLoopBackOff.maxContainerRestartPeriod': ['crashLoopBackOffMaxMs', 'duration'],
  seccompDefault: ['seccompDefault', 'bool'],
  registerWithTaints: ['registerWithTaints', 'objects'],
  registerNode: ['registerNode', 'bool'],
  containerRuntimeEndpoint: ['containerRuntimeEndpoint', 'string'],
  podLogsDir: ['podLogsDir', 'string'],
  'authentication.x509.clientCAFile': ['clientCAFile', 'string'],
  tlsCertFile: ['tlsCertFile', 'string'],
  tlsPrivateKeyFile: ['tlsPrivateKeyFile', 'string'],
  healthzPort: ['healthzPort', 'int'],
  healthzBindAddress: ['healthzBindAddress', 'string'],
};

/** Numbers that upstream leaves out when they are 0. */
const absentAtZero: ReadonlySet<string> = new Set([
  'evictionMaxPodGracePeriod',
  'maxParallelImagePulls',
  'podsPerCore',
]);

/** What `/configz` says of fields without effect that no file names: upstream's defaults. */
const defaultsWithoutEffect: JsonObject = {
  authentication: { webhook: { enabled: true } },
  authorization: { mode: 'Webhook' },
  imagePullCredentialsVerificationPolicy: 'NeverVerifyPreloadedImages',
  eventRecordQPS: 50,
  eventBurst: 100,
  oomScoreAdj: -999,
  streamingConnectionIdleTimeout: '4h0m0s',
  volumeStatsAggPeriod: '1m0s',
  cgroupsPerQOS: true,
  cgroupDriver: 'cgroupfs',
  cpuManagerPolicy: 'none',
  cpuManagerReconcilePeriod: '10s',
  memoryManagerPolicy: 'None',
  topologyManagerPolicy: 'none',
  topologyManagerScope: 'container',
  hairpinMode: 'promiscuous-bridge',
  maxOpenFiles: 1_000_000,
  contentType: 'application/vnd.kubernetes.protobuf',
  kubeAPIQPS: 50,
  kubeAPIBurst: 100,
  mergeDefaultEvictionSettings: false,
  enableControllerAttachDetach: true,
  makeIPTablesUtilChains: true,
  iptablesMasqueradeBit: 14,
  iptablesDropBit: 15,
  failSwapOn: true,
  memorySwap: {},
  containerLogMaxWorkers: 1,
  configMapAndSecretChangeDetectionStrategy: 'Watch',
  volumePluginDir: '/usr/libexec/kubernetes/kubelet-plugins/volume/exec/',
  logging: {
    format: 'text',
    flushFrequency: '5s',
    verbosity: 0,
    options: { text: { infoBufferSize: '0' }, json: { infoBufferSize: '0' } },
  },
  enableSystemLogQuery: false,
  enableProfilingHandler: true,
  enableDebugFlagsHandler: true,
  memoryThrottlingFactor: 0.9,
  memoryReservationPolicy: 'None',
  localStorageCapacityIsolation: true,
  failCgroupV1: true,
};

/** Fields that upstream knows and that have no effect here: taken, and told once. */
const withoutEffect: ReadonlySet<string> = new Set([
  ...['readOnlyPort', 'tlsCipherSuites', 'tlsCurvePreferences'],
  ...['tlsMinVersion', 'rotateCertificates', 'serverTLSBootstrap', 'authentication', 'authorization'],
  ...['imagePullCredentialsVerificationPolicy', 'preloadedImagesVerificationAllowlist', 'eventRecordQPS', 'eventBurst'],
  ...['enableContentionProfiling', 'oomScoreAdj', 'streamingConnectionIdleTimeout'],
  ...['volumeStatsAggPeriod', 'kubeletCgroups', 'systemCgroups', 'cgroupsPerQOS', 'cgroupDriver', 'cpuManagerPolicy'],
  ...['singleProcessOOMKill', 'cpuManagerPolicyOptions', 'cpuManagerReconcilePeriod', 'memoryManagerPolicy'],
  ...['topologyManagerPolicy', 'topologyManagerScope', 'topologyManagerPolicyOptions', 'qosReserved', 'hairpinMode'],
  ...[
    'podCIDR',
    'runOnce',
    'maxOpenFiles',
    'contentType',
    'kubeAPIQPS',
    'kubeAPIBurst',
    'mergeDefaultEvictionSettings',
  ],
  ...['enableControllerAttachDetach', 'protectKernelDefaults', 'makeIPTablesUtilChains', 'iptablesMasqueradeBit'],
  ...['iptablesDropBit', 'featureGates', 'failSwapOn', 'memorySwap', 'containerLogMaxWorkers'],
  ...['configMapAndSecretChangeDetectionStrategy', 'reservedSystemCPUs', 'showHiddenMetricsForVersion'],
  ...['systemReservedCgroup', 'kubeReservedCgroup', 'volumePluginDir', 'kernelMemcgNotification', 'logging'],
  ...[
    'enableSystemLogQuery',
    'crashLoopBackOff',
    'reservedMemory',
    'enableProfilingHandler',
    'enableDebugFlagsHandler',
  ],
  ...['memoryThrottlingFactor', 'memoryReservationPolicy', 'tracing', 'localStorageCapacityIsolation'],
  ...['imageServiceEndpoint', 'failCgroupV1'],
]);

export interface LoadedConfiguration {
  readonly config: KubeletConfig;
  /** Fields that were taken and do nothing here. */
  readonly ignored: readonly string[];
}

/**
 * The file over `base`, then each `*.conf` of the drop-in folder in the order of their names (JSON merge patches, as upstream).
 * @throws ConfigurationError naming the file and what is wrong with it.
 */
export async function loadConfiguration(
  base: KubeletConfig,
  { file, dropInDir }: { readonly file?: string; readonly dropInDir?: string },
): Promise<LoadedConfiguration> {
  let merged: JsonObject = {};
  if (file !== undefined) merged = await readDocument(file);
  if (dropInDir !== undefined) {
    const names = (await readdir(dropInDir)).filter((name) => name.endsWith('.conf')).sort();
    for (const name of names) merged = applyMergePatch(merged, await readDocument(join(dropInDir, name)));
  }
  return applyConfiguration(base, merged);
}

async function readDocument(path: string): Promise<JsonObject> {
  let document: unknown;
  try {
    document = parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new ConfigurationError(
      `failed to load Kubelet config file ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new ConfigurationError(`failed to load Kubelet config file ${path}: it holds no object`);
  const found = document as JsonObject;
  if (found.kind !== kind || found.apiVersion !== apiVersion)
    throw new ConfigurationError(
      `failed to load Kubelet config file ${path}: no kind ${JSON.stringify(found.kind ?? '')} is registered for version ${JSON.stringify(found.apiVersion ?? '')}, want ${kind} of ${apiVersion}`,
    );
  return found;
}

/** @throws ConfigurationError */
export function applyConfiguration(base: KubeletConfig, document: JsonObject): LoadedConfiguration {
  const changes: Record<string, unknown> = {};
  const ignored: string[] = [];
  let silent = base.withoutEffect;
  const walk = (value: JsonValue, path: string): void => {
    const field = fields[path];
    if (field) {
      // null is what a merge patch and Go's decoder leave: the default.
      if (value !== null) changes[field[0]] = read(path, value, field[1]);
      return;
    }
    const inner = Object.keys(fields).some((name) => name.startsWith(`${path}.`));
    if (inner && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [name, child] of Object.entries(value as JsonObject)) walk(child ?? null, `${path}.${name}`);
      return;
    }
    const top = path.split('.')[0]!;
    if (!withoutEffect.has(top)) throw new ConfigurationError(`strict decoding error: unknown field "${path}"`);
    ignored.push(path);
    silent = applyMergePatch(silent, nested(path, value));
  };
  for (const [name, value] of Object.entries(document))
    if (name !== 'kind' && name !== 'apiVersion') walk(value ?? null, name);
  // Naming thresholds takes away the default ones. Source: pkg/kubelet/apis/config/v1beta1/defaults.go.
  const config = { ...base, ...(changes as Partial<KubeletConfig>), withoutEffect: silent };
  validate(config);
  return { config: Object.freeze(config), ignored };
}

function read(path: string, value: JsonValue, as: FieldKind): unknown {
  const fail = (what: string): never => {
    throw new ConfigurationError(`invalid configuration: ${path}: ${what}`);
  };
  switch (as) {
    case 'bool':
      return typeof value === 'boolean' ? value : fail('must be true or false');
    case 'int':
      return typeof value === 'number' && Number.isInteger(value) ? value : fail('must be a whole number');
    case 'string':
      return typeof value === 'string' ? value : fail('must be text');
    case 'duration': {
      const ms = typeof value === 'string' ? parseDuration(value) : undefined;
      return ms ?? fail(`invalid duration ${JSON.stringify(value)}`);
    }
    case 'size':
      try {
        return parseValue(String(value));
      } catch {
        return fail(`invalid quantity ${JSON.stringify(value)}`);
      }
    case 'strings':
      return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
        ? value
        : fail('must be a list of texts');
    case 'map':
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : fail('must be a map');
    case 'objects':
      return Array.isArray(value) ? value : fail('must be a list');
  }
}

/** Source: pkg/kubelet/apis/config/validation. */
function validate(config: KubeletConfig): void {
  const fail = (message: string): never => {
    throw new ConfigurationError(`invalid configuration: ${message}`);
  };
  const percent = (name: string, value: number): void => {
    if (value < 0 || value > 100) fail(`${name} (--${name}) must be between 0 and 100, inclusive`);
  };
  percent('imageGCHighThresholdPercent', config.imageGCHighThresholdPercent);
  percent('imageGCLowThresholdPercent', config.imageGCLowThresholdPercent);
  if (config.imageGCLowThresholdPercent >= config.imageGCHighThresholdPercent)
    fail(
      `imageGCLowThresholdPercent (--image-gc-low-threshold) ${config.imageGCLowThresholdPercent} must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) ${config.imageGCHighThresholdPercent}`,
    );
  if (config.port < 1 || config.port > 65_535)
    fail(`port (--port) ${config.port} must be between 1 and 65535, inclusive`);
  if (config.userNamespaceIDsPerPod <= 0 || config.userNamespaceIDsPerPod % 65_536 !== 0)
    fail(`userNamespaces.idsPerPod ${config.userNamespaceIDsPerPod} must be a multiple of 65536`);
  if (config.maxPods < 0) fail(`maxPods (--max-pods) ${config.maxPods} must not be a negative number`);
  if (config.podsPerCore < 0) fail(`podsPerCore (--pods-per-core) ${config.podsPerCore} must not be a negative number`);
  if (config.nodeLeaseDurationSeconds <= 0) fail('nodeLeaseDurationSeconds must be greater than 0');
  if (config.nodeStatusMaxImages < -1) fail('nodeStatusMaxImages (--node-status-max-images) must be -1 or greater');
  if (config.containerLogMaxFiles <= 1) fail('containerLogMaxFiles must be greater than 1');
  if (config.serializeImagePulls && config.maxParallelImagePulls > 1)
    fail(
      `maxParallelImagePulls ${config.maxParallelImagePulls} must not be set or set to 1 when serializeImagePulls is true`,
    );
  if (config.shutdownGracePeriodMs < config.shutdownGracePeriodCriticalPodsMs)
    fail(
      `shutdownGracePeriod ${formatDuration(config.shutdownGracePeriodMs)} must be >= shutdownGracePeriodCriticalPods ${formatDuration(config.shutdownGracePeriodCriticalPodsMs)}`,
    );
  if (config.shutdownGracePeriodMs > 0 && config.shutdownGracePeriodByPodPriority.length > 0)
    fail('Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time');
  for (const name of config.enforceNodeAllocatable)
    if (!['none', 'pods'].includes(name))
      fail(
        `unsupported value ${JSON.stringify(name)} for enforceNodeAllocatable; this kubelet holds pods to it, or nobody (none)`,
      );
  if (!['', 'NoSwap', 'LimitedSwap'].includes(config.memorySwapBehavior))
    fail(
      `memorySwap.swapBehavior ${JSON.stringify(config.memorySwapBehavior)} must be one of: "", LimitedSwap or NoSwap`,
    );
  if (config.crashLoopBackOffMaxMs < 1000 || config.crashLoopBackOffMaxMs > 300_000)
    fail(
      `crashLoopBackOff.maxContainerRestartPeriod (${formatDuration(config.crashLoopBackOffMaxMs)}) must be between 1s and 300s`,
    );
  try {
    parseThresholds(config);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

/** The settings in force as a KubeletConfiguration, with all of upstream's defaults; what is empty is left out, as upstream does. */
export function configurationDocument(config: KubeletConfig): JsonObject {
  let result: JsonObject = applyMergePatch({ kind, apiVersion, ...defaultsWithoutEffect }, config.withoutEffect);
  for (const [path, [name, as]] of Object.entries(fields)) {
    const value = config[name];
    if (isEmpty(value) || (value === 0 && absentAtZero.has(path))) continue;
    if (name === 'userNamespaceIDsPerPod' && value === defaultKubeletConfig.userNamespaceIDsPerPod) continue;
    result = applyMergePatch(result, nested(path, written(value as JsonValue, as)));
  }
  return result;
}

const written = (value: JsonValue, as: FieldKind): JsonValue => {
  if (as === 'duration') return formatDuration(value as number);
  if (as === 'size') return binaryQuantity(value as number);
  return value;
};

/** Bytes as people write them: `10Mi`. */
function binaryQuantity(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti'];
  let i = 0;
  while (bytes !== 0 && bytes % 1024 === 0 && i < units.length - 1) {
    bytes /= 1024;
    i++;
  }
  return `${bytes}${units[i]}`;
}

const isEmpty = (value: unknown): boolean =>
  value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/** `a.b` and a value as `{ a: { b: value } }`. */
const nested = (path: string, value: JsonValue): JsonObject =>
  path.split('.').reduceRight<JsonValue>((inner, name) => ({ [name]: inner }), value) as JsonObject;

/**
 * KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1) as a file. Known fields without a meaning here are refused by name, unknown ones as
 * upstream refuses them: a scheduler that quietly ignores half of its configuration places pods wrongly.
 */
import { parseJson } from '../../api/codec/parse-json.ts';
import { parseYaml } from '../../api/codec/yaml.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { parseDuration } from '../../base/flags.ts';
import type { PluginArgs, SchedulerConfig } from '../../scheduler/index.ts';
import { ClusterError } from '../cluster-error.ts';

export interface SchedulerConfiguration {
  readonly scheduler: SchedulerConfig;
  readonly kubeconfig?: string;
  readonly leaderElection: {
    readonly leaderElect?: boolean;
    readonly leaseDurationMs?: number;
    readonly renewDeadlineMs?: number;
    readonly retryPeriodMs?: number;
    readonly resourceName?: string;
    readonly resourceNamespace?: string;
  };
}

const apiVersion = 'kubescheduler.config.k8s.io/v1';
const extensionPoints = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
];
const knownArgs: ReadonlySet<string> = new Set<keyof PluginArgs>([
  'DefaultPreemption',
  'InterPodAffinity',
  'NodeAffinity',
  'NodeResourcesBalancedAllocation',
  'NodeResourcesFit',
  'PodTopologySpread',
]);

/** @param file for messages. @param scoring names of the plugins that score by default. @throws ClusterError. */
export function parseSchedulerConfiguration(
  text: string,
  file: string,
  scoring: readonly string[],
): SchedulerConfiguration {
  const fail = (what: string, remedy = `mend "${file}"`): never => {
    throw new ClusterError(`"${file}": ${what}`, remedy);
  };
  let root: JsonValue;
  try {
    root = text.trimStart().startsWith('{') ? parseJson(text).value : parseYaml(Buffer.from(text)).value;
  } catch (error) {
    throw new ClusterError(`"${file}": ${(error as Error).message}`, `mend "${file}"`, { cause: error });
  }
  const fields = (
    value: JsonValue | undefined,
    at: string,
    known: readonly string[],
  ): Readonly<Record<string, JsonValue>> => {
    if (value === undefined || value === null) return {};
    if (typeof value !== 'object' || Array.isArray(value)) return fail(`${at || 'the file'} is no object`);
    for (const name of Object.keys(value))
      if (!known.includes(name))
        fail(`strict decoding error: unknown field ${JSON.stringify(at ? `${at}.${name}` : name)}`);
    return value as Readonly<Record<string, JsonValue>>;
  };
  const listAt = (value: JsonValue | undefined, at: string): readonly JsonValue[] =>
    value === undefined || value === null ? [] : Array.isArray(value) ? value : fail(`${at} is no list`);
  const duration = (value: JsonValue | undefined, at: string): number | undefined =>
    value === undefined
      ? undefined
      : (parseDuration(String(value)) ?? fail(`${at}: invalid duration ${JSON.stringify(value)}`));
  const refuse = (value: JsonValue | undefined, at: string): void => {
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return;
    fail(
      `${at} has no effect in Bireme yet, so it is refused`,
      "leave it out, or run upstream's kube-scheduler in this place",
    );
  };

  const top = fields(root, '', [
    'apiVersion',
    'kind',
    'clientConnection',
    'delayCacheUntilActive',
    'enableContentionProfiling',
    'enableProfiling',
    'extenders',
    'leaderElection',
    'parallelism',
    'percentageOfNodesToScore',
    'podInitialBackoffSeconds',
    'podMaxBackoffSeconds',
    'profiles',
  ]);
  if (top.apiVersion !== apiVersion || top.kind !== 'KubeSchedulerConfiguration')
    fail(
      `no kind "${String(top.kind)}" is registered for version "${String(top.apiVersion)}"; wanted KubeSchedulerConfiguration of ${apiVersion}`,
    );
  refuse(top.extenders, 'extenders');
  const connection = fields(top.clientConnection, 'clientConnection', [
    'kubeconfig',
    'acceptContentTypes',
    'contentType',
    'qps',
    'burst',
  ]);
  const election = fields(top.leaderElection, 'leaderElection', [
    'leaderElect',
    'leaseDuration',
    'renewDeadline',
    'retryPeriod',
    'resourceLock',
    'resourceName',
    'resourceNamespace',
  ]);
  const profiles = listAt(top.profiles, 'profiles');
  if (profiles.length > 1) refuse(profiles as JsonValue, 'profiles beyond the first');
  const profile = fields(profiles[0], 'profiles[0]', [
    'schedulerName',
    'percentageOfNodesToScore',
    'plugins',
    'pluginConfig',
  ]);
  const weights: Record<string, number> = {};
  const disabled: string[] = [];
  const plugins = fields(profile.plugins, 'profiles[0].plugins', ['multiPoint', 'score', ...extensionPoints]);
  const sets = (point: string) => {
    const at = `profiles[0].plugins.${point}`;
    const set = fields(plugins[point], at, ['enabled', 'disabled']);
    const named = (which: 'enabled' | 'disabled') =>
      listAt(set[which], `${at}.${which}`).map((entry, i) => {
        const { name, weight } = fields(entry, `${at}.${which}[${i}]`, ['name', 'weight']);
        return { name: String(name), weight: Number(weight ?? 0) };
      });
    return { enabled: named('enabled'), disabled: named('disabled') };
  };
  for (const point of extensionPoints) {
    const { enabled, disabled: off } = sets(point);
    if (enabled.length + off.length > 0) refuse({}, `profiles[0].plugins.${point}`);
  }
  const score = sets('score');
  if (score.disabled.some(({ name }) => name === '*')) for (const name of scoring) weights[name] = 0;
  for (const { name } of score.disabled) if (name !== '*') weights[name] = 0;
  for (const { name, weight } of score.enabled) weights[name] = weight || 1;
  const multiPoint = sets('multiPoint');
  for (const { name } of multiPoint.disabled) {
    if (name === '*') refuse({}, 'profiles[0].plugins.multiPoint.disabled "*"');
    disabled.push(name);
  }
  for (const { name, weight } of multiPoint.enabled) {
    if (!scoring.includes(name) && weight === 0) continue;
    weights[name] = weight || 1;
  }
  const pluginArgs: Record<string, JsonObject> = {};
  for (const [i, entry] of listAt(profile.pluginConfig, 'profiles[0].pluginConfig').entries()) {
    const { name, args } = fields(entry, `profiles[0].pluginConfig[${i}]`, ['name', 'args']);
    const { apiVersion: _version, kind: _kind, ...rest } = (args ?? {}) as Readonly<Record<string, JsonValue>>;
    if (!knownArgs.has(String(name))) {
      if (Object.keys(rest).length > 0) refuse({}, `profiles[0].pluginConfig "${String(name)}"`);
      continue;
    }
    pluginArgs[String(name)] = rest;
  }
  const share = profile.percentageOfNodesToScore ?? top.percentageOfNodesToScore;
  return {
    scheduler: {
      ...(typeof profile.schedulerName === 'string' ? { schedulerName: profile.schedulerName } : {}),
      ...(typeof share === 'number' ? { percentageOfNodesToScore: share } : {}),
      ...(typeof top.podInitialBackoffSeconds === 'number'
        ? { podInitialBackoffSeconds: top.podInitialBackoffSeconds }
        : {}),
      ...(typeof top.podMaxBackoffSeconds === 'number' ? { podMaxBackoffSeconds: top.podMaxBackoffSeconds } : {}),
      pluginArgs: pluginArgs as PluginArgs,
      weights,
      disabled,
    },
    ...(typeof connection.kubeconfig === 'string' && connection.kubeconfig !== ''
      ? { kubeconfig: connection.kubeconfig }
      : {}),
    leaderElection: withoutAbsent({
      leaderElect: election.leaderElect as boolean | undefined,
      leaseDurationMs: duration(election.leaseDuration, 'leaderElection.leaseDuration'),
      renewDeadlineMs: duration(election.renewDeadline, 'leaderElection.renewDeadline'),
      retryPeriodMs: duration(election.retryPeriod, 'leaderElection.retryPeriod'),
      resourceName: election.resourceName as string | undefined,
      resourceNamespace: election.resourceNamespace as string | undefined,
    }),
  };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
function withoutAbsent<T extends object>(from: T): Present<T> {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined)) as Present<T>;
}

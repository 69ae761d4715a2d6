/**
 * The command lines of single components (decision 15). Upstream's flags, their types and defaults are data (`schema/flags.json`); each
 * component says which of them have an effect here and which are accepted without one. Any other is refused, unless it asks for its default.
 */
import gateData from '../../../schema/feature-gates.json' with { type: 'json' };
import flagData from '../../../schema/flags.json' with { type: 'json' };
import { FlagError, type FlagSpec, type FlagSpecs, type Flags, parseFlags } from '../../base/flags.ts';
import { ClusterError } from '../cluster-error.ts';
import { version } from '../version.ts';

export type ComponentName = 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubelet' | 'kube-proxy';

export interface ComponentFlagTable {
  readonly component: ComponentName;
  readonly effective: readonly string[];
  /** Tuning that has nothing to tune here, and forms of logging: taken, without effect. */
  readonly accepted: readonly string[];
  /** Accepted with these values, which say what is so here anyway; refused with others. */
  readonly acceptedAs?: Readonly<Record<string, readonly string[]>>;
  /** Flags of ours that upstream does not have. All have an effect. */
  readonly own?: FlagSpecs;
}

/** Accepted by every component. */
const acceptedEverywhere: readonly string[] = [
  'contention-profiling',
  'profiling',
  'log-flush-frequency',
  'log-json-info-buffer-size',
  'log-json-split-stream',
  'log-text-info-buffer-size',
  'log-text-split-stream',
  'logging-format',
  'vmodule',
  'kube-api-burst',
  'kube-api-qps',
  'kube-api-content-type',
  'show-hidden-metrics-for-version',
];
const effectiveEverywhere: readonly string[] = ['help', 'version', 'v', 'feature-gates'];

const upstream = flagData as unknown as Readonly<Record<ComponentName, FlagSpecs>>;

export const specsOf = ({ component, own }: ComponentFlagTable): FlagSpecs => ({ ...upstream[component], ...own });

/** @throws ClusterError for a flag that upstream does not know either, in its words, or one without a meaning here. */
export function readComponentFlags(table: ComponentFlagTable, args: readonly string[]): Flags {
  const specs = specsOf(table);
  const command = `bireme ${commandOf[table.component]}`;
  let flags: Flags;
  try {
    flags = parseFlags(specs, args);
  } catch (error) {
    if (error instanceof FlagError) throw new ClusterError(error.message, `see "${command} --help"`, { cause: error });
    throw error;
  }
  checkFeatureGates(flags, command);
  for (const name of flags.given) {
    if (table.acceptedAs?.[name]?.includes(flags.text(name))) continue;
    if (stateOf(table, name) !== 'refused' || isDefault(specs[name]!, flags, name)) continue;
    throw new ClusterError(
      table.acceptedAs?.[name]
        ? `--${name}=${flags.text(name)} has no effect in Bireme, so it is refused`
        : `--${name} is a flag of ${table.component} that has no effect in Bireme yet, so it is refused`,
      `leave it out, or run upstream's ${table.component} in this place`,
    );
  }
  return flags;
}

const gates = gateData as Readonly<Record<string, boolean>>;

/** Features are as v1.36 has them by default: a gate that says so is taken, any other is refused. @throws ClusterError */
function checkFeatureGates(flags: Flags, command: string): void {
  for (const pair of flags.list('feature-gates')) {
    const equals = pair.indexOf('=');
    const name = (equals < 0 ? pair : pair.slice(0, equals)).replace(/^kube:/, '');
    const value = pair.slice(equals + 1);
    const fail = (what: string, remedy = `see "${command} --help"`): never => {
      throw new ClusterError(what, remedy);
    };
    if (equals < 0) fail(`missing bool value for ${name}`);
    if (!Object.hasOwn(gates, name)) fail(`unrecognized feature gate: ${name}`);
    const wanted = /^(1|t|T|TRUE|true|True)$/.test(value);
    if (!wanted && !/^(0|f|F|FALSE|false|False)$/.test(value))
      fail(
        `invalid value of ${name}=${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    if (wanted !== gates[name])
      fail(
        `--feature-gates=${name}=${wanted} has no effect in Bireme, whose features are as v1.36 has them by default, so it is refused`,
        'leave it out',
      );
  }
}

/** The subcommand of `bireme` that runs a component. */
export const commandOf: Readonly<Record<ComponentName, string>> = {
  'kube-apiserver': 'apiserver',
  'kube-controller-manager': 'controller-manager',
  'kube-scheduler': 'scheduler',
  kubelet: 'kubelet',
  'kube-proxy': 'proxy',
};

function stateOf(table: ComponentFlagTable, name: string): 'effect' | 'accepted' | 'refused' {
  if (table.own?.[name] || table.effective.includes(name) || effectiveEverywhere.includes(name)) return 'effect';
  if (table.acceptedAs?.[name]) return 'refused';
  return table.accepted.includes(name) || acceptedEverywhere.includes(name) ? 'accepted' : 'refused';
}

function isDefault(spec: FlagSpec, flags: Flags, name: string): boolean {
  const given = flags.text(name);
  const without = spec.default ?? (spec.type === 'bool' ? 'false' : '');
  return given === without || (spec.type === 'bool' && flags.bool(name) === (without === 'true'));
}

/** What `--help` prints: every flag with its type, default and what it does here. */
export function helpText(table: ComponentFlagTable): string {
  const specs = specsOf(table);
  const lines = Object.keys(specs)
    .sort()
    .map((name) => {
      const { type, default: value, shorthand } = specs[name]!;
      const written = `${shorthand ? `-${shorthand}, ` : '    '}--${name}${type === 'bool' ? '' : ` ${type}`}`;
      const state = stateOf(table, name);
      const only = table.acceptedAs?.[name];
      const told =
        state === 'effect'
          ? ''
          : state === 'accepted'
            ? 'accepted, without effect'
            : only
              ? `refused, but for ${only.join(', ')}`
              : 'refused';
      return `  ${written.padEnd(64)} ${[told, value === undefined ? '' : `(default ${value})`].filter(Boolean).join(' ')}`.trimEnd();
    });
  return `Usage:\n  bireme ${commandOf[table.component]} [flags]\n\nFlags, as ${table.component} ${version.kubernetes} names them:\n${lines.join('\n')}\n`;
}

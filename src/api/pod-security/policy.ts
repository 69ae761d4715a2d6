/** What a namespace's labels ask of its pods, and whether a pod does it. Source: k8s.io/pod-security-admission/{api,policy}. */
import type { FieldError } from '../errors.ts';
import type { PodSpec } from '../types/core-v1.ts';
import type { ObjectMeta } from '../types/meta-v1.ts';
import { baselineChecks } from './baseline.ts';
import type { Check, PodCheck, Violation } from './check.ts';
import { restrictedChecks } from './restricted.ts';

const levels = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof levels)[number];

export interface LevelVersion {
  readonly level: Level;
  /** The minor version whose checks count; `latest` is infinite. */
  readonly minor: number;
}
export interface Policy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
}

const free: LevelVersion = Object.freeze({ level: 'privileged', minor: Number.POSITIVE_INFINITY });
/** What holds in a namespace without labels. */
export const freePolicy: Policy = Object.freeze({ enforce: free, audit: free, warn: free });

const prefix = 'pod-security.kubernetes.io/';
const modes = ['enforce', 'audit', 'warn'] as const;

export const levelText = ({ level, minor }: LevelVersion): string =>
  `${level}:${Number.isFinite(minor) ? `v1.${minor}` : 'latest'}`;

/** Positive where `a` is stricter. */
export const compareLevels = (a: Level, b: Level): number => levels.indexOf(a) - levels.indexOf(b);

export const isFree = ({ enforce, audit, warn }: Policy): boolean =>
  enforce.level === 'privileged' && audit.level === 'privileged' && warn.level === 'privileged';

export interface ReadPolicy {
  /** With errors: the strictest level for enforce, the freest for the others. */
  readonly policy: Policy;
  readonly errors: readonly FieldError[];
}
const freeRead: ReadPolicy = Object.freeze({ policy: freePolicy, errors: [] });

export function policyOf(labels: Readonly<Record<string, string>> | undefined): ReadPolicy {
  if (!labels || !hasPolicyLabel(labels)) return freeRead;
  const errors: FieldError[] = [];
  const note = (label: string, value: string, why: string): void => {
    errors.push({
      type: 'FieldValueInvalid',
      field: `metadata.labels[${label}]`,
      message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
    });
  };
  const read: Record<(typeof modes)[number], LevelVersion> = { enforce: free, audit: free, warn: free };
  for (const mode of modes) {
    let { level, minor } = free;
    const levelLabel = labels[prefix + mode];
    if (levelLabel !== undefined) {
      const known = levels.find((each) => each === levelLabel);
      if (!known) note(prefix + mode, levelLabel, `must be one of ${levels.join(', ')}`);
      level = known ?? (mode === 'enforce' ? 'restricted' : 'privileged');
    }
    const versionLabel = labels[`${prefix}${mode}-version`];
    if (versionLabel !== undefined && versionLabel !== 'latest') {
      const [, digits] = /^v1\.([0-9]|[1-9][0-9]*)$/.exec(versionLabel) ?? [];
      if (digits === undefined) note(`${prefix}${mode}-version`, versionLabel, 'must be "latest" or "v1.x"');
      else minor = Number(digits);
    }
    read[mode] = { level, minor };
  }
  const { enforce, warn } = read;
  const enforceIsGood = levels.some((level) => level === labels[`${prefix}enforce`]);
  // Who enforces and says nothing of warnings is warned of the same.
  if (labels[`${prefix}warn`] === undefined && enforceIsGood && compareLevels(enforce.level, warn.level) > 0)
    read.warn = {
      level: enforce.level,
      minor: labels[`${prefix}warn-version`] === undefined ? enforce.minor : warn.minor,
    };
  return { policy: read, errors };
}

function hasPolicyLabel(labels: Readonly<Record<string, string>>): boolean {
  for (const key in labels) if (key.startsWith(prefix)) return true;
  return false;
}

/** The form of a check that holds at a minor version. */
function formAt({ versions }: Check, minor: number): PodCheck | undefined {
  for (let i = versions.length - 1; i >= 0; i--) if (versions[i]![0] <= minor) return versions[i]![1];
  return undefined;
}

/** Baseline's first, each in the order of its id. */
export function violations({ level, minor }: LevelVersion, spec: PodSpec, metadata: ObjectMeta): readonly Violation[] {
  if (level === 'privileged') return [];
  const checks: PodCheck[] = [];
  const overridden = new Set<string>();
  const restricted: PodCheck[] = [];
  if (level === 'restricted')
    for (const check of restrictedChecks) {
      const form = formAt(check, minor);
      if (!form) continue;
      restricted.push(form);
      for (const id of check.overrides ?? []) overridden.add(id);
    }
  for (const check of baselineChecks) {
    const form = overridden.has(check.id) ? undefined : formAt(check, minor);
    if (form) checks.push(form);
  }
  const found: Violation[] = [];
  for (const check of [...checks, ...restricted]) {
    const violation = check(spec, metadata);
    if (violation) found.push(violation);
  }
  return found;
}

export const reasonsText = (found: readonly Violation[]): string => found.map(({ reason }) => reason).join(', ');
export const detailsText = (found: readonly Violation[]): string =>
  found.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');

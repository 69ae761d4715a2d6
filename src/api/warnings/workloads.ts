/** Warnings of the kinds that carry a pod template. */
import { checkDns1123Label } from '../names.ts';
import type { StatefulSet } from '../types/apps-v1.ts';
import type { CronJob, Job, JobSpec } from '../types/batch-v1.ts';
import type { Pod, PodTemplate, PodTemplateSpec } from '../types/core-v1.ts';
import { claimSpecWarnings, podWarnings, templateWarnings } from './pods.ts';

interface Templated {
  readonly metadata: { readonly name?: string; readonly generation?: number };
  readonly spec?: { readonly template?: PodTemplateSpec };
}

const inPodNames =
  'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended';
const inHostname =
  "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";

/** What the name would do to names made from it. */
function nameWarnings(name: string, message: string): readonly string[] {
  const wrong = checkDns1123Label(name);
  return wrong.length > 0 ? [`${message}: [${wrong.join(' ')}]`] : [];
}

const generation = (object: { readonly metadata: { readonly generation?: number } }): number =>
  Number(object.metadata.generation ?? 0);

export function newPodWarnings(pod: Pod): readonly string[] {
  const warnings = podWarnings(pod);
  const name = nameWarnings(pod.metadata.name ?? '', inHostname);
  return name.length > 0 ? [...name, ...warnings] : warnings;
}

export const newTemplatedWarnings = (object: Templated, { named = true } = {}): readonly string[] => [
  ...(named ? nameWarnings(object.metadata.name ?? '', inPodNames) : []),
  ...templateWarnings(object.spec?.template, 'spec.template'),
];

/** A change that leaves what was asked for as it is says nothing again. */
export const changedTemplatedWarnings = (next: Templated, previous: Templated): readonly string[] =>
  generation(next) === generation(previous) ? [] : templateWarnings(next.spec?.template, 'spec.template');

export const newPodTemplateWarnings = ({ template }: PodTemplate): readonly string[] =>
  templateWarnings(template, 'template');

export const changedPodTemplateWarnings = (next: PodTemplate, previous: PodTemplate): readonly string[] =>
  generation(next) === generation(previous) ? [] : templateWarnings(next.template, 'template');

export const newStatefulSetWarnings = (set: StatefulSet): readonly string[] =>
  statefulSetWarnings(set, newTemplatedWarnings(set as Templated, { named: false }), '');

export const changedStatefulSetWarnings = (next: StatefulSet, previous: StatefulSet): readonly string[] =>
  statefulSetWarnings(next, changedTemplatedWarnings(next as Templated, previous as Templated), '.Spec');

function statefulSetWarnings({ spec }: StatefulSet, template: readonly string[], below: string): readonly string[] {
  const out = [...template];
  for (const [i, claim] of (spec?.volumeClaimTemplates ?? []).entries())
    claimSpecWarnings(out, claim.spec, `spec.volumeClaimTemplates[${i}]${below}`);
  if (Number(spec?.revisionHistoryLimit ?? 0) < 0)
    out.push(
      'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
    );
  return out;
}

function jobSpecWarnings(spec: JobSpec | undefined, field: string): readonly string[] {
  if (!spec) return [];
  const many =
    spec.completionMode === 'Indexed' &&
    Number(spec.completions ?? 0) > 100_000 &&
    Number(spec.parallelism ?? 0) > 10_000;
  return [
    ...(many
      ? [
          `${field}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail`,
        ]
      : []),
    ...templateWarnings(spec.template, `${field}.template`),
  ];
}

export const newJobWarnings = (job: Job): readonly string[] => [
  ...nameWarnings(job.metadata.name ?? '', inPodNames),
  ...jobSpecWarnings(job.spec, 'spec'),
];

export const changedJobWarnings = (next: Job, previous: Job): readonly string[] =>
  generation(next) === generation(previous) ? [] : jobSpecWarnings(next.spec, 'spec');

export const newCronJobWarnings = (job: CronJob): readonly string[] => [
  ...nameWarnings(job.metadata.name ?? '', inPodNames),
  ...jobSpecWarnings(job.spec?.jobTemplate?.spec, 'spec.jobTemplate.spec'),
];

export const changedCronJobWarnings = (next: CronJob, previous: CronJob): readonly string[] => [
  ...(generation(next) === generation(previous)
    ? []
    : jobSpecWarnings(next.spec?.jobTemplate?.spec, 'spec.jobTemplate.spec')),
  ...(next.spec?.schedule?.includes('TZ')
    ? [
        'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details',
      ]
    : []),
];

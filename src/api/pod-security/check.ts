/** What a check of the Pod Security Standards is, and the words all of them share. Source: k8s.io/pod-security-admission/policy. */
import type { Container, PodSpec } from '../types/core-v1.ts';
import type { ObjectMeta } from '../types/meta-v1.ts';

/** What speaks against a pod. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}
export type PodCheck = (spec: PodSpec, metadata: ObjectMeta) => Violation | undefined;

export interface Check {
  readonly id: string;
  /** From which minor version on which form holds; ascending. */
  readonly versions: readonly (readonly [since: number, check: PodCheck])[];
  /** The baseline checks that this restricted one takes the place of. */
  readonly overrides?: readonly string[];
}

/** Init containers first, ephemeral ones last. */
export function containersOf(spec: PodSpec): readonly Container[] {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = spec;
  if (initContainers.length === 0 && ephemeralContainers.length === 0) return containers ?? [];
  return [...initContainers, ...(containers ?? []), ...(ephemeralContainers as readonly Container[])];
}

export const namesOf = (spec: PodSpec, isBad: (container: Container) => boolean): readonly string[] =>
  containersOf(spec)
    .filter(isBad)
    .map(({ name }) => name);

export const quoted = (items: Iterable<string>): string => [...items].map((item) => `"${item}"`).join(', ');
export const sorted = (items: Iterable<string>): readonly string[] => [...items].sort();
export const plural = (count: number, one: string, many: string): string => (count === 1 ? one : many);
export const containerList = (names: readonly string[]): string =>
  `${plural(names.length, 'container', 'containers')} ${quoted(names)}`;

/** `pod and containers "a", "b"`; empty when nobody is to blame. */
export function setters(pod: boolean, containers: readonly string[]): string {
  const parts = pod ? ['pod'] : [];
  if (containers.length > 0) parts.push(containerList(containers));
  return parts.join(' and ');
}

/** In a user namespace of its own, root is nobody outside. */
export const hasOwnUsers = ({ hostUsers }: PodSpec): boolean => hostUsers === false;
export const isWindows = ({ os }: PodSpec): boolean => os?.name === 'windows';

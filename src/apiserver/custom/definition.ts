/** What a CustomResourceDefinition says, read without judging it: validation has. */
import type { JsonObject } from '../../api/json.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionVersion,
} from '../../api/types/apiextensions-v1.ts';

export const definitionGroup = 'apiextensions.k8s.io';
export const definitionResource = 'customresourcedefinitions';
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export const asDefinition = (object: JsonObject): CustomResourceDefinition =>
  object as unknown as CustomResourceDefinition;

export const conditionOf = (
  { status }: CustomResourceDefinition,
  type: string,
): CustomResourceDefinitionCondition | undefined => status?.conditions?.find((condition) => condition.type === type);

export const isTrue = (definition: CustomResourceDefinition, type: string): boolean =>
  conditionOf(definition, type)?.status === 'True';

/** Served at all: its names were accepted, or it was established before they were taken. */
export const isServed = (definition: CustomResourceDefinition): boolean =>
  isTrue(definition, 'NamesAccepted') || isTrue(definition, 'Established');

export const storageVersionOf = ({ spec }: CustomResourceDefinition): CustomResourceDefinitionVersion | undefined =>
  spec.versions.find(({ storage }) => storage);

/** `v1` before `v1beta1` before `foo`; newer before older. Negative: a comes first. Source: apimachinery/pkg/version (CompareKubeAwareVersionStrings). */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [parseVersion(a), parseVersion(b)];
  if (x && !y) return -1;
  if (!x && y) return 1;
  if (!x || !y) return a < b ? -1 : 1;
  return y.level - x.level || y.major - x.major || y.minor - x.minor;
}

function parseVersion(
  text: string,
): { readonly level: number; readonly major: number; readonly minor: number } | undefined {
  const parts = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(text);
  if (!parts) return undefined;
  const level = parts[2] === undefined ? 2 : parts[2] === 'beta' ? 1 : 0;
  return { level, major: Number(parts[1]), minor: Number(parts[3] ?? 0) };
}

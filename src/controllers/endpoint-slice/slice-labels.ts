/** The labels of a Service's slices. Source: setEndpointSliceLabels in staging/src/k8s.io/endpointslice/utils.go. */
import type { Service } from '../../api/types/core-v1.ts';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const headlessLabel = 'service.kubernetes.io/headless';
const reserved = new Set([serviceNameLabel, managedByLabel, headlessLabel]);

export const isHeadless = ({ spec }: Service): boolean => !spec?.clusterIP || spec.clusterIP === 'None';

/** The Service's own labels, but for the reserved ones, which say whose slice it is. */
export function sliceLabels(service: Service, managedBy: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(service.metadata.labels ?? {})) if (!reserved.has(key)) labels[key] = value;
  if (isHeadless(service)) labels[headlessLabel] = '';
  labels[serviceNameLabel] = service.metadata.name!;
  labels[managedByLabel] = managedBy;
  return labels;
}

/**
 * HorizontalPodAutoscaler autoscaling/v2 (stored) and v1, which knows one CPU target only. What v1 cannot say travels in annotations, which
 * exist on v1 objects and nowhere else. Source: pkg/apis/autoscaling/v1/conversion.go.
 */
import { decodeObject, encodeText } from '../codec/index.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { StructType } from '../schema/model.ts';
import {
  behaviorFromText,
  behaviorToText,
  isCpuUtilization,
  metricFromV1,
  metricStatusFromV1,
  metricStatusToV1,
  metricToV1,
} from './hpa-metrics.ts';

const annotationOf = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
} as const;
const ownAnnotations: ReadonlySet<string> = new Set([
  ...Object.values(annotationOf),
  'autoscaling.alpha.kubernetes.io/scale-down-tolerance',
  'autoscaling.alpha.kubernetes.io/scale-up-tolerance',
]);

/** The annotations that stay when a v2 object is written: there they say nothing. The same ones when all do. */
export const annotationsOfV2 = (object: JsonObject): JsonObject | undefined =>
  annotationsWithout(object, ownAnnotations);

/** The same of a v1 object: of what cannot be read, or says nothing, no trace is kept. */
export function annotationsOfV1(object: JsonObject): JsonObject | undefined {
  const idle = new Set<string>(ownAnnotations);
  for (const name of [annotationOf.metrics, annotationOf.currentMetrics, annotationOf.conditions])
    if (annotatedList(object, name)) idle.delete(name);
  if (behaviorFromText(annotation(object, annotationOf.behavior)) !== undefined) idle.delete(annotationOf.behavior);
  return annotationsWithout(object, idle);
}

function annotationsWithout(object: JsonObject, names: ReadonlySet<string>): JsonObject | undefined {
  const given = part(object, 'metadata')['annotations'] as JsonObject | undefined;
  if (given === undefined || !Object.keys(given).some((name) => names.has(name))) return given;
  const kept = Object.entries(given).filter(([name]) => !names.has(name));
  return kept.length > 0 ? Object.freeze(Object.fromEntries(kept)) : undefined;
}

/** Metrics of a v1 object besides the CPU utilization that has a field. */
export const hasAnnotatedMetrics = (object: JsonObject): boolean =>
  annotatedList(object, annotationOf.metrics) !== undefined;

export function autoscalerToV1(object: JsonObject, type: StructType): JsonObject {
  const spec = part(object, 'spec');
  const status = part(object, 'status');
  const metrics = list(spec['metrics']);
  const currentMetrics = list(status['currentMetrics']);
  const conditions = list(status['conditions']);
  const others = metrics.filter((metric) => !isCpuUtilization(metric)).map(metricToV1);
  const annotations: Record<string, JsonValue | undefined> = { ...withoutOwn(object) };
  if (others.length > 0) annotations[annotationOf.metrics] = encodeText(others);
  // All of them, even a CPU utilization that v1 has a field for: the raw value has no other place.
  if (currentMetrics.length > 0)
    annotations[annotationOf.currentMetrics] = encodeText(currentMetrics.map(metricStatusToV1));
  if (spec['behavior'] !== undefined) annotations[annotationOf.behavior] = behaviorToText(part(spec, 'behavior'));
  if (conditions.length > 0) annotations[annotationOf.conditions] = encodeText(conditions);
  const { metrics: _metrics, behavior: _behavior, ...restOfSpec } = spec;
  const { currentMetrics: _currentMetrics, conditions: _conditions, ...restOfStatus } = status;
  return canonical(type, {
    ...object,
    metadata: withAnnotations(object, annotations),
    spec: { ...restOfSpec, ...optional('targetCPUUtilizationPercentage', cpuUtilization(metrics, 'target')) },
    status: {
      ...restOfStatus,
      ...optional('currentCPUUtilizationPercentage', cpuUtilization(currentMetrics, 'current')),
    },
  });
}

export function autoscalerToV2(object: JsonObject, type: StructType): JsonObject {
  const { targetCPUUtilizationPercentage, ...spec } = part(object, 'spec');
  const { currentCPUUtilizationPercentage, ...status } = part(object, 'status');
  const cpu = (name: 'target' | 'current', percent: JsonValue | undefined): JsonObject[] =>
    percent === undefined
      ? []
      : [
          {
            type: 'Resource',
            resource: {
              name: 'cpu',
              [name]: { ...(name === 'target' ? { type: 'Utilization' } : {}), averageUtilization: percent },
            },
          },
        ];
  const metrics = [
    ...(annotatedList(object, annotationOf.metrics)?.map(metricFromV1) ?? []),
    ...cpu('target', targetCPUUtilizationPercentage),
  ];
  const currentMetrics =
    annotatedList(object, annotationOf.currentMetrics)?.map(metricStatusFromV1) ??
    cpu('current', currentCPUUtilizationPercentage);
  const behavior = behaviorFromText(annotation(object, annotationOf.behavior));
  const conditions = annotatedList(object, annotationOf.conditions);
  return canonical(type, {
    ...object,
    metadata: withAnnotations(object, withoutOwn(object)),
    spec: { ...spec, ...(metrics.length === 0 ? {} : { metrics }), ...optional('behavior', behavior) },
    status: {
      ...status,
      ...(currentMetrics.length === 0 ? {} : { currentMetrics }),
      ...optional('conditions', conditions),
    },
  });
}

/** The tree in the target's field order with its zeros; values are fine already, so nothing can be refused but an annotation's content. */
function canonical(type: StructType, object: JsonObject): JsonObject {
  return decodeObject({ value: object }, type, { fieldValidation: 'Ignore' }).object;
}

const optional = (name: string, value: JsonValue | undefined): JsonObject =>
  value === undefined ? {} : { [name]: value };
const part = (object: JsonObject, name: string): JsonObject => (object[name] ?? {}) as JsonObject;
const list = (value: JsonValue | undefined): readonly JsonObject[] => (Array.isArray(value) ? value : []);

function cpuUtilization(metrics: readonly JsonObject[], name: 'target' | 'current'): JsonValue | undefined {
  const cpu = metrics.find((metric) => metric['type'] === 'Resource' && part(metric, 'resource')['name'] === 'cpu');
  return cpu && part(part(cpu, 'resource'), name)['averageUtilization'];
}

function annotation(object: JsonObject, name: string): string | undefined {
  const annotations = part(part(object, 'metadata'), 'annotations');
  const text = Object.hasOwn(annotations, name) ? annotations[name] : undefined;
  return typeof text === 'string' ? text : undefined;
}

/** A list of objects from an annotation; anything else, or an empty list, is passed over as upstream does. */
function annotatedList(object: JsonObject, name: string): readonly JsonObject[] | undefined {
  const text = annotation(object, name);
  if (text === undefined) return undefined;
  const value = parseOrNothing(text);
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null);
  return isList && value.length > 0 ? (value as readonly JsonObject[]) : undefined;
}

/** Annotations are the user's: malformed ones count as absent. */
function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function withoutOwn(object: JsonObject): JsonObject {
  const annotations = part(part(object, 'metadata'), 'annotations');
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => !ownAnnotations.has(name)));
}

function withAnnotations(object: JsonObject, annotations: JsonObject): JsonObject {
  const { annotations: _old, ...metadata } = part(object, 'metadata');
  return Object.keys(annotations).length === 0 ? metadata : { ...metadata, annotations };
}

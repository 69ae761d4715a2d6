/** Metrics and scaling behaviour of a HorizontalPodAutoscaler as autoscaling/v1 writes them into annotations, and back to v2. */
import { encodeText } from '../codec/index.ts';
import type { JsonObject, JsonValue } from '../json.ts';

const sources = ['object', 'pods', 'resource', 'containerResource', 'external'] as const;
type Source = (typeof sources)[number];

/** The one metric v1 has a field for. */
export function isCpuUtilization(metric: JsonObject): boolean {
  const resource = metric['type'] === 'Resource' ? part(metric, 'resource') : {};
  return resource['name'] === 'cpu' && part(resource, 'target')['averageUtilization'] !== undefined;
}

export const metricToV1 = (metric: JsonObject): JsonObject => mapSource(metric, sourceToV1);
export const metricFromV1 = (metric: JsonObject): JsonObject => mapSource(metric, sourceFromV1);
export const metricStatusToV1 = (status: JsonObject): JsonObject => mapSource(status, statusToV1);
export const metricStatusFromV1 = (status: JsonObject): JsonObject => mapSource(status, statusFromV1);

function mapSource(metric: JsonObject, convert: (kind: Source, source: JsonObject) => JsonObject): JsonObject {
  const result: Record<string, JsonValue> = { type: metric['type'] ?? '' };
  for (const kind of sources) {
    const source = metric[kind];
    if (typeof source === 'object' && source !== null) result[kind] = convert(kind, source as JsonObject);
  }
  return result;
}

/** Key order is that of upstream's v1 structs: the annotation's text is compared by tools. */
function sourceToV1(kind: Source, source: JsonObject): JsonObject {
  const target = part(source, 'target');
  const metric = part(source, 'metric');
  switch (kind) {
    case 'object':
      return compact({
        target: source['describedObject'] ?? {},
        metricName: metric['name'] ?? '',
        targetValue: target['value'] ?? '0',
        selector: metric['selector'],
        averageValue: target['averageValue'],
      });
    case 'pods':
      return compact({
        metricName: metric['name'] ?? '',
        targetAverageValue: target['averageValue'] ?? '0',
        selector: metric['selector'],
      });
    case 'resource':
    case 'containerResource':
      return compact({
        name: source['name'] ?? '',
        targetAverageUtilization: target['averageUtilization'],
        targetAverageValue: target['averageValue'],
        container: source['container'],
      });
    case 'external':
      return compact({
        metricName: metric['name'] ?? '',
        metricSelector: metric['selector'],
        targetValue: target['value'],
        targetAverageValue: target['averageValue'],
      });
  }
}

function sourceFromV1(kind: Source, source: JsonObject): JsonObject {
  const metric = compact({
    name: source['metricName'] ?? '',
    selector: source['selector'] ?? source['metricSelector'],
  });
  switch (kind) {
    case 'object':
      return {
        describedObject: source['target'] ?? {},
        target: compact({
          type: source['averageValue'] === undefined ? 'Value' : 'AverageValue',
          value: source['targetValue'],
          averageValue: source['averageValue'],
        }),
        metric,
      };
    case 'pods':
      return { metric, target: compact({ type: 'AverageValue', averageValue: source['targetAverageValue'] }) };
    case 'resource':
    case 'containerResource':
      return compact({
        name: source['name'] ?? '',
        target: compact({
          type: source['targetAverageUtilization'] === undefined ? 'AverageValue' : 'Utilization',
          averageValue: source['targetAverageValue'],
          averageUtilization: source['targetAverageUtilization'],
        }),
        container: source['container'],
      });
    case 'external':
      return {
        metric,
        target: compact({
          type: source['targetAverageValue'] === undefined ? 'Value' : 'AverageValue',
          value: source['targetValue'],
          averageValue: source['targetAverageValue'],
        }),
      };
  }
}

function statusToV1(kind: Source, status: JsonObject): JsonObject {
  const current = part(status, 'current');
  const metric = part(status, 'metric');
  switch (kind) {
    case 'object':
      return compact({
        target: status['describedObject'] ?? {},
        metricName: metric['name'] ?? '',
        currentValue: current['value'] ?? '0',
        selector: metric['selector'],
        averageValue: current['averageValue'],
      });
    case 'pods':
      return compact({
        metricName: metric['name'] ?? '',
        currentAverageValue: current['averageValue'] ?? '0',
        selector: metric['selector'],
      });
    case 'resource':
    case 'containerResource':
      return compact({
        name: status['name'] ?? '',
        currentAverageUtilization: current['averageUtilization'],
        currentAverageValue: current['averageValue'] ?? '0',
        container: status['container'],
      });
    case 'external':
      return compact({
        metricName: metric['name'] ?? '',
        metricSelector: metric['selector'],
        currentValue: current['value'] ?? '0',
        currentAverageValue: current['averageValue'],
      });
  }
}

function statusFromV1(kind: Source, status: JsonObject): JsonObject {
  const metric = compact({
    name: status['metricName'] ?? '',
    selector: status['selector'] ?? status['metricSelector'],
  });
  switch (kind) {
    case 'object':
      return {
        metric,
        current: compact({ value: status['currentValue'], averageValue: status['averageValue'] }),
        describedObject: status['target'] ?? {},
      };
    case 'pods':
      return { metric, current: compact({ averageValue: status['currentAverageValue'] }) };
    case 'resource':
    case 'containerResource':
      return compact({
        name: status['name'] ?? '',
        current: compact({
          averageValue: status['currentAverageValue'],
          averageUtilization: status['currentAverageUtilization'],
        }),
        container: status['container'],
      });
    case 'external':
      return {
        metric,
        current: compact({ value: status['currentValue'], averageValue: status['currentAverageValue'] }),
      };
  }
}

/** Upstream writes its internal struct here: capitalized names, nulls for what is not set. */
export function behaviorToText(behavior: JsonObject): string {
  const rules = (name: string): JsonValue => {
    const given = behavior[name] as JsonObject | undefined;
    if (given === undefined) return null;
    const policies = given['policies'] as readonly JsonObject[] | undefined;
    return {
      StabilizationWindowSeconds: given['stabilizationWindowSeconds'] ?? null,
      SelectPolicy: given['selectPolicy'] ?? null,
      Policies:
        policies?.map((policy) => ({
          Type: policy['type'] ?? '',
          Value: policy['value'] ?? 0,
          PeriodSeconds: policy['periodSeconds'] ?? 0,
        })) ?? null,
      Tolerance: given['tolerance'] ?? null,
    };
  };
  return encodeText({ ScaleUp: rules('scaleUp'), ScaleDown: rules('scaleDown') });
}

/** `undefined` when the text is missing, malformed or says nothing. Names are read whatever their case, as Go does. */
export function behaviorFromText(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const behavior = uncapitalized(value as JsonValue);
  if (typeof behavior !== 'object' || behavior === null || Array.isArray(behavior)) return undefined;
  return Object.keys(behavior).length === 0 ? undefined : (behavior as JsonObject);
}

/** Keys with a small first letter, nulls left out. */
function uncapitalized(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(uncapitalized);
  const result: Record<string, JsonValue> = {};
  for (const [key, child] of Object.entries(value as JsonObject))
    if (child !== null && child !== undefined)
      result[key.charAt(0).toLowerCase() + key.slice(1)] = uncapitalized(child);
  return result;
}

const part = (object: JsonObject, name: string): JsonObject => (object[name] ?? {}) as JsonObject;

function compact(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

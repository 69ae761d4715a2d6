/**
 * How much the API server does at a time and for whom (priority and fairness): each request is put under a FlowSchema, gets a seat of its priority level or waits for one,
 * and answers carry both uids. Watches and other long requests hold a seat only until they have begun. Source: apiserver/pkg/server/filters/priority-and-fairness.go.
 */
import type { JsonObject } from '../../api/json.ts';
import { formatTime } from '../../api/time.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/types/flowcontrol-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { StatusWriter } from '../registry/status-writer.ts';
import type { RequestInfo } from '../request-info.ts';
import { type CompiledSchema, compileSchemas, schemaFor } from './classify.ts';
import { createFlowMetrics, type FlowCounts } from './metrics.ts';
import { levelSettings, PriorityLevel, type Seating } from './priority-level.ts';

export interface FlowOptions {
  readonly reader: ObjectReader;
  readonly writer: StatusWriter;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** `--max-requests-inflight` and `--max-mutating-requests-inflight` together. */
  readonly concurrency: number;
  /** `--request-timeout`: a request waits a quarter of it at most. */
  readonly requestTimeoutMs: number;
}

/** Where a request stands: its headers, and the seat it may hold. */
export interface Flight {
  readonly schema: CompiledSchema;
  readonly level: PriorityLevel;
  readonly counts: FlowCounts;
}

export interface FlowControl {
  /** @returns undefined for what is not counted: long requests that are no watches, or a server without FlowSchemas */
  classify(user: UserInfo, info: RequestInfo): Flight | undefined;
  /** A seat, now or later. Given back by `leave`. */
  enter(flight: Flight, user: UserInfo, info: RequestInfo, signal: () => AbortSignal): Seating | Promise<Seating>;
  leave(flight: Flight): void;
  /** Keeps the condition Dangling of FlowSchemas. Resolves when `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

const flowGroup = 'flowcontrol.apiserver.k8s.io';
/** Classifications remembered for one user; then forgotten together. */
const rememberedMax = 512;
const keyLengthMax = 256;
const longRunning: ReadonlySet<string> = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

/** Requests without an end of their own: no deadline, and except for watches no seat. */
export const isLongRunning = (info: RequestInfo): boolean =>
  info.verb === 'watch' || info.verb === 'proxy' || (info.isResourceRequest && longRunning.has(info.subresource));

export function createFlowControl(options: FlowOptions): FlowControl {
  const { reader, clock, concurrency } = options;
  const levels = new Map<string, PriorityLevel>();
  let schemas: readonly CompiledSchema[] = [];
  let memo = new WeakMap<UserInfo, Map<string, Flight | undefined>>();
  let stale = true;
  let wake: (() => void) | undefined;
  const changed = ({ type, object, previous }: { type: string; object: JsonObject; previous?: JsonObject }): void => {
    // Our own writes of a status change nothing here.
    if (type === 'MODIFIED' && previous?.spec === object.spec) return;
    stale = true;
    wake?.();
  };
  reader.onChange(flowGroup, 'flowschemas', changed);
  reader.onChange(flowGroup, 'prioritylevelconfigurations', changed);

  const mayBorrow = (level: PriorityLevel): boolean => {
    let taken = 0;
    for (const other of levels.values()) {
      if (other.settings.exempt) continue;
      taken += other === level ? other.executing : other.guaranteed;
    }
    return taken < concurrency;
  };
  const refresh = (): void => {
    stale = false;
    memo = new WeakMap();
    const configured = reader.list(
      flowGroup,
      'prioritylevelconfigurations',
      '',
    ) as unknown as readonly PriorityLevelConfiguration[];
    const names = new Set(configured.map(({ metadata }) => metadata.name ?? ''));
    for (const name of levels.keys()) if (!names.has(name) && levels.get(name)!.executing === 0) levels.delete(name);
    for (const each of configured) {
      const { name = '', uid = '' } = each.metadata;
      const settings = levelSettings(each);
      const level = levels.get(name);
      if (level) {
        level.settings = settings;
        level.uid = uid;
      } else levels.set(name, new PriorityLevel(name, uid, settings, clock, mayBorrow));
    }
    let shares = 0;
    for (const { settings } of levels.values()) shares += settings.shares;
    for (const level of levels.values())
      level.nominal = shares === 0 ? 0 : Math.ceil((concurrency * level.settings.shares) / shares);
    schemas = compileSchemas(reader.list(flowGroup, 'flowschemas', '') as unknown as readonly FlowSchema[], names);
    for (const level of levels.values()) level.dispatch();
  };
  const metrics = createFlowMetrics(options.metrics, () => levels.values(), concurrency);

  const lookUp = (user: UserInfo, info: RequestInfo): Flight | undefined => {
    const schema = schemaFor(schemas, user, info);
    const level = schema && levels.get(schema.level);
    return schema && level ? { schema, level, counts: metrics.of(schema.name, level.name) } : undefined;
  };
  return {
    classify(user, info) {
      if (stale) refresh();
      if (schemas.length === 0 || (info.verb !== 'watch' && isLongRunning(info))) return undefined;
      let known = memo.get(user);
      if (!known) memo.set(user, (known = new Map()));
      const key = info.isResourceRequest
        ? `${info.verb} ${info.apiGroup}/${info.resource}/${info.subresource} ${info.namespace}`
        : `${info.verb} ${info.path}`;
      let flight = known.get(key);
      if (flight === undefined && !known.has(key)) {
        flight = lookUp(user, info);
        if (known.size >= rememberedMax) known.clear();
        // A caller chooses what stands in a path: what is long is not worth its memory.
        if (key.length <= keyLengthMax) known.set(key, flight);
      }
      return flight;
    },
    enter({ schema, level, counts }, user, info, signal) {
      const flow = (): string => {
        const by = schema.distinguisher;
        return `${schema.name}\n${by === 'ByUser' ? user.name : by === 'ByNamespace' ? info.namespace : ''}`;
      };
      const seating = level.enter(flow, Math.min(options.requestTimeoutMs / 4, 60_000), signal);
      if (!(seating instanceof Promise)) {
        if (seating === 'seated') {
          counts.dispatched++;
          counts.executing++;
        } else counts.refused(seating).add();
        return seating;
      }
      const started = clock.monotonic();
      counts.waiting++;
      return seating.then((settled) => {
        counts.waiting--;
        counts.waited(settled === 'seated').observe((clock.monotonic() - started) / 1000);
        if (settled === 'seated') {
          counts.dispatched++;
          counts.executing++;
        } else counts.refused(settled).add();
        return settled;
      });
    },
    leave({ level, counts }) {
      counts.executing--;
      level.leave();
    },
    async run(signal) {
      signal.addEventListener('abort', () => wake?.(), { once: true });
      while (!signal.aborted) {
        if (stale) refresh();
        const dangling = await markDangling(options, levels, signal);
        if (stale || signal.aborted) continue;
        if (!dangling) {
          await clock.sleep(1000, signal);
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (signal.aborted) resolve();
        });
        wake = undefined;
      }
    },
  };
}

/** @returns false when it has to be tried again */
async function markDangling(
  { reader, writer, clock, log }: FlowOptions,
  levels: ReadonlyMap<string, PriorityLevel>,
  signal: AbortSignal,
): Promise<boolean> {
  let complete = true;
  for (const object of reader.list(flowGroup, 'flowschemas', '')) {
    const { metadata, spec, status } = object as unknown as FlowSchema;
    const level = spec?.priorityLevelConfiguration.name ?? '';
    const wanted = danglingCondition(level, levels.has(level));
    if (saysAlready(status?.conditions as unknown as readonly JsonObject[] | undefined, wanted)) continue;
    try {
      await writer.updateStatus(
        flowGroup,
        'flowschemas',
        '',
        metadata.name ?? '',
        (current) => {
          const now = current as unknown as FlowSchema | undefined;
          if (!now || now.spec?.priorityLevelConfiguration.name !== level) return undefined;
          const conditions = (now.status?.conditions ?? []) as unknown as readonly JsonObject[];
          if (saysAlready(conditions, wanted)) return undefined;
          const others = conditions.filter(({ type }) => type !== 'Dangling');
          const { type, status: state, ...why } = wanted;
          const condition = { type: type!, status: state!, lastTransitionTime: formatTime(clock.now()), ...why };
          return { ...(now.status as JsonObject | undefined), conditions: [...others, condition] };
        },
        signal,
        danglingOwned(formatTime(clock.now())),
      );
    } catch (error) {
      complete = false;
      if (!signal.aborted) log.warn('Cannot write the status of a FlowSchema', { flowSchema: metadata.name, error });
    }
  }
  return complete;
}

/** The condition is applied, not updated: upstream's consumer of the configuration owns it and nothing else. */
const danglingOwned = (time: string): JsonObject => ({
  manager: 'api-priority-and-fairness-config-consumer-v1',
  operation: 'Apply',
  apiVersion: `${flowGroup}/v1`,
  time,
  fieldsType: 'FieldsV1',
  fieldsV1: {
    'f:status': {
      'f:conditions': {
        'k:{"type":"Dangling"}': {
          '.': {},
          'f:lastTransitionTime': {},
          'f:message': {},
          'f:reason': {},
          'f:status': {},
          'f:type': {},
        },
      },
    },
  },
  subresource: 'status',
});

function danglingCondition(level: string, found: boolean): JsonObject {
  const named = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`;
  return found
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${named} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${named} but there is no such object` };
}

function saysAlready(conditions: readonly JsonObject[] | undefined, { status, reason, message }: JsonObject): boolean {
  const found = (conditions ?? []).find(({ type }) => type === 'Dangling');
  return found !== undefined && found.status === status && found.reason === reason && found.message === message;
}

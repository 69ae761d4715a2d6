/** Pods: quality of service, phase, scheduling gates, and the endpoints that may each write one part. */
import { sameJson, setIn } from '../../api/edit.ts';
import type { JsonObject } from '../../api/json.ts';
import { qosClassOf } from '../../api/pod/qos.ts';
import type { StructType } from '../../api/schema/model.ts';
import type { Container, Pod, PodSpec } from '../../api/types/core-v1.ts';
import { withAppArmorFields } from './app-armor.ts';
import { contentOf, metadataOf, rebuildKind } from './common.ts';
import type { Strategy, UpdateStrategy } from './strategy.ts';

/** Runs after the common strategy, which empties the status on create. */
export function podStrategy(type: StructType): Strategy {
  return {
    prepareForCreate: (object, { now, warn }) => {
      const pod = object as unknown as Pod;
      const gated = (pod.spec?.schedulingGates?.length ?? 0) > 0;
      const conditions = gated
        ? [
            {
              type: 'PodScheduled',
              status: 'False',
              lastProbeTime: null,
              lastTransitionTime: now,
              reason: 'SchedulingGated',
              message: 'Scheduling is blocked due to non-empty scheduling gates',
            },
          ]
        : undefined;
      return rebuildKind(object, type, {
        spec: withAppArmorFields(pod, warn),
        status: { phase: 'Pending', ...(conditions ? { conditions } : {}), qosClass: qosClassOf(pod) },
      });
    },
    gracePeriodSeconds: (object, requested) => {
      const { spec, status } = object as unknown as Pod;
      // Nothing runs for a pod that is on no node or has ended, so there is nothing to wait for.
      if (!spec?.nodeName || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0;
      const seconds =
        requested ??
        (spec.terminationGracePeriodSeconds === undefined ? 30 : Number(spec.terminationGracePeriodSeconds));
      return seconds < 0 ? 1 : seconds;
    },
    subresources: { status: statusOfPod(type), ephemeralcontainers: ephemeralContainers(type), resize: resize(type) },
  };
}

/** A kubelet reports; it neither changes what was asked for nor who owns the pod, and the quality of service is settled at creation. */
function statusOfPod(type: StructType): UpdateStrategy {
  return {
    prepareForUpdate: (next, previous) => {
      const { ownerReferences, deletionTimestamp, deletionGracePeriodSeconds } = metadataOf(previous);
      const status = (next.status ?? {}) as JsonObject;
      const qosClass = (previous.status as JsonObject | undefined)?.qosClass;
      return rebuildKind(next, type, {
        metadata: withoutUndefined({
          ...metadataOf(next),
          ownerReferences,
          deletionTimestamp,
          deletionGracePeriodSeconds,
        }),
        status: qosClass === undefined || status.qosClass ? status : setIn(status, ['qosClass'], qosClass),
      });
    },
  };
}

function ephemeralContainers(type: StructType): UpdateStrategy {
  return {
    prepareForUpdate: (next, previous) => {
      const wanted = (next.spec as unknown as PodSpec | undefined)?.ephemeralContainers;
      return oneField(next, previous, type, (spec) => setIn(spec, ['ephemeralContainers'], wanted));
    },
  };
}

/** Only resources and their resize policy may differ, container by container. */
function resize(type: StructType): UpdateStrategy {
  return {
    prepareForUpdate: (next, previous) => {
      const spec = next.spec as unknown as PodSpec;
      const resized = (
        before: readonly Container[] | undefined,
        after: readonly Container[] | undefined,
      ): readonly Container[] | undefined =>
        // Containers that come, go, move or get another name are validation's to refuse.
        (before?.length ?? 0) !== (after?.length ?? 0) || before?.some(({ name }, i) => name !== after![i]!.name)
          ? after
          : (before?.map((container, i) => {
              const { resources, resizePolicy } = after![i]!;
              const given = setIn(container as unknown as JsonObject, ['resources'], resources ?? {});
              return setIn(given, ['resizePolicy'], resizePolicy);
            }) as readonly Container[] | undefined);
      return oneField(next, previous, type, (old) => {
        const before = old as unknown as PodSpec;
        let changed = setIn(old, ['containers'], resized(before.containers, spec.containers));
        if (before.initContainers || spec.initContainers?.length)
          changed = setIn(changed, ['initContainers'], resized(before.initContainers, spec.initContainers));
        return setIn(changed, ['resources'], spec.resources);
      });
    },
  };
}

/** The old pod with one change in its spec; the generation counts it. */
function oneField(
  next: JsonObject,
  previous: JsonObject,
  type: StructType,
  change: (spec: JsonObject) => JsonObject,
): JsonObject {
  const before = previous.spec as JsonObject;
  const spec = change(before);
  const generation = Number(metadataOf(previous).generation ?? 0) + (sameJson(spec, before) ? 0 : 1);
  return rebuildKind(next, type, {
    ...contentOf(previous, type, ['metadata']),
    spec,
    metadata: { ...metadataOf(next), generation },
  });
}

const withoutUndefined = <T extends object>(object: T): T =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;

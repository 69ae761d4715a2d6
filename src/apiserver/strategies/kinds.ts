/** Small rules of single kinds: what a new object of the kind starts with, and what an update may not touch. */
import { sameJson, setIn } from '../../api/edit.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { StructType } from '../../api/schema/model.ts';
import type { JobSpec } from '../../api/types/batch-v1.ts';
import { contentOf, metadataOf, rebuildKind } from './common.ts';
import type { Strategy, UpdateStrategy } from './strategy.ts';

const ownName = 'kubernetes.io/metadata.name';

export function namespaceStrategy(type: StructType): Strategy {
  const finalizer = 'kubernetes';
  return {
    prepareForCreate: (object) => {
      const given = ((object.spec as JsonObject | undefined)?.finalizers ?? []) as readonly string[];
      const metadata = metadataOf(object);
      return rebuildKind(object, type, {
        // Also where the server made the name.
        metadata: metadata.name
          ? { ...metadata, labels: sorted({ ...metadata.labels, [ownName]: metadata.name }) }
          : metadata,
        spec: { finalizers: given.includes(finalizer) ? given : [...given, finalizer] },
        status: { phase: 'Active' },
      });
    },
    // Finalizers go through the finalize subresource alone, or a client could strand what is in the namespace.
    prepareForUpdate: (next, previous) => rebuildKind(next, type, { spec: previous.spec }),
    subresources: {
      finalize: { prepareForUpdate: (next, previous) => rebuildKind(next, type, { status: previous.status }) },
    },
  };
}

export function persistentVolumeStrategy(type: StructType): Strategy {
  return {
    prepareForCreate: (object, { now }) =>
      rebuildKind(object, type, { status: { phase: 'Pending', lastPhaseTransitionTime: now } }),
    subresources: {
      status: {
        // Who changes the phase need not tell the time (KEP-3762).
        prepareForUpdate: (next, previous, { now }) => {
          const [to, from] = [next.status, previous.status] as readonly (JsonObject | undefined)[];
          const [told, known] = [to?.lastPhaseTransitionTime, from?.lastPhaseTransitionTime];
          const same = to?.phase === from?.phase;
          if (same ? told !== undefined : told !== undefined && told !== known) return next;
          return setIn(next, ['status', 'lastPhaseTransitionTime'], same ? known : now);
        },
      },
    },
  };
}

/** The two data source fields say the same where the old one can say it at all (KEP-1495). */
export function persistentVolumeClaimStrategy(type: StructType): Strategy {
  // A source in another namespace comes with CrossNamespaceVolumeDataSource, which v1.36 leaves off.
  const here = (object: JsonObject, previous?: JsonObject): JsonObject => {
    const reference = (object.spec as JsonObject | undefined)?.dataSourceRef as JsonObject | undefined;
    const had = (previous?.spec as JsonObject | undefined)?.dataSourceRef;
    return reference?.namespace && !had ? setIn(object, ['spec', 'dataSourceRef'], undefined) : object;
  };
  // The old field only ever knew claims and snapshots; anything else in it says nothing, unless the new field says it too.
  const known = (object: JsonObject, previous?: JsonObject): JsonObject => {
    const { dataSource, dataSourceRef } = (object.spec ?? {}) as { readonly [name: string]: JsonObject | undefined };
    if (!dataSource || dataSourceRef || (previous?.spec as JsonObject | undefined)?.dataSource) return object;
    const { kind, apiGroup = '' } = dataSource;
    const fits =
      (kind === 'PersistentVolumeClaim' && !apiGroup) ||
      (kind === 'VolumeSnapshot' && apiGroup === 'snapshot.storage.k8s.io');
    return fits ? object : setIn(object, ['spec', 'dataSource'], undefined);
  };
  const aligned = (object: JsonObject): JsonObject => {
    const spec = object.spec as JsonObject | undefined;
    if (!spec) return object;
    const source = spec.dataSource as JsonObject | undefined;
    const reference = spec.dataSourceRef as JsonObject | undefined;
    if (source && !reference)
      return setIn(
        object,
        ['spec'],
        orderedClaimSpec({
          ...spec,
          dataSourceRef: { apiGroup: source.apiGroup ?? null, kind: source.kind, name: source.name },
        }),
      );
    if (reference && !source && !reference.namespace)
      return setIn(
        object,
        ['spec'],
        orderedClaimSpec({
          ...spec,
          dataSource: { apiGroup: reference.apiGroup ?? null, kind: reference.kind, name: reference.name },
        }),
      );
    return object;
  };
  const specType = type.fieldsByName.get('spec')?.type;
  const orderedClaimSpec = (spec: object): JsonValue =>
    specType?.kind === 'struct' ? rebuildKind(spec as JsonObject, specType.type, { ...spec }) : (spec as JsonObject);
  return {
    prepareForCreate: (object) => rebuildKind(aligned(here(known(object))), type, { status: { phase: 'Pending' } }),
    prepareForUpdate: (next, previous) => aligned(here(known(next, previous), previous)),
  };
}

const jobLabels = {
  uid: 'batch.kubernetes.io/controller-uid',
  name: 'batch.kubernetes.io/job-name',
  legacyUid: 'controller-uid',
  legacyName: 'job-name',
} as const;

/** Unless the user chose the selector, a job selects its pods by its own uid: two jobs can never adopt each other's pods. */
export function jobStrategy(type: StructType): Strategy {
  return {
    defaultGarbageCollection: 'orphan',
    prepareForCreate: (object) => {
      const spec = object.spec as unknown as JobSpec;
      const { uid = '', name = '', labels } = metadataOf(object);
      let template = spec.template;
      let selector = spec.selector;
      if (spec.manualSelector !== true) {
        const added = {
          [jobLabels.uid]: uid,
          [jobLabels.name]: name,
          [jobLabels.legacyUid]: uid,
          [jobLabels.legacyName]: name,
        };
        // Labels and a selector that the user set stay; validation tells of those that are wrong.
        const merged = { ...added, ...template.metadata?.labels };
        template = { ...template, metadata: { ...template.metadata, labels: sorted(merged) } };
        selector = { ...selector, matchLabels: sorted({ [jobLabels.uid]: uid, ...selector?.matchLabels }) };
      }
      const metadata = labels ? metadataOf(object) : { ...metadataOf(object), labels: template.metadata?.labels };
      return rebuildKind(object, type, { metadata, spec: { ...spec, selector, template } });
    },
  };
}

const templateGeneration = 'deprecated.daemonset.template.generation';

/** The template's generation, an annotation since apps/v1 dropped the field. */
export function daemonSetStrategy(type: StructType): Strategy {
  const stamped = (object: JsonObject, value: string): JsonObject => {
    const metadata = metadataOf(object);
    return rebuildKind(object, type, {
      metadata: { ...metadata, annotations: sorted({ ...metadata.annotations, [templateGeneration]: value }) },
    });
  };
  return {
    prepareForCreate: (object) => stamped(object, '1'),
    prepareForUpdate: (next, previous) => {
      const before = metadataOf(previous).annotations?.[templateGeneration] ?? '1';
      const template = (o: JsonObject): unknown => (o.spec as JsonObject | undefined)?.template;
      return stamped(
        next,
        template(next) === template(previous) || JSON.stringify(template(next)) === JSON.stringify(template(previous))
          ? before
          : String(Number(before) + 1),
      );
    },
  };
}

/** Who asks is what the server saw, not what the request says. */
export function certificateSigningRequestStrategy(type: StructType): Strategy {
  const conditions: UpdateStrategy = {
    prepareForUpdate: (next, previous, { now }) => {
      const status = (next.status ?? {}) as JsonObject;
      const given = (status.conditions ?? []) as readonly JsonObject[];
      const stamped = given.map((c) => ({
        ...c,
        lastUpdateTime: c.lastUpdateTime ?? now,
        lastTransitionTime: c.lastTransitionTime ?? now,
      }));
      const certificate = (previous.status as JsonObject | undefined)?.certificate;
      return rebuildKind(next, type, {
        ...contentOf(previous, type, ['metadata', 'status']),
        status: {
          ...(stamped.length > 0 ? { conditions: stamped } : {}),
          ...(certificate === undefined ? {} : { certificate }),
        },
      });
    },
  };
  return {
    prepareForCreate: (object, { user }) => {
      const { username: _u, uid: _i, groups: _g, extra: _e, ...rest } = (object.spec ?? {}) as JsonObject;
      return rebuildKind(object, type, {
        spec: {
          ...rest,
          username: user.name,
          ...(user.uid ? { uid: user.uid } : {}),
          groups: user.groups,
          ...(user.extra && Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
        },
      });
    },
    prepareForUpdate: (next, previous) => rebuildKind(next, type, { spec: previous.spec }),
    subresources: {
      approval: conditions,
      status: {
        prepareForUpdate: (next, _previous, { now }) => {
          const status = (next.status ?? {}) as JsonObject;
          const given = status.conditions as readonly JsonObject[] | undefined;
          if (!given?.some((c) => !c.lastUpdateTime || !c.lastTransitionTime)) return next;
          return setIn(
            next,
            ['status', 'conditions'],
            given.map((c) => ({
              ...c,
              lastUpdateTime: c.lastUpdateTime ?? now,
              lastTransitionTime: c.lastTransitionTime ?? now,
            })),
          );
        },
      },
    },
  };
}

const cleanup = 'customresourcecleanup.apiextensions.k8s.io';

/** A version that ever was the storage version stays named in the status until its objects were migrated. */
export function customResourceDefinitionStrategy(type: StructType): Strategy {
  const storageVersion = (object: JsonObject): string | undefined => {
    const versions = ((object.spec as JsonObject | undefined)?.versions ?? []) as readonly JsonObject[];
    return versions.find((version) => version.storage === true)?.name as string | undefined;
  };
  return {
    // Its instances go first: the finalizer holds it until they are gone.
    prepareForDelete: (object, now) => {
      const metadata = metadataOf(object);
      const { finalizers = [] } = metadata;
      if (metadata.deletionTimestamp) return object;
      const status = (object.status ?? {}) as JsonObject;
      const conditions = ((status.conditions ?? []) as readonly JsonObject[]).filter(
        ({ type }) => type !== 'Terminating',
      );
      return rebuildKind(object, type, {
        metadata: finalizers.includes(cleanup) ? metadata : { ...metadata, finalizers: [...finalizers, cleanup] },
        status: {
          ...status,
          conditions: [
            ...conditions,
            {
              type: 'Terminating',
              status: 'True',
              lastTransitionTime: now,
              reason: 'InstanceDeletionPending',
              message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
            },
          ],
        },
      });
    },
    prepareForCreate: (object) => {
      const stored = storageVersion(object);
      return rebuildKind(object, type, {
        status: {
          conditions: null,
          acceptedNames: { plural: '', kind: '' },
          storedVersions: stored === undefined ? null : [stored],
        },
      });
    },
    prepareForUpdate: (next) => {
      const stored = storageVersion(next);
      const status = (next.status ?? {}) as JsonObject;
      const before = (status.storedVersions ?? []) as readonly string[];
      if (stored === undefined || before.includes(stored)) return next;
      return rebuildKind(next, type, { status: { ...status, storedVersions: [...before, stored] } });
    },
  };
}

const sorted = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Local groups are available from the first moment: they are this server's own. */
export function apiServiceStrategy(type: StructType): Strategy {
  return {
    prepareForCreate: (object, { now }) => {
      const local = !(object.spec as JsonObject | undefined)?.service;
      const condition = {
        type: 'Available',
        status: 'True',
        lastTransitionTime: now,
        reason: 'Local',
        message: 'Local APIServices are always available',
      };
      return rebuildKind(object, type, { status: local ? { conditions: [condition] } : {} });
    },
  };
}

/** Who publishes a taint need not tell the time. */
export function resourceSliceStrategy(): Strategy {
  const stamped = (object: JsonObject, now: string): JsonObject => {
    const devices = (object.spec as JsonObject | undefined)?.devices as readonly JsonObject[] | undefined;
    const untimed = (taint: JsonObject): boolean => (taint.timeAdded ?? null) === null;
    const taintsOf = (device: JsonObject) => (device.taints ?? []) as readonly JsonObject[];
    if (!devices?.some((device) => taintsOf(device).some(untimed))) return object;
    return setIn(
      object,
      ['spec', 'devices'],
      devices.map((device) =>
        taintsOf(device).some(untimed)
          ? {
              ...device,
              taints: taintsOf(device).map((taint) => (untimed(taint) ? { ...taint, timeAdded: now } : taint)),
            }
          : device,
      ),
    );
  };
  return {
    prepareForCreate: (object, { now }) => stamped(object, now),
    prepareForUpdate: (next, _previous, { now }) => stamped(next, now),
  };
}

/** Counts changes of its spec, but starts without a number. */
export function csiDriverStrategy(): Strategy {
  return {
    prepareForUpdate: (next, previous) => {
      if (sameJson(next.spec, previous.spec)) return next;
      const generation = Number(metadataOf(previous).generation ?? 0) + 1;
      return { ...next, metadata: { ...metadataOf(next), generation } as unknown as JsonObject };
    },
  };
}

/** Starts with a generation and never counts on. */
export function priorityClassStrategy(): Strategy {
  return {
    prepareForUpdate: (next, previous) => {
      const { generation } = metadataOf(previous);
      if (metadataOf(next).generation === generation) return next;
      return { ...next, metadata: { ...metadataOf(next), generation } as unknown as JsonObject };
    },
  };
}

/** A limit range needs no name: it gets the server's. */
export function limitRangeStrategy(): Strategy {
  return {
    prepareForCreate: (object) => {
      const metadata = metadataOf(object) as { readonly name?: string; readonly uid?: string };
      return metadata.name ? object : setIn(object, ['metadata', 'name'], metadata.uid);
    },
  };
}

/** Of the secrets it names only the names are kept. */
export function serviceAccountStrategy(): Strategy {
  const named = (object: JsonObject): JsonObject => {
    const secrets = object.secrets as readonly JsonObject[] | undefined;
    if (!secrets?.some((secret) => Object.keys(secret).some((key) => key !== 'name'))) return object;
    return setIn(
      object,
      ['secrets'],
      secrets.map(({ name }) => (name === undefined ? {} : { name })),
    );
  };
  return { prepareForCreate: named, prepareForUpdate: named };
}

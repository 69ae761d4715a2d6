/** Checks the types of each policy once for each of its generations, and says in its status what it found. */
import type { JsonObject } from '../../../api/json.ts';
import type { Schema } from '../../../api/schema/model.ts';
import type { ValidatingAdmissionPolicy } from '../../../api/types/admissionregistration-v1.ts';
import type { Logger } from '../../../base/log.ts';
import type { ObjectReader } from '../../registry/object-reader.ts';
import type { ResourceTable } from '../../registry/resources.ts';
import type { StatusWriter } from '../../registry/status-writer.ts';

const group = 'admissionregistration.k8s.io';
const resource = 'validatingadmissionpolicies';

export interface PolicyStatusOptions {
  readonly reader: ObjectReader;
  readonly writer: StatusWriter;
  readonly table: ResourceTable;
  readonly schema: Schema;
  readonly log: Logger;
}

export async function followPolicies(options: PolicyStatusOptions, signal: AbortSignal): Promise<void> {
  const { reader, log } = options;
  const dirty = new Set<string>();
  let wake: (() => void) | undefined;
  const touch = (object: JsonObject): void => {
    dirty.add(String((object.metadata as JsonObject).name));
    wake?.();
  };
  const stop = reader.onChange(group, resource, ({ object }) => touch(object));
  reader.list(group, resource, '').forEach(touch);
  try {
    while (!signal.aborted) {
      const names = [...dirty];
      dirty.clear();
      for (const name of names) {
        try {
          await check(options, name, signal);
        } catch (error) {
          if (signal.aborted) return;
          log.warn('Cannot write the status of an admission policy', { policy: name, error });
        }
      }
      if (dirty.size > 0) continue;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          wake = undefined;
          signal.removeEventListener('abort', go);
          resolve();
        };
        wake = go;
        signal.addEventListener('abort', go, { once: true });
        if (signal.aborted) go();
      });
    }
  } finally {
    stop();
  }
}

async function check(
  { reader, writer, table, schema }: PolicyStatusOptions,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const found = reader.get(group, resource, '', name);
  if (found === undefined || !isNew(found)) return;
  const { typeCheck } = await import('./type-check.ts');
  await writer.updateStatus(
    group,
    resource,
    '',
    name,
    (object) => {
      if (object === undefined || !isNew(object)) return undefined;
      const warnings = typeCheck(object as unknown as ValidatingAdmissionPolicy, table, schema);
      return Object.freeze({
        ...(object.status as JsonObject | undefined),
        observedGeneration: (object.metadata as JsonObject).generation ?? 0,
        typeChecking: warnings.length === 0 ? {} : { expressionWarnings: warnings as unknown as JsonObject[] },
      });
    },
    signal,
  );
}

const isNew = ({ metadata, status }: JsonObject): boolean =>
  Number((status as JsonObject | undefined)?.observedGeneration ?? 0) <
  Number((metadata as JsonObject).generation ?? 0);

import type { JsonObject } from '../../api/json.ts';
import type { GroupVersionKind } from '../../api/schema/model.ts';
import type { UserInfo } from '../authentication/authenticator.ts';

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** Source: k8s.io/apiserver/pkg/admission.Attributes. Objects are deep-frozen; a mutating plugin returns a new one made by path copy. */
export interface AdmissionAttributes {
  readonly operation: AdmissionOperation;
  readonly kind: GroupVersionKind;
  readonly resource: { readonly group: string; readonly version: string; readonly resource: string };
  readonly subresource: string;
  readonly namespace: string;
  /** Empty for a create by generateName until the name is made. */
  readonly name: string;
  /** In the request's version. Absent for DELETE. */
  readonly object?: JsonObject;
  /** Absent for CREATE. */
  readonly oldObject?: JsonObject;
  /** CreateOptions, UpdateOptions, DeleteOptions, with kind and apiVersion; for CONNECT an empty object. */
  readonly options: JsonObject;
  readonly dryRun: boolean;
  readonly user: UserInfo;
  /** Adds a `Warning` header to the answer. */
  warn(message: string): void;
  /** Adds an annotation to the request's audit events. */
  annotate(key: string, value: string): void;
  readonly reinvocation: Reinvocation;
}

/** Mutating admission may run a second time, when a webhook has changed what earlier plugins saw. One for each request. */
export interface Reinvocation {
  /** This is the second time. */
  readonly isReinvoke: boolean;
  /** Asks for the second time. */
  request(): void;
  /** What plugins remember between the two, by their name. */
  readonly state: Map<string, object>;
}

/** One admission plugin. Both phases may wait; neither may be called for a plugin that does not `handle` the operation. A refusal is a thrown ApiError. */
export interface AdmissionPlugin {
  readonly name: string;
  handles(operation: AdmissionOperation): boolean;
  /** @returns the object to go on with: the same one when nothing changes. */
  admit?(
    attributes: AdmissionAttributes,
    signal: AbortSignal,
  ): JsonObject | undefined | Promise<JsonObject | undefined>;
  validate?(attributes: AdmissionAttributes, signal: AbortSignal): void | Promise<void>;
}

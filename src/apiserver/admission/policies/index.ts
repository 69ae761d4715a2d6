/** Admission by expressions. The language is loaded when the first policy, or the first match condition, asks for it (decision 18). */
import type { JsonObject } from '../../../api/json.ts';
import type { GroupVersionKind, StructType } from '../../../api/schema/model.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import type { ObjectReader } from '../../registry/object-reader.ts';
import type { ResourceTable } from '../../registry/resources.ts';
import type { AdmissionPlugin } from '../admission.ts';
import { isExempt, type Matching } from '../webhooks/match.ts';
import type { CompileMatchConditions, MatchConditions } from '../webhooks/match-conditions.ts';
import type { MutatingPolicies } from './mutating.ts';
import type { ValidatingPolicies } from './validating.ts';

export interface PolicyContext {
  readonly reader: ObjectReader;
  /** Read when a request comes: admission is itself a part of the registry. */
  readonly table: () => ResourceTable;
  readonly matching: Matching;
  readonly authorizer: Authorizer | undefined;
  /** Between versions of one kind. */
  readonly convert: (
    object: JsonObject | undefined,
    to: GroupVersionKind,
  ) => JsonObject | undefined | Promise<JsonObject>;
  /** An object a mutation made, as the codec reads it, with its defaults. */
  readonly finish: (object: JsonObject, kind: GroupVersionKind) => JsonObject;
  readonly typeOf: (kind: GroupVersionKind) => StructType | undefined;
}

export const validatingPolicyName = 'ValidatingAdmissionPolicy';
export const mutatingPolicyName = 'MutatingAdmissionPolicy';
const group = 'admissionregistration.k8s.io';

export function createPolicyAdmission(context: PolicyContext): {
  readonly mutating: AdmissionPlugin;
  readonly validating: AdmissionPlugin;
} {
  const { reader } = context;
  let validating: ValidatingPolicies | undefined;
  let mutating: MutatingPolicies | undefined;
  const bound = presence(reader, 'validatingadmissionpolicybindings');
  const mutates = presence(reader, 'mutatingadmissionpolicybindings');
  return {
    mutating: {
      name: mutatingPolicyName,
      handles: (operation) => operation !== 'DELETE',
      admit(attributes, signal) {
        if (!mutates() || isExempt(attributes) || attributes.object === undefined) return attributes.object;
        return (async () => {
          mutating ??= (await import('./mutating.ts')).mutatingPolicies(context);
          return mutating.admit(attributes, signal);
        })();
      },
    },
    validating: {
      name: validatingPolicyName,
      handles: () => true,
      validate(attributes, signal) {
        if (!bound() || isExempt(attributes)) return undefined;
        return (async () => {
          validating ??= (await import('./validating.ts')).validatingPolicies(context);
          await validating.validate(attributes, signal);
        })();
      },
    },
  };
}

/** Whether any object of a kind exists: nothing is done for servers without policies. */
function presence(reader: ObjectReader, resource: string): () => boolean {
  let known: boolean | undefined;
  let listening = false;
  return () => {
    if (!listening) {
      listening = true;
      reader.onChange(group, resource, () => {
        known = undefined;
      });
    }
    known ??= reader.list(group, resource, '').length > 0;
    return known;
  };
}

/** For webhooks: compiled when they are first asked. */
export function lateMatchConditions(authorizer: Authorizer | undefined): CompileMatchConditions {
  return (conditions, failurePolicy) => {
    let compiled: Promise<MatchConditions> | undefined;
    return {
      async match(input) {
        compiled ??= import('./match-conditions.ts').then(({ matchConditionsCompiler }) =>
          matchConditionsCompiler(authorizer)(conditions, failurePolicy),
        );
        return (await compiled).match(input);
      },
    };
  };
}

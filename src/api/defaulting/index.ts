import type { Schema } from '../schema/model.ts';
import { createDefaulter, type Defaulter } from './defaulting.ts';
import { clusterRules } from './rules/cluster.ts';
import { coreRules } from './rules/core.ts';
import { podRules } from './rules/pods.ts';
import { workloadRules } from './rules/workloads.ts';

export type { Defaulter, DefaultingRule, DefaultingRules } from './defaulting.ts';

/** The defaulter of the built-in kinds, by the type of the object's own version. */
export function createBuiltinDefaulter(schema: Schema): Defaulter {
  return createDefaulter(schema, { ...podRules, ...coreRules, ...workloadRules, ...clusterRules });
}

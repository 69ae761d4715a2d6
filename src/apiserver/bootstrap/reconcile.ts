/** What to do about a bootstrap object that is there already. Pure. @see ReconcileRule */
import { sameJson } from '../../api/edit.ts';
import type { JsonObject } from '../../api/json.ts';
import type { PolicyRule, Subject } from '../../api/types/rbac-v1.ts';
import { uncovered } from '../authorization/policy-rule.ts';
import type { BootstrapObject } from './objects.ts';

export type Reconciled =
  | { readonly kind: 'keep' }
  | { readonly kind: 'write'; readonly object: JsonObject }
  /** A binding whose role changed: its roleRef cannot be edited. */
  | { readonly kind: 'replace' };

const keep: Reconciled = Object.freeze({ kind: 'keep' });
const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate';
const autoUpdateSpec = 'apf.kubernetes.io/autoupdate-spec';

export function reconcile({ rule, object, name }: BootstrapObject, existing: JsonObject): Reconciled {
  switch (rule) {
    case 'create-only':
      return keep;
    case 'rbac':
      if (annotationsOf(existing)[autoUpdate] === 'false') return keep;
      return object.roleRef === undefined ? reconcileRole(object, existing) : reconcileBinding(object, existing);
    case 'spec': {
      const protectedSpec = annotationsOf(existing)[autoUpdateSpec] === 'false' && !mandatory.has(name);
      if (protectedSpec || sameJson(existing.spec, object.spec)) return keep;
      return { kind: 'write', object: { ...existing, spec: object.spec } };
    }
    case 'authentication-config':
      return reconcileAuthentication(object, existing);
    case 'kubernetes-service': {
      const [wanted, found] = [object.spec as JsonObject, existing.spec as JsonObject];
      if (sameJson(wanted.ports, found.ports) && found.type === wanted.type) return keep;
      return { kind: 'write', object: { ...existing, spec: { ...found, ports: wanted.ports, type: wanted.type } } };
    }
    default:
      throw new Error(`Unreachable rule: ${rule satisfies never}`);
  }
}

/** Flow schemas and priority levels that always are as the server wants them. */
const mandatory: ReadonlySet<string> = new Set(['exempt', 'catch-all']);

/** Rights that a new version brings are added; those an administrator added stay. Source: component-helpers/auth/rbac/reconciliation. */
function reconcileRole(expected: JsonObject, existing: JsonObject): Reconciled {
  const metadata = mergedMetadata(expected, existing);
  let next = metadata === undefined ? existing : { ...existing, metadata };
  const aggregation = expected.aggregationRule as JsonObject | null | undefined;
  if (aggregation) {
    // Its rules are the aggregation controller's.
    const own = (existing.aggregationRule as JsonObject | null | undefined)?.clusterRoleSelectors ?? [];
    const selectors = own as readonly JsonObject[];
    const missing = (aggregation.clusterRoleSelectors as readonly JsonObject[]).filter(
      (wanted) => !selectors.some((each) => sameJson(each, wanted)),
    );
    if (missing.length > 0) next = { ...next, aggregationRule: { clusterRoleSelectors: [...selectors, ...missing] } };
  } else {
    const rules = (existing.rules ?? []) as unknown as readonly PolicyRule[];
    const missing = uncovered(rules, (expected.rules ?? []) as unknown as readonly PolicyRule[]);
    if (missing.length > 0) next = { ...next, rules: [...rules, ...missing] as unknown as readonly JsonObject[] };
  }
  return next === existing ? keep : { kind: 'write', object: next };
}

function reconcileBinding(expected: JsonObject, existing: JsonObject): Reconciled {
  if (!sameJson(expected.roleRef, existing.roleRef)) return { kind: 'replace' };
  const metadata = mergedMetadata(expected, existing);
  const subjects = (existing.subjects ?? []) as unknown as readonly Subject[];
  const missing = ((expected.subjects ?? []) as unknown as readonly Subject[]).filter(
    (wanted) => !subjects.some((each) => sameJson(each, wanted)),
  );
  if (metadata === undefined && missing.length === 0) return keep;
  return {
    kind: 'write',
    object: {
      ...existing,
      ...(metadata === undefined ? {} : { metadata }),
      ...(missing.length === 0 ? {} : { subjects: [...subjects, ...missing] as unknown as readonly JsonObject[] }),
    },
  };
}

/** @returns undefined when every expected label and annotation is there. */
function mergedMetadata(expected: JsonObject, existing: JsonObject): JsonObject | undefined {
  const [wanted, found] = [expected.metadata as JsonObject, existing.metadata as JsonObject];
  let merged = found;
  for (const field of ['labels', 'annotations'] as const) {
    const own = (found[field] ?? {}) as JsonObject;
    const missing = Object.entries((wanted[field] ?? {}) as JsonObject).filter(([key, value]) => own[key] !== value);
    if (missing.length > 0) merged = { ...merged, [field]: { ...own, ...Object.fromEntries(missing) } };
  }
  return merged === found ? undefined : merged;
}

/**
 * Every API server adds its own authorities and header names to what others wrote: during a rotation both must be trusted.
 * Source: controlplane/controller/clusterauthenticationtrust.
 */
function reconcileAuthentication(expected: JsonObject, existing: JsonObject): Reconciled {
  const before = (existing.data ?? {}) as Readonly<Record<string, string>>;
  const data: Record<string, string> = { ...before };
  for (const [key, value] of Object.entries(expected.data as Readonly<Record<string, string>>)) {
    const old = before[key];
    if (old === undefined || old === '') data[key] = value;
    else if (key.endsWith('-ca-file')) data[key] = joinCertificates(old, value);
    else data[key] = joinLists(old, value);
  }
  return sameJson(data, before) ? keep : { kind: 'write', object: { ...existing, data } };
}

const pemBlock = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

function joinCertificates(old: string, own: string): string {
  const known = new Set((old.match(pemBlock) ?? []).map((block) => block.replace(/\s+/g, '')));
  const added = (own.match(pemBlock) ?? []).filter((block) => !known.has(block.replace(/\s+/g, '')));
  return added.length === 0 ? old : `${old.trimEnd()}\n${added.join('\n')}\n`;
}

function joinLists(old: string, own: string): string {
  const [left, right] = [parseList(old), parseList(own)];
  // Something else than a list stands there: this server's own value replaces it.
  if (left === undefined || right === undefined) return own;
  const added = right.filter((each) => !left.includes(each));
  return added.length === 0 ? old : JSON.stringify([...left, ...added]);
}

function parseList(text: string): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((each): each is string => typeof each === 'string') ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const annotationsOf = (object: JsonObject): Readonly<Record<string, unknown>> =>
  ((object.metadata as JsonObject).annotations ?? {}) as Readonly<Record<string, unknown>>;

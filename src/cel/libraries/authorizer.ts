/** `authorizer.group('apps').resource('deployments').check('create').allowed()`. Source: apiserver/pkg/cel/library/authz.go. */
import type { Library } from '../environment.ts';
import { CelError, noOverload, Opaque, type Value } from '../values.ts';

export interface AuthorizationQuestion {
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  /** Of a question about no resource. */
  readonly path?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly verb: string;
}

export interface AuthorizationAnswer {
  readonly allowed: boolean;
  readonly reason: string;
  readonly error?: string;
}

/** Answers at once: who answers has looked before, or knows how. */
export type Authorize = (question: AuthorizationQuestion) => AuthorizationAnswer;

type Partial = Omit<AuthorizationQuestion, 'verb'>;

export class AuthorizerValue extends Opaque {
  /** `authorizer.requestResource` */
  static resourceCheck(authorize: Authorize, question: Partial): Value {
    return new CheckValue('Resource', authorize, question);
  }
  readonly typeName = 'kubernetes.authorization.Authorizer';
  readonly authorize: Authorize;
  readonly question: Partial;
  constructor(authorize: Authorize, question: Partial = {}) {
    super();
    this.authorize = authorize;
    this.question = question;
  }
}

class CheckValue extends Opaque {
  readonly typeName: string;
  readonly authorize: Authorize;
  readonly question: Partial;
  constructor(kind: 'Path' | 'Group' | 'Resource', authorize: Authorize, question: Partial) {
    super();
    this.typeName = `kubernetes.authorization.${kind}Check`;
    this.authorize = authorize;
    this.question = question;
  }
}

class DecisionValue extends Opaque {
  readonly typeName = 'kubernetes.authorization.Decision';
  readonly answer: AuthorizationAnswer;
  constructor(answer: AuthorizationAnswer) {
    super();
    this.answer = answer;
  }
}

const text = (value: Value | undefined): string => {
  if (typeof value !== 'string') throw noOverload();
  return value;
};
const authorizer = (value: Value | undefined): AuthorizerValue => {
  if (!(value instanceof AuthorizerValue)) throw noOverload();
  return value;
};
const resourceCheck = (value: Value | undefined): CheckValue => {
  if (!(value instanceof CheckValue) || value.typeName !== 'kubernetes.authorization.ResourceCheck') throw noOverload();
  return value;
};
const refined =
  (field: keyof Partial) =>
  ([target, value]: readonly Value[]): Value => {
    const { authorize, question } = resourceCheck(target);
    return new CheckValue('Resource', authorize, { ...question, [field]: text(value) });
  };
const decision =
  (read: (answer: AuthorizationAnswer) => Value) =>
  ([value]: readonly Value[]): Value => {
    if (!(value instanceof DecisionValue)) throw noOverload();
    return read(value.answer);
  };

const a = 'kubernetes.authorization.Authorizer';
const p = 'kubernetes.authorization.PathCheck';
const g = 'kubernetes.authorization.GroupCheck';
const r = 'kubernetes.authorization.ResourceCheck';
const d = 'kubernetes.authorization.Decision';

export const authorizerLibrary: Library = {
  functions: {
    path: [`authorizer_path: ${a}.(string) -> ${p}`],
    group: [`authorizer_group: ${a}.(string) -> ${g}`],
    serviceAccount: [`authorizer_serviceaccount: ${a}.(string, string) -> ${a}`],
    resource: [`groupcheck_resource: ${g}.(string) -> ${r}`],
    subresource: [`resourcecheck_subresource: ${r}.(string) -> ${r}`],
    namespace: [`resourcecheck_namespace: ${r}.(string) -> ${r}`],
    name: [`resourcecheck_name: ${r}.(string) -> ${r}`],
    fieldSelector: [`authorizer_fieldselector: ${r}.(string) -> ${r}`],
    labelSelector: [`authorizer_labelselector: ${r}.(string) -> ${r}`],
    check: [`pathcheck_check: ${p}.(string) -> ${d}`, `resourcecheck_check: ${r}.(string) -> ${d}`],
    allowed: [`decision_allowed: ${d}.() -> bool`],
    reason: [`decision_reason: ${d}.() -> string`],
    errored: [`decision_errored: ${d}.() -> bool`],
    error: [`decision_error: ${d}.() -> string`],
  },
  implementations: {
    path: ([target, path]) => {
      const { authorize, question } = authorizer(target);
      if (text(path) === '') throw new CelError('path must not be empty');
      return new CheckValue('Path', authorize, { ...question, path: text(path) });
    },
    group: ([target, group]) => {
      const { authorize, question } = authorizer(target);
      return new CheckValue('Group', authorize, { ...question, group: text(group) });
    },
    serviceAccount: ([target, namespace, name]) => {
      const { authorize } = authorizer(target);
      const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
      if (!subdomain.test(text(name))) throw new CelError('Invalid service account name');
      if (!subdomain.test(text(namespace))) throw new CelError('Invalid service account namespace');
      return new AuthorizerValue(authorize, { serviceAccount: { namespace: text(namespace), name: text(name) } });
    },
    resource: ([target, resource]) => {
      if (!(target instanceof CheckValue) || target.typeName !== 'kubernetes.authorization.GroupCheck')
        throw noOverload();
      if (text(resource) === '') throw new CelError('resource must not be empty');
      return new CheckValue('Resource', target.authorize, { ...target.question, resource: text(resource) });
    },
    subresource: refined('subresource'),
    namespace: refined('namespace'),
    name: refined('name'),
    fieldSelector: refined('fieldSelector'),
    labelSelector: refined('labelSelector'),
    check: ([target, verb]) => {
      if (!(target instanceof CheckValue)) throw noOverload();
      return new DecisionValue(target.authorize({ ...target.question, verb: text(verb) }));
    },
    allowed: decision(({ allowed }) => allowed),
    reason: decision(({ reason }) => reason),
    errored: decision(({ error }) => error !== undefined),
    error: decision(({ error = '' }) => error),
  },
};

/** Who may do what. */
export type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from './authorizer.ts';
export { type CheckEscalation, createEscalationCheck, type RbacWrite } from './escalation.ts';
export { forbidden } from './forbidden.ts';
export { createNodeAuthorizer } from './node-authorizer.ts';
export { createNodeGraph, type NodeGraph } from './node-graph.ts';
export { createRbacAuthorizer, effectiveRules } from './rbac.ts';
export { createRbacIndex, type RbacIndex } from './rbac-index.ts';
export {
  reviewLocalSubjectAccess,
  reviewSelfSubjectAccess,
  reviewSelfSubjectRules,
  reviewSubjectAccess,
} from './reviews.ts';
export { alwaysAllow, createAuthorizerUnion, createPrivilegedGroups } from './union.ts';

/** Containers of all three kinds. Source of behaviour: pkg/apis/core/validation. */
import { checkDns1123Label, checkPortName, checkPortNumber } from '../names.ts';
import type { Container, ContainerPort, EphemeralContainer, PodSpec } from '../types/core-v1.ts';
import { validateEnv, validateEnvFrom } from './env.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateDevices, validateMounts } from './mounts.ts';
import { validateLifecycle, validateProbe } from './probes.ts';
import { validateResourceRequirements } from './resources.ts';
import { validateSecurityContext } from './security-context.ts';
import type { VolumeMap } from './volumes.ts';

/** What a container can see of its pod. */
export interface PodScope {
  readonly volumes: VolumeMap;
  readonly claims: ReadonlySet<string>;
  readonly gracePeriod: number | undefined;
  readonly restartPolicy: string;
  readonly osName: string | undefined;
  readonly hostUsers: boolean;
}

const protocols = ['SCTP', 'TCP', 'UDP'];
const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
const messagePolicies = ['File', 'FallbackToLogsOnError'];

export function validateContainers(errors: ErrorList, spec: PodSpec, scope: PodScope, field: string): void {
  const containers = spec.containers;
  if (!containers?.length) {
    errors.required(field);
    return;
  }
  const names = new Set<string>();
  for (let i = 0; i < containers.length; i++) {
    const container = containers[i]!;
    const path = at(field, i);
    validateCommon(errors, container, scope, path);
    if (names.has(container.name)) errors.duplicate(`${path}.name`, container.name);
    else names.add(container.name);
    validateRunning(errors, container, scope, path);
    validateRestart(errors, container, path);
  }
  validateHostPorts(errors, containers, field);
}

export function validateInitContainers(errors: ErrorList, spec: PodSpec, scope: PodScope, field: string): void {
  const names = new Set((spec.containers ?? []).map(({ name }) => name));
  for (const [i, container] of spec.initContainers!.entries()) {
    const path = at(field, i);
    validateCommon(errors, container, scope, path);
    const sidecar = container.restartPolicy === 'Always';
    validateRestart(errors, container, path);
    if (names.has(container.name)) errors.duplicate(`${path}.name`, container.name);
    else if (container.name) names.add(container.name);
    validateHostPorts(errors, [container], field);
    if (sidecar) validateRunning(errors, container, scope, path);
    else
      for (const name of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
        if (container[name])
          errors.forbidden(`${path}.${name}`, 'may not be set for init containers without restartPolicy=Always');
    if (sidecar) continue;
    for (const [j, policy] of (container.resizePolicy ?? []).entries())
      if (policy.restartPolicy === 'RestartContainer')
        errors.invalid(
          `${at(`${path}.resizePolicy`, j)}.restartPolicy`,
          policy.restartPolicy,
          "must not be set to 'RestartContainer' for non-sidecar initContainers",
        );
  }
}

/** Fields that a container for debugging may not have, in upstream's order. */
const notEphemeral = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

export function validateEphemeralContainers(errors: ErrorList, spec: PodSpec, scope: PodScope, field: string): void {
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  const names = new Set(others);
  for (const [i, container] of spec.ephemeralContainers!.entries()) {
    const path = at(field, i);
    validateCommon(errors, container as Container, scope, path);
    validateImageWhitespace(errors, container, path);
    if (names.has(container.name)) errors.duplicate(`${path}.name`, container.name);
    else names.add(container.name);
    const target = container.targetContainerName;
    if (target && !others.has(target)) errors.notFound(`${path}.targetContainerName`, target);
    for (const name of notEphemeral)
      if (isSet(container[name])) errors.forbidden(`${path}.${name}`, 'cannot be set for an Ephemeral Container');
    for (const [j, mount] of (container.volumeMounts ?? []).entries())
      for (const name of ['subPath', 'subPathExpr'] as const)
        if (mount[name])
          errors.forbidden(`${at(`${path}.volumeMounts`, j)}.${name}`, 'cannot be set for an Ephemeral Container');
  }
}

/** An empty object of a field that is always written says nothing. */
const isSet = (value: unknown): boolean =>
  value !== undefined && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/** Pods only: templates from before the rule stay valid. */
export function validateImageWhitespace(
  errors: ErrorList,
  { image = '' }: Container | EphemeralContainer,
  path: string,
): void {
  if (image.trim() !== image) errors.invalid(`${path}.image`, image, 'must not have leading or trailing whitespace');
}

function validateCommon(errors: ErrorList, container: Container, scope: PodScope, path: string): void {
  if (!container.name) errors.required(`${path}.name`);
  else errors.invalidEach(`${path}.name`, container.name, checkDns1123Label(container.name));
  if (!container.image) errors.required(`${path}.image`);
  if (!container.terminationMessagePolicy) errors.required(`${path}.terminationMessagePolicy`);
  else if (!messagePolicies.includes(container.terminationMessagePolicy))
    errors.notSupported(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, messagePolicies);
  if (container.ports) validatePorts(errors, container.ports, `${path}.ports`);
  if (container.env) validateEnv(errors, container.env, `${path}.env`);
  if (container.envFrom) validateEnvFrom(errors, container.envFrom, `${path}.envFrom`);
  if (container.volumeMounts) validateMounts(errors, container, scope.volumes, `${path}.volumeMounts`);
  if (container.volumeDevices)
    validateDevices(
      errors,
      container.volumeDevices,
      container.volumeMounts ?? [],
      scope.volumes,
      `${path}.volumeDevices`,
    );
  if (!container.imagePullPolicy) errors.required(`${path}.imagePullPolicy`);
  else if (!pullPolicies.includes(container.imagePullPolicy))
    errors.notSupported(`${path}.imagePullPolicy`, container.imagePullPolicy, pullPolicies);
  if (container.resources) validateResourceRequirements(errors, container.resources, `${path}.resources`, scope);
  if (container.resizePolicy) validateResizePolicy(errors, container, scope, `${path}.resizePolicy`);
  if (container.securityContext)
    validateSecurityContext(errors, container.securityContext, scope.hostUsers, `${path}.securityContext`);
}

/** Of containers that stay: regular ones and sidecars. */
function validateRunning(errors: ErrorList, container: Container, scope: PodScope, path: string): void {
  if (container.lifecycle)
    validateLifecycle(errors, container.lifecycle, scope.gracePeriod, scope.osName, `${path}.lifecycle`);
  if (container.livenessProbe) validateProbe(errors, container.livenessProbe, `${path}.livenessProbe`, 'liveness');
  if (container.readinessProbe) validateProbe(errors, container.readinessProbe, `${path}.readinessProbe`, 'readiness');
  if (container.startupProbe) validateProbe(errors, container.startupProbe, `${path}.startupProbe`, 'startup');
}

function validatePorts(errors: ErrorList, ports: readonly ContainerPort[], field: string): void {
  const names = new Set<string>();
  for (let i = 0; i < ports.length; i++) {
    const port = ports[i]!;
    const path = at(field, i);
    if (port.name) {
      const messages = checkPortName(port.name);
      errors.invalidEach(`${path}.name`, port.name, messages);
      if (messages.length === 0) {
        if (names.has(port.name)) errors.duplicate(`${path}.name`, port.name);
        names.add(port.name);
      }
    }
    if (!port.containerPort) errors.required(`${path}.containerPort`);
    else errors.invalidEach(`${path}.containerPort`, port.containerPort, checkPortNumber(port.containerPort));
    if (port.hostPort) errors.invalidEach(`${path}.hostPort`, port.hostPort, checkPortNumber(port.hostPort));
    if (!port.protocol) errors.required(`${path}.protocol`);
    else if (!protocols.includes(port.protocol)) errors.notSupported(`${path}.protocol`, port.protocol, protocols);
  }
}

/** No two containers of one stage on the same port of the host. */
function validateHostPorts(errors: ErrorList, containers: readonly Container[], field: string): void {
  let seen: Set<string> | undefined;
  for (let i = 0; i < containers.length; i++) {
    const ports = containers[i]!.ports;
    if (!ports) continue;
    for (const [j, port] of ports.entries()) {
      if (!port.hostPort) continue;
      const key = `${port.protocol ?? ''}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (seen?.has(key)) errors.duplicate(`${at(`${at(field, i)}.ports`, j)}.hostPort`, key);
      else (seen ??= new Set()).add(key);
    }
  }
}

const resizable = ['cpu', 'memory'];
const resizePolicies = ['NotRequired', 'RestartContainer'];

function validateResizePolicy(errors: ErrorList, container: Container, scope: PodScope, field: string): void {
  const seen = new Set<string>();
  for (const [i, { resourceName, restartPolicy }] of container.resizePolicy!.entries()) {
    if (seen.has(resourceName)) errors.duplicate(at(field, i), resourceName);
    seen.add(resourceName);
    if (!resourceName) errors.required(field);
    else if (!resizable.includes(resourceName)) errors.notSupported(field, resourceName, resizable);
    if (!restartPolicy) errors.required(field);
    else if (!resizePolicies.includes(restartPolicy)) errors.notSupported(field, restartPolicy, resizePolicies);
    if (scope.restartPolicy === 'Never' && restartPolicy !== 'NotRequired')
      errors.invalid(field, restartPolicy ?? '', "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
  }
}

const restartPolicies = ['Always', 'Never', 'OnFailure'];
const ruleActions = ['Restart', 'RestartAllContainers'];
const ruleOperators = ['In', 'NotIn'];

function validateRestart(errors: ErrorList, container: Container, path: string): void {
  const rules = container.restartPolicyRules ?? [];
  const policy = container.restartPolicy;
  if (policy === undefined) {
    if (rules.length === 0) return;
    errors.required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used');
  } else if (!restartPolicies.includes(policy)) errors.notSupported(`${path}.restartPolicy`, policy, restartPolicies);
  if (rules.length > 20) errors.tooMany(`${path}.restartPolicyRules`, rules.length, 20);
  for (const [i, rule] of rules.entries()) {
    const field = at(`${path}.restartPolicyRules`, i);
    if (!ruleActions.includes(rule.action)) errors.notSupported(`${field}.action`, rule.action, ruleActions);
    const codes = rule.exitCodes;
    if (!codes) {
      errors.required(`${field}.exitCodes`, 'must be specified');
      continue;
    }
    if (!ruleOperators.includes(codes.operator))
      errors.notSupported(`${field}.exitCodes.operator`, codes.operator ?? '', ruleOperators);
    if ((codes.values?.length ?? 0) > 255) errors.tooMany(`${field}.exitCodes.values`, codes.values!.length, 255);
  }
}

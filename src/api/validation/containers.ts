/** Containers: images, ports, environment, mounts, probes, lifecycle, security. */
import {
  checkConfigMapKey,
  checkDns1123Label,
  checkEnvVarName,
  checkHttpHeaderName,
  checkPortName,
  checkPortNumber,
} from '../names.ts';
import type {
  Container,
  ContainerPort,
  EnvVar,
  EnvVarSource,
  ExecAction,
  GRPCAction,
  HTTPGetAction,
  Probe,
  SecurityContext,
  SleepAction,
  TCPSocketAction,
} from '../types/core-v1.ts';
import { at, type ErrorList, notNegative } from './error-list.ts';
import { validateResourceRequirements } from './resources.ts';

export interface ContainerContext {
  readonly volumes: ReadonlySet<string>;
  readonly hostNetwork: boolean;
  readonly podRestartPolicy: string;
  readonly kind: 'app' | 'init' | 'ephemeral';
}

const protocols = ['SCTP', 'TCP', 'UDP'];
const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
const terminationPolicies = ['FallbackToLogsOnError', 'File'];
const containerRestartPolicies = ['Always', 'Never', 'OnFailure'];

export function validateContainer(
  errors: ErrorList,
  container: Container,
  field: string,
  context: ContainerContext,
): void {
  validateContainerCommon(errors, container, field, context);
  const { kind } = context;
  const restartable = kind === 'init' && container.restartPolicy === 'Always';
  if (container.restartPolicy !== undefined && !containerRestartPolicies.includes(container.restartPolicy))
    errors.notSupported(`${field}.restartPolicy`, container.restartPolicy, containerRestartPolicies);
  if (kind === 'init' && !restartable) {
    if (container.lifecycle)
      errors.forbidden(`${field}.lifecycle`, 'may not be set for init containers without restartPolicy=Always');
    for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const)
      if (container[name])
        errors.forbidden(`${field}.${name}`, 'may not be set for init containers without restartPolicy=Always');
    return;
  }
  for (const hook of ['postStart', 'preStop'] as const) {
    const handler = container.lifecycle?.[hook];
    if (handler) validateHandler(errors, handler, `${field}.lifecycle.${hook}`);
  }
  validateProbe(errors, container.livenessProbe, `${field}.livenessProbe`, { once: true });
  validateProbe(errors, container.readinessProbe, `${field}.readinessProbe`, { once: false });
  validateProbe(errors, container.startupProbe, `${field}.startupProbe`, { once: true });
}

/** What all kinds of containers have. */
export function validateContainerCommon(
  errors: ErrorList,
  container: Container,
  field: string,
  context: ContainerContext,
): void {
  if (!container.name) errors.required(`${field}.name`);
  else errors.invalidEach(`${field}.name`, container.name, checkDns1123Label(container.name));
  if (!container.image) errors.required(`${field}.image`);
  else if (container.image.trim() !== container.image)
    errors.invalid(`${field}.image`, container.image, 'must not have leading or trailing whitespace');
  if (container.terminationMessagePolicy && !terminationPolicies.includes(container.terminationMessagePolicy))
    errors.notSupported(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, terminationPolicies);
  validatePorts(errors, container.ports, `${field}.ports`, context.hostNetwork);
  for (const [i, env] of (container.env ?? []).entries()) validateEnv(errors, env, at(`${field}.env`, i));
  for (const [i, source] of (container.envFrom ?? []).entries()) {
    const path = at(`${field}.envFrom`, i);
    if (source.prefix) errors.invalidEach(`${path}.prefix`, source.prefix, checkEnvVarName(source.prefix));
    const given = [source.configMapRef, source.secretRef].filter(Boolean).length;
    if (given === 0) errors.invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`');
    if (given > 1) errors.invalid(path, '', 'may not have more than one field specified at a time');
    for (const name of ['configMapRef', 'secretRef'] as const)
      if (source[name] && !source[name]!.name) errors.required(`${path}.${name}.name`);
  }
  validateMounts(errors, container, field, context);
  if (!container.imagePullPolicy) errors.required(`${field}.imagePullPolicy`);
  else if (!pullPolicies.includes(container.imagePullPolicy))
    errors.notSupported(`${field}.imagePullPolicy`, container.imagePullPolicy, pullPolicies);
  validateResourceRequirements(errors, container.resources, `${field}.resources`);
  validateSecurityContext(errors, container.securityContext, `${field}.securityContext`);
}

function validatePorts(
  errors: ErrorList,
  ports: readonly ContainerPort[] | undefined,
  field: string,
  hostNetwork: boolean,
): void {
  const names = new Set<string>();
  for (const [i, port] of (ports ?? []).entries()) {
    const path = at(field, i);
    if (port.name) {
      const messages = checkPortName(port.name);
      errors.invalidEach(`${path}.name`, port.name, messages);
      if (messages.length === 0) {
        if (names.has(port.name)) errors.duplicate(`${path}.name`, port.name);
        names.add(port.name);
      }
    }
    if (port.containerPort === 0) errors.required(`${path}.containerPort`);
    else errors.invalidEach(`${path}.containerPort`, port.containerPort, checkPortNumber(port.containerPort));
    if (port.hostPort) {
      errors.invalidEach(`${path}.hostPort`, port.hostPort, checkPortNumber(port.hostPort));
      if (hostNetwork && port.hostPort !== port.containerPort)
        errors.invalid(`${path}.hostPort`, port.hostPort, 'must match `containerPort` when `hostNetwork` is true');
    }
    if (!port.protocol) errors.required(`${path}.protocol`);
    else if (!protocols.includes(port.protocol)) errors.notSupported(`${path}.protocol`, port.protocol, protocols);
  }
}

function validateEnv(errors: ErrorList, env: EnvVar, field: string): void {
  if (!env.name) errors.required(`${field}.name`);
  else errors.invalidEach(`${field}.name`, env.name, checkEnvVarName(env.name));
  const source = env.valueFrom;
  if (!source) return;
  const path = `${field}.valueFrom`;
  if (env.value) errors.invalid(path, '', 'may not be specified when `value` is not empty');
  const names = (['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const).filter(
    (name) => source[name] !== undefined,
  );
  if (names.length === 0)
    errors.invalid(
      path,
      '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    );
  if (names.length > 1) errors.invalid(path, '', 'may not have more than one field specified at a time');
  validateEnvSource(errors, source, path);
}

const downward = new Set([
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]);
const keyed = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/;
const resourceFields = new Set([
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
]);

function validateEnvSource(errors: ErrorList, source: EnvVarSource, path: string): void {
  const field = source.fieldRef;
  if (field) {
    const name = `${path}.fieldRef.fieldPath`;
    if (!field.fieldPath) errors.required(name);
    else if (!keyed.test(field.fieldPath) && !downward.has(field.fieldPath)) {
      if (field.fieldPath === 'metadata.annotations' || field.fieldPath === 'metadata.labels')
        errors.notSupported(name, field.fieldPath, [...downward].sort());
      else
        errors.invalid(
          name,
          field.fieldPath,
          `error converting fieldPath: field label not supported: ${field.fieldPath}`,
        );
    }
  }
  const resource = source.resourceFieldRef;
  if (resource && !resourceFields.has(resource.resource) && !/^(limits|requests)\.hugepages-/.test(resource.resource))
    errors.notSupported(`${path}.resourceFieldRef.resource`, resource.resource, [...resourceFields].sort());
  for (const name of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const reference = source[name];
    if (!reference) continue;
    if (!reference.name) errors.required(`${path}.${name}.name`);
    if (!reference.key) errors.required(`${path}.${name}.key`);
    else errors.invalidEach(`${path}.${name}.key`, reference.key, checkConfigMapKey(reference.key));
  }
}

function validateMounts(
  errors: ErrorList,
  container: Container,
  field: string,
  { volumes, kind }: ContainerContext,
): void {
  const paths = new Set<string>();
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const path = at(`${field}.volumeMounts`, i);
    if (!mount.name) errors.required(`${path}.name`);
    if (!volumes.has(mount.name)) errors.notFound(`${path}.name`, mount.name);
    if (!mount.mountPath) errors.required(`${path}.mountPath`);
    if (paths.has(mount.mountPath)) errors.invalid(`${path}.mountPath`, mount.mountPath, 'must be unique');
    paths.add(mount.mountPath);
    if (mount.subPath && mount.subPathExpr)
      errors.invalid(`${path}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive');
    if (kind === 'ephemeral' && mount.subPath)
      errors.forbidden(`${path}.subPath`, 'cannot be set for an Ephemeral Container');
    if (mount.subPath) validateLocalPath(errors, mount.subPath, `${path}.subPath`);
    if (mount.subPathExpr) validateLocalPath(errors, mount.subPathExpr, `${path}.subPathExpr`);
    if (mount.mountPropagation === 'Bidirectional' && container.securityContext?.privileged !== true)
      errors.forbidden(
        `${path}.mountPropagation`,
        'Bidirectional mount propagation is available only to privileged containers',
      );
  }
}

/** A relative path that stays below where it starts. */
export function validateLocalPath(errors: ErrorList, path: string, field: string): void {
  if (path.startsWith('/')) errors.invalid(field, path, 'must be a relative path');
  if (path.split('/').includes('..')) errors.invalid(field, path, "must not contain '..'");
}

function validateProbe(
  errors: ErrorList,
  probe: Probe | undefined,
  field: string,
  { once }: { readonly once: boolean },
): void {
  if (!probe) return;
  validateHandler(errors, probe, field);
  for (const name of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    const seconds = probe[name] ?? 0;
    if (seconds < 0) errors.invalid(`${field}.${name}`, seconds, notNegative);
  }
  if (probe.terminationGracePeriodSeconds !== undefined && probe.terminationGracePeriodSeconds <= 0)
    errors.invalid(
      `${field}.terminationGracePeriodSeconds`,
      probe.terminationGracePeriodSeconds,
      'must be greater than 0',
    );
  if (once && (probe.successThreshold ?? 1) !== 1)
    errors.invalid(`${field}.successThreshold`, probe.successThreshold, 'must be 1');
}

interface Handler {
  readonly exec?: ExecAction;
  readonly httpGet?: HTTPGetAction;
  readonly tcpSocket?: TCPSocketAction;
  readonly grpc?: GRPCAction;
  readonly sleep?: SleepAction;
}

const schemes = ['HTTP', 'HTTPS'];

function validateHandler(errors: ErrorList, handler: Handler, field: string): void {
  let handlers = 0;
  const single = (name: string): boolean => {
    handlers++;
    if (handlers > 1) errors.forbidden(`${field}.${name}`, 'may not specify more than 1 handler type');
    return handlers === 1;
  };
  if (handler.exec && single('exec') && !handler.exec.command?.length) errors.required(`${field}.exec.command`);
  const http = handler.httpGet;
  if (http && single('httpGet')) {
    if (!http.path) errors.required(`${field}.httpGet.path`);
    validatePort(errors, http.port, `${field}.httpGet.port`);
    if (!schemes.includes(http.scheme ?? '')) errors.notSupported(`${field}.httpGet.scheme`, http.scheme, schemes);
    for (const [i, header] of (http.httpHeaders ?? []).entries())
      errors.invalidEach(at(`${field}.httpGet.httpHeaders`, i), header.name, checkHttpHeaderName(header.name));
  }
  if (handler.tcpSocket && single('tcpSocket')) validatePort(errors, handler.tcpSocket.port, `${field}.tcpSocket.port`);
  if (handler.grpc && single('grpc')) validatePort(errors, handler.grpc.port, `${field}.grpc.port`);
  if (handler.sleep) single('sleep');
  if (handlers === 0) errors.required(field, 'must specify a handler type');
}

export function validatePort(errors: ErrorList, port: number | string, field: string): void {
  errors.invalidEach(field, port, typeof port === 'number' ? checkPortNumber(port) : checkPortName(port));
}

const maxId = 2_147_483_647;

function validateSecurityContext(errors: ErrorList, security: SecurityContext | undefined, field: string): void {
  if (!security) return;
  for (const name of ['runAsUser', 'runAsGroup'] as const) {
    const id = security[name];
    if (id !== undefined && (id < 0 || id > maxId))
      errors.invalid(`${field}.${name}`, id, `must be between 0 and ${maxId}, inclusive`);
  }
  if (security.allowPrivilegeEscalation === false) {
    if (security.privileged)
      errors.invalid(
        field,
        goSecurityContext(security),
        'cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
      );
    if (security.capabilities?.add?.some((c) => c === 'CAP_SYS_ADMIN'))
      errors.invalid(
        field,
        goSecurityContext(security),
        'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
      );
  }
}

/** Upstream prints its internal type here: Go's field names, every field, null where nothing was given. */
function goSecurityContext(security: SecurityContext): object {
  const given = security as Readonly<Record<string, unknown>>;
  const names = [
    'capabilities',
    'privileged',
    'seLinuxOptions',
    'windowsOptions',
    'runAsUser',
    'runAsGroup',
    'runAsNonRoot',
    'readOnlyRootFilesystem',
    'allowPrivilegeEscalation',
    'procMount',
    'seccompProfile',
    'appArmorProfile',
  ];
  return Object.fromEntries(
    names.map((name) => [
      name === 'seLinuxOptions' ? 'SELinuxOptions' : name.charAt(0).toUpperCase() + name.slice(1),
      given[name] ?? null,
    ]),
  );
}

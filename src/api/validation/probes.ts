/** Probes and lifecycle hooks. */
import { checkHttpHeaderName, checkPortName, checkPortNumber } from '../names.ts';
import type {
  ExecAction,
  GRPCAction,
  HTTPGetAction,
  Lifecycle,
  Probe,
  SleepAction,
  TCPSocketAction,
} from '../types/core-v1.ts';
import { type ErrorList, nonNegative } from './error-list.ts';

interface Handler {
  readonly exec?: ExecAction;
  readonly httpGet?: HTTPGetAction;
  readonly tcpSocket?: TCPSocketAction;
  readonly grpc?: GRPCAction;
  readonly sleep?: SleepAction;
}

export function validateProbe(
  errors: ErrorList,
  probe: Probe,
  field: string,
  kind: 'liveness' | 'readiness' | 'startup',
): void {
  validateHandler(errors, probe, undefined, field);
  nonNegative(errors, probe.initialDelaySeconds, `${field}.initialDelaySeconds`);
  nonNegative(errors, probe.timeoutSeconds, `${field}.timeoutSeconds`);
  nonNegative(errors, probe.periodSeconds, `${field}.periodSeconds`);
  nonNegative(errors, probe.successThreshold, `${field}.successThreshold`);
  nonNegative(errors, probe.failureThreshold, `${field}.failureThreshold`);
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0)
    errors.invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0');
  if (kind === 'readiness') {
    if (grace !== undefined)
      errors.invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes');
  } else if (probe.successThreshold !== 1)
    errors.invalid(`${field}.successThreshold`, probe.successThreshold ?? 0, 'must be 1');
}

export function validateLifecycle(
  errors: ErrorList,
  lifecycle: Lifecycle,
  gracePeriod: number | undefined,
  osName: string | undefined,
  field: string,
): void {
  if (lifecycle.postStart) validateHandler(errors, lifecycle.postStart, gracePeriod, `${field}.postStart`);
  if (lifecycle.preStop) validateHandler(errors, lifecycle.preStop, gracePeriod, `${field}.preStop`);
  const signal = lifecycle.stopSignal;
  if (signal === undefined) return;
  const path = `${field}.stopSignal`;
  if (osName === undefined) errors.forbidden(path, 'may not be set for containers with empty `spec.os.name`');
  else {
    const supported = osName === 'windows' ? windowsSignals : osName === 'linux' ? linuxSignals() : undefined;
    if (supported && !supported.includes(signal)) errors.notSupported(path, signal, supported);
  }
}

const windowsSignals = ['SIGKILL', 'SIGTERM'];
function linuxSignals(): readonly string[] {
  const plain =
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX';
  const range = (prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
  return [...plain.split(' ').map((name) => `SIG${name}`), ...range('SIGRTMIN+', 15), ...range('SIGRTMAX-', 14)].sort();
}

const oneHandler = 'may not specify more than 1 handler type';

function validateHandler(errors: ErrorList, handler: Handler, gracePeriod: number | undefined, field: string): void {
  let handlers = 0;
  if (handler.exec && ++handlers && !handler.exec.command?.length) errors.required(`${field}.exec.command`);
  if (handler.httpGet) {
    if (handlers > 0) errors.forbidden(`${field}.httpGet`, oneHandler);
    else if (++handlers) validateHttpGet(errors, handler.httpGet, `${field}.httpGet`);
  }
  if (handler.tcpSocket) {
    if (handlers > 0) errors.forbidden(`${field}.tcpSocket`, oneHandler);
    else if (++handlers) validatePort(errors, handler.tcpSocket.port, `${field}.tcpSocket.port`);
  }
  if (handler.grpc) {
    if (handlers > 0) errors.forbidden(`${field}.grpc`, oneHandler);
    else if (++handlers) validatePort(errors, handler.grpc.port, `${field}.grpc.port`);
  }
  if (handler.sleep) {
    const { seconds } = handler.sleep;
    if (handlers > 0) errors.forbidden(`${field}.sleep`, oneHandler);
    else if (++handlers && gracePeriod !== undefined && (seconds < 0 || seconds > gracePeriod))
      errors.invalid(
        `${field}.sleep`,
        seconds,
        `must be non-negative and less than terminationGracePeriodSeconds (${gracePeriod})`,
      );
  }
  if (handlers === 0) errors.required(field, 'must specify a handler type');
}

const schemes = ['HTTP', 'HTTPS'];

function validateHttpGet(errors: ErrorList, action: HTTPGetAction, field: string): void {
  if (!action.path) errors.required(`${field}.path`);
  validatePort(errors, action.port, `${field}.port`);
  if (!schemes.includes(action.scheme ?? '')) errors.notSupported(`${field}.scheme`, action.scheme ?? '', schemes);
  for (const { name } of action.httpHeaders ?? [])
    errors.invalidEach(`${field}.httpHeaders`, name, checkHttpHeaderName(name));
}

/** A number, or the name of a port. */
export function validatePort(errors: ErrorList, port: number | string, field: string): void {
  errors.invalidEach(field, port, typeof port === 'number' ? checkPortNumber(port) : checkPortName(port));
}

/** Namespaces, endpoints and events. */
import { sameJson } from '../edit.ts';
import {
  checkDns1123Label,
  checkDns1123Subdomain,
  checkPortNumber,
  checkQualifiedName,
  maskTrailingDash,
} from '../names.ts';
import type { EndpointAddress, EndpointPort, Endpoints, Event, Namespace } from '../types/core-v1.ts';
import { checkIp, validateEndpointIp } from './addresses.ts';
import { at, ErrorList, immutable } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import type { RuleRequest } from './kind-rules.ts';

export function validateNamespace(errors: ErrorList, { spec }: Namespace): void {
  for (const name of spec?.finalizers ?? []) validateFinalizer(errors, name, 'spec.finalizers');
}

const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion'];

function validateFinalizer(errors: ErrorList, name: string, field: string): void {
  errors.invalidEach(field, name, checkQualifiedName(name));
  if (!name.includes('/') && !standardFinalizers.includes(name))
    errors.invalid(field, name, 'name is neither a standard finalizer name nor is it fully qualified');
}

export function validateNamespaceFinalize(errors: ErrorList, { spec }: Namespace): void {
  for (const [i, name] of (spec?.finalizers ?? []).entries()) validateFinalizer(errors, name, at('spec.finalizers', i));
}

export function validateNamespaceStatus(errors: ErrorList, { metadata, status }: Namespace): void {
  const phase = status?.phase ?? '';
  if (!metadata.deletionTimestamp) {
    if (phase !== 'Active')
      errors.invalid('status.Phase', phase, "may only be 'Active' if `deletionTimestamp` is empty");
  } else if (phase !== 'Terminating')
    errors.invalid('status.Phase', phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
}

const protocols = ['SCTP', 'TCP', 'UDP'];

/** @param previous of an update: subsets that did not change are not looked at again. */
export function validateEndpoints(errors: ErrorList, endpoints: Endpoints, previous?: Endpoints): void {
  const found = new ErrorList();
  for (const [i, subset] of (endpoints.subsets ?? []).entries()) {
    const path = at('subsets', i);
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
    if (addresses.length === 0 && notReadyAddresses.length === 0)
      found.required(path, 'must specify `addresses` or `notReadyAddresses`');
    for (const [j, address] of addresses.entries()) validateAddress(found, address, at(`${path}.addresses`, j));
    for (const [j, address] of notReadyAddresses.entries())
      validateAddress(found, address, at(`${path}.notReadyAddresses`, j));
    for (const [j, port] of ports.entries())
      validateEndpointPort(found, port, ports.length > 1, at(`${path}.ports`, j));
  }
  if (found.errors.length > 0 && !(previous && sameJson(previous.subsets, endpoints.subsets)))
    errors.append(found.errors);
}

function validateAddress(errors: ErrorList, { ip, hostname, nodeName }: EndpointAddress, field: string): void {
  errors.invalidEach(`${field}.ip`, ip, checkIp(ip));
  if (hostname) errors.invalidEach(`${field}.hostname`, hostname, checkDns1123Label(hostname));
  if (nodeName !== undefined) errors.invalidEach(`${field}.nodeName`, nodeName, checkDns1123Subdomain(nodeName));
  validateEndpointIp(errors, ip, `${field}.ip`);
}

function validateEndpointPort(errors: ErrorList, port: EndpointPort, nameRequired: boolean, field: string): void {
  if (nameRequired && !port.name) errors.required(`${field}.name`);
  else if (port.name) errors.invalidEach(`${field}.name`, port.name, checkDns1123Label(port.name));
  errors.invalidEach(`${field}.port`, port.port ?? 0, checkPortNumber(port.port ?? 0));
  if (!port.protocol) errors.required(`${field}.protocol`);
  else if (!protocols.includes(port.protocol)) errors.notSupported(`${field}.protocol`, port.protocol, protocols);
  if (port.appProtocol !== undefined)
    errors.invalidEach(`${field}.appProtocol`, port.appProtocol, checkQualifiedName(port.appProtocol));
}

const limits = { reportingInstance: 128, action: 128, reason: 128, message: 1024 } as const;

/** An event lies where its subject does; cluster-wide subjects' events in `default`. New events also say who reports. */
export function validateEvent(errors: ErrorList, event: Event, request: RuleRequest): void {
  validateOldEvent(errors, event, request);
  if (request.apiVersion === 'v1') return;
  const { name = '', generateName = '' } = event.metadata ?? {};
  if (generateName)
    errors.invalidEach('metadata.generateName', generateName, checkDns1123Subdomain(maskTrailingDash(generateName)));
  errors.invalidEach('metadata.name', name, checkDns1123Subdomain(name));
  validateSeries(errors, event);
  if (!event.eventTime) errors.required('eventTime');
  if (event.type !== 'Normal' && event.type !== 'Warning')
    errors.invalid('type', '', `has invalid value: ${event.type ?? ''}`);
  const { firstTimestamp, lastTimestamp, count, source } = event;
  const unset = 'needs to be unset';
  if (firstTimestamp) errors.invalid('firstTimestamp', '', unset);
  if (lastTimestamp) errors.invalid('lastTimestamp', '', unset);
  if (count) errors.invalid('count', '', unset);
  if (source?.component || source?.host) errors.invalid('source', '', unset);
}

export function validateEventUpdate(errors: ErrorList, next: Event, previous: Event, request: RuleRequest): void {
  validateOldEvent(errors, next, request);
  if (request.apiVersion === 'v1') return;
  if (!sameJson(next.series ?? null, previous.series ?? null)) validateSeries(errors, next);
  const fixed = (field: string, now: unknown, before: unknown, shown: unknown = now): void => {
    if (!sameJson((now ?? null) as never, (before ?? null) as never)) errors.invalid(field, shown ?? null, immutable);
  };
  const [a, b] = [next, previous];
  const reference = (value: unknown): unknown => (value ? internalForm(value, 'core.ObjectReference') : null);
  fixed('involvedObject', a.involvedObject, b.involvedObject, internalForm(a.involvedObject, 'core.ObjectReference'));
  fixed('reason', a.reason ?? '', b.reason ?? '');
  fixed('message', a.message ?? '', b.message ?? '');
  fixed('source', a.source, b.source, { Component: a.source?.component ?? '', Host: a.source?.host ?? '' });
  fixed('firstTimestamp', a.firstTimestamp, b.firstTimestamp);
  fixed('lastTimestamp', a.lastTimestamp, b.lastTimestamp);
  fixed('count', a.count ?? 0, b.count ?? 0);
  fixed('reason', a.reason ?? '', b.reason ?? '');
  fixed('type', a.type ?? '', b.type ?? '');
  fixed('eventTime', a.eventTime, b.eventTime);
  fixed('action', a.action ?? '', b.action ?? '');
  fixed('related', a.related, b.related, reference(a.related));
  fixed('reportingController', a.reportingComponent ?? '', b.reportingComponent ?? '');
  fixed('reportingInstance', a.reportingInstance ?? '', b.reportingInstance ?? '');
}

function validateSeries(errors: ErrorList, { series }: Event): void {
  if (!series) return;
  if ((series.count ?? 0) < 2) errors.invalid('series.count', '', 'should be at least 2');
  if (!series.lastObservedTime) errors.required('series.lastObservedTime');
}

/** What holds for events of both groups. */
function validateOldEvent(errors: ErrorList, event: Event, { apiVersion }: RuleRequest): void {
  const controllerField = apiVersion === 'v1' ? 'reportingComponent' : 'reportingController';
  const namespace = event.metadata.namespace ?? '';
  const subject = event.involvedObject?.namespace ?? '';
  const elsewhere = (): void => errors.invalid('involvedObject.namespace', subject, 'does not match event.namespace');
  if (!event.eventTime) {
    if (subject === '' ? namespace !== '' && namespace !== 'default' : namespace !== subject) elsewhere();
  } else {
    if (subject === '' && namespace !== 'default' && namespace !== 'kube-system') elsewhere();
    const controller = event.reportingComponent ?? '';
    if (controller === '') errors.required(controllerField);
    errors.invalidEach(controllerField, controller, checkQualifiedName(controller));
    for (const name of ['reportingInstance', 'action', 'reason', 'message'] as const) {
      const text = event[name] ?? '';
      if (text === '' && name !== 'message') errors.required(name);
      if (Buffer.byteLength(text) > limits[name])
        errors.invalid(name, '', `can have at most ${limits[name]} characters`);
    }
  }
  errors.invalidEach('namespace', namespace, checkDns1123Subdomain(namespace));
}

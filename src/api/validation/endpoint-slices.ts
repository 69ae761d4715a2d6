/** Endpoint slices. */
import { sameJson } from '../edit.ts';
import { checkDns1123Label, checkDns1123Subdomain, checkLabelValue, checkQualifiedName } from '../names.ts';
import type { Endpoint, EndpointHints, EndpointPort, EndpointSlice } from '../types/discovery-v1.ts';
import { checkCanonicalIp, checkIp, parseAddress, validateEndpointIp } from './addresses.ts';
import { at, ErrorList, immutable } from './error-list.ts';
import { validateLabels } from './metadata.ts';

const addressTypes = ['FQDN', 'IPv4', 'IPv6'];
const protocols = ['SCTP', 'TCP', 'UDP'];
const max = { ports: 20_000, endpoints: 1000, addresses: 100, topologyLabels: 16, hints: 8 } as const;

/** @param previous of an update: endpoints that did not change are not looked at again. */
export function validateEndpointSlice(errors: ErrorList, slice: EndpointSlice, previous?: EndpointSlice): void {
  if (!slice.addressType) errors.required('addressType');
  else if (!addressTypes.includes(slice.addressType))
    errors.notSupported('addressType', slice.addressType, addressTypes);
  validatePorts(errors, slice.ports ?? []);
  const found = new ErrorList();
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > max.endpoints) found.tooMany('endpoints', endpoints.length, max.endpoints);
  else
    for (const [i, endpoint] of endpoints.entries())
      validateEndpoint(found, endpoint, slice.addressType, at('endpoints', i));
  if (found.errors.length > 0 && !(previous && sameJson(previous.endpoints, slice.endpoints)))
    errors.append(found.errors);
}

export function validateEndpointSliceUpdate(errors: ErrorList, next: EndpointSlice, previous: EndpointSlice): void {
  validateEndpointSlice(errors, next, previous);
  if (next.addressType !== previous.addressType) errors.invalid('addressType', next.addressType, immutable);
}

function validatePorts(errors: ErrorList, ports: readonly EndpointPort[]): void {
  if (ports.length > max.ports) {
    errors.tooMany('ports', ports.length, max.ports);
    return;
  }
  const names = new Set<string>();
  for (const [i, { name = '', protocol, appProtocol }] of ports.entries()) {
    const path = at('ports', i);
    if (name !== '') errors.invalidEach(`${path}.name`, name, checkDns1123Label(name));
    if (names.has(name)) errors.duplicate(`${path}.name`, name);
    names.add(name);
    if (protocol === undefined) errors.required(`${path}.protocol`);
    else if (!protocols.includes(protocol)) errors.notSupported(`${path}.protocol`, protocol, protocols);
    if (appProtocol !== undefined)
      errors.invalidEach(`${path}.appProtocol`, appProtocol, checkQualifiedName(appProtocol));
  }
}

function validateEndpoint(errors: ErrorList, endpoint: Endpoint, type: string, field: string): void {
  const addresses = endpoint.addresses ?? [];
  const path = `${field}.addresses`;
  if (addresses.length === 0) errors.required(path, 'must contain at least 1 address');
  else if (addresses.length > max.addresses) errors.tooMany(path, addresses.length, max.addresses);
  for (const [i, address] of addresses.entries()) {
    if (type === 'FQDN') validateDomainName(errors, address, at(path, i));
    else if (type === 'IPv4' || type === 'IPv6') validateAddress(errors, address, type, path, i);
  }
  if (endpoint.nodeName !== undefined)
    errors.invalidEach(`${field}.nodeName`, endpoint.nodeName, checkDns1123Subdomain(endpoint.nodeName));
  const topology = endpoint.deprecatedTopology;
  const size = Object.keys(topology ?? {}).length;
  if (size > max.topologyLabels) errors.tooMany(`${field}.deprecatedTopology`, size, max.topologyLabels);
  if (topology) validateLabels(errors, topology, `${field}.deprecatedTopology`);
  if (endpoint.hostname !== undefined)
    errors.invalidEach(`${field}.hostname`, endpoint.hostname, checkDns1123Label(endpoint.hostname));
  if (endpoint.hints) validateHints(errors, endpoint.hints, `${field}.hints`);
}

function validateAddress(errors: ErrorList, address: string, type: string, field: string, index: number): void {
  const path = at(field, index);
  const messages = type === 'IPv4' ? checkIp(address) : checkCanonicalIp(address);
  errors.invalidEach(path, address, messages);
  if (messages.length > 0) return;
  if (`IPv${parseAddress(address)?.family}` !== type) errors.invalid(field, address, `must be an ${type} address`);
  validateEndpointIp(errors, address, path);
}

function validateDomainName(errors: ErrorList, given: string, field: string): void {
  if (given === '') {
    errors.required(field);
    return;
  }
  const name = given.replace(/\.$/, '');
  const messages = checkDns1123Subdomain(name);
  if (messages.length > 0) errors.invalid(field, name, messages.join(','));
  else if (!name.includes('.'))
    errors.invalid(field, name, 'should be a domain with at least two segments separated by dots');
  else {
    const wrong = name.split('.').find((label) => checkDns1123Label(label).length > 0);
    if (wrong !== undefined) errors.invalid(field, wrong, checkDns1123Label(wrong).join(','));
  }
}

function validateHints(errors: ErrorList, hints: EndpointHints, field: string): void {
  for (const [list, check] of [
    ['forZones', checkLabelValue],
    ['forNodes', checkDns1123Subdomain],
  ] as const) {
    const entries = hints[list] ?? [];
    const path = `${field}.${list}`;
    if (entries.length > max.hints) {
      errors.tooMany(path, entries.length, max.hints);
      return;
    }
    const seen = new Set<string>();
    for (const [i, { name }] of entries.entries()) {
      if (seen.has(name)) errors.duplicate(`${at(path, i)}.name`, name);
      seen.add(name);
      errors.invalidEach(`${at(path, i)}.name`, name, check(name));
    }
  }
}

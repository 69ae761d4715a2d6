/** Network policies. */
import { checkPortName, checkPortNumber } from '../names.ts';
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../types/networking-v1.ts';
import { checkCidr, parseRange, rangeNetwork } from './addresses.ts';
import { at, type ErrorList } from './error-list.ts';
import { hasInvalidValues, type SelectorOptions, validateLabelSelector } from './metadata.ts';

const protocols = ['TCP', 'UDP', 'SCTP'];
const policyTypes = ['Ingress', 'Egress'];

/** @param previous of an update: its ranges and its kind of selector stay valid. */
export function validateNetworkPolicy(errors: ErrorList, { spec }: NetworkPolicy, previous?: NetworkPolicy): void {
  if (!spec) return;
  const options: Options = {
    allowInvalidValues: hasInvalidValues(previous?.spec?.podSelector),
    kept: previous ? rangesOf(previous) : [],
  };
  validateLabelSelector(errors, spec.podSelector, 'spec.podSelector', options);
  for (const [direction, peers] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const)
    for (const [i, rule] of (spec[direction] ?? []).entries()) {
      const path = at(`spec.${direction}`, i);
      for (const [j, port] of (rule.ports ?? []).entries()) validatePolicyPort(errors, port, at(`${path}.ports`, j));
      const list =
        peers === 'from'
          ? (rule as { from?: readonly NetworkPolicyPeer[] }).from
          : (rule as { to?: readonly NetworkPolicyPeer[] }).to;
      for (const [j, peer] of (list ?? []).entries()) validatePeer(errors, peer, at(`${path}.${peers}`, j), options);
    }
  const types = spec.policyTypes ?? [];
  if (types.length > 2) errors.invalid('spec.policyTypes', types, 'may not specify more than two policyTypes');
  else
    for (const [i, type] of types.entries())
      if (!policyTypes.includes(type)) errors.notSupported(at('spec.policyTypes', i), type, policyTypes);
}

interface Options extends SelectorOptions {
  readonly kept: readonly string[];
}

function rangesOf({ spec }: NetworkPolicy): readonly string[] {
  const peers = [
    ...(spec?.ingress ?? []).flatMap(({ from = [] }) => from),
    ...(spec?.egress ?? []).flatMap(({ to = [] }) => to),
  ];
  return peers.flatMap(({ ipBlock }) => (ipBlock ? [ipBlock.cidr, ...(ipBlock.except ?? [])] : []));
}

function validatePolicyPort(errors: ErrorList, { protocol, port, endPort }: NetworkPolicyPort, field: string): void {
  if (protocol !== undefined && !protocols.includes(protocol))
    errors.notSupported(`${field}.protocol`, protocol, protocols);
  const path = `${field}.endPort`;
  if (port === undefined) {
    if (endPort !== undefined) errors.invalid(path, endPort, 'may not be specified when `port` is not specified');
  } else if (typeof port === 'string') {
    if (endPort !== undefined) errors.invalid(path, endPort, 'may not be specified when `port` is non-numeric');
    errors.invalidEach(`${field}.port`, port, checkPortName(port));
  } else {
    errors.invalidEach(`${field}.port`, port, checkPortNumber(port));
    if (endPort === undefined) return;
    if (endPort < port) errors.invalid(path, port, 'must be greater than or equal to `port`');
    errors.invalidEach(path, endPort, checkPortNumber(endPort));
  }
}

function validatePeer(errors: ErrorList, peer: NetworkPolicyPeer, field: string, options: Options): void {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (podSelector) validateLabelSelector(errors, podSelector, `${field}.podSelector`, options);
  if (namespaceSelector) validateLabelSelector(errors, namespaceSelector, `${field}.namespaceSelector`, options);
  if (ipBlock) validateBlock(errors, ipBlock, `${field}.ipBlock`, options.kept);
  if (!podSelector && !namespaceSelector && !ipBlock) errors.required(field, 'must specify a peer');
  else if (ipBlock && (podSelector || namespaceSelector))
    errors.forbidden(field, 'may not specify both ipBlock and another peer');
}

function validateBlock(errors: ErrorList, { cidr, except }: IPBlock, field: string, kept: readonly string[]): void {
  if (!cidr) {
    errors.required(`${field}.cidr`);
    return;
  }
  errors.invalidEach(`${field}.cidr`, cidr, checkCidr(cidr, kept));
  const whole = parseRange(cidr);
  if (!whole) return;
  for (const [i, text] of (except ?? []).entries()) {
    const path = at(`${field}.except`, i);
    errors.invalidEach(path, text, checkCidr(text, kept));
    const part = parseRange(text);
    if (!part) continue;
    const inside =
      part.address.family === whole.address.family &&
      part.bits > whole.bits &&
      rangeNetwork({ address: part.address, bits: whole.bits }) === rangeNetwork(whole);
    if (!inside) errors.invalid(path, text, 'must be a strict subset of `cidr`');
  }
}

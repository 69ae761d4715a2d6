/** Nodes. */
import {
  checkConfigMapKey,
  checkDns1123Label,
  checkDns1123Subdomain,
  checkLabelValue,
  checkQualifiedName,
} from '../names.ts';
import type { ConfigMapNodeConfigSource, Node, NodeConfigSource, Taint } from '../types/core-v1.ts';
import { checkCidr, parseRange } from './addresses.ts';
import { at, type ErrorList, positive } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateQuantity } from './resources.ts';
import { validateTaintEffect } from './scheduling.ts';

export function validateNode(errors: ErrorList, node: Node): void {
  // Upstream reports taints under the metadata.
  if (node.spec?.taints) validateTaints(errors, node.spec.taints, 'metadata.taints');
  validateResources(errors, node);
  const swap = node.status?.nodeInfo?.swap?.capacity;
  if (swap !== undefined && swap <= 0) errors.invalid('metadata.nodeSwapStatus.capacity', swap, positive);
  validateFeatures(errors, node);
  const cidrs = node.spec?.podCIDRs ?? [];
  for (const [i, cidr] of cidrs.entries()) errors.invalidEach(at('spec.podCIDRs', i), cidr, checkCidr(cidr));
  if (cidrs.length < 2) return;
  const families = cidrs.map((cidr) => parseRange(cidr)?.address.family);
  if (!families.includes(undefined) && (new Set(families).size < 2 || cidrs.length > 2))
    errors.invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family');
}

function validateTaints(errors: ErrorList, taints: readonly Taint[], field: string): void {
  const seen = new Set<string>();
  for (const [i, taint] of taints.entries()) {
    const path = at(field, i);
    const { key = '', value = '', effect = '' } = taint;
    errors.invalidEach(`${path}.key`, key, checkQualifiedName(key));
    const messages = checkLabelValue(value);
    if (messages.length > 0) errors.invalid(`${path}.value`, value, messages.join(';'));
    if (effect === '') errors.required(`${path}.effect`);
    else validateTaintEffect(errors, effect, `${path}.effect`);
    const pair = `${effect}/${key}`;
    if (seen.has(pair))
      errors.duplicate(path, internalForm(taint, 'core.Taint'), 'taints must be unique by key and effect pair');
    seen.add(pair);
  }
}

function validateResources(errors: ErrorList, { status }: Node): void {
  for (const which of ['capacity', 'allocatable'] as const)
    for (const [name, quantity] of Object.entries(status?.[which] ?? {}))
      validateQuantity(errors, name, quantity, `status.${which}.${name}`);
}

const featureName = /^[A-Z][a-zA-Z0-9]*(\/[a-zA-Z][a-zA-Z0-9]*)*$/;

function validateFeatures(errors: ErrorList, { status }: Node): void {
  const features = status?.declaredFeatures ?? [];
  for (const [i, feature] of features.entries()) {
    const path = at('status.declaredFeatures', i);
    const quoted = JSON.stringify(feature);
    if (feature.length > 253)
      errors.invalid(path, feature, `invalid feature name ${quoted}: must be no more than 253 characters`);
    else if (!featureName.test(feature))
      errors.invalid(
        path,
        feature,
        `invalid feature name ${quoted}: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes`,
      );
    const next = features[i + 1];
    if (next === undefined) continue;
    const nextPath = at('status.declaredFeatures', i + 1);
    if (feature === next) errors.duplicate(nextPath, next);
    else if (feature > next) errors.invalid(nextPath, next, 'list must be sorted alphabetically');
  }
}

export function validateNodeUpdate(errors: ErrorList, next: Node, previous: Node): void {
  validateResources(errors, next);
  validateFeatures(errors, next);
  const addresses = new Set<string>();
  for (const [i, address] of (next.status?.addresses ?? []).entries()) {
    const key = `${address.type}/${address.address}`;
    if (addresses.has(key)) errors.duplicate(at('status.addresses', i), internalForm(address, 'core.NodeAddress'));
    addresses.add(key);
  }
  const before = previous.spec?.podCIDRs ?? [];
  const cidrs = next.spec?.podCIDRs ?? [];
  const fixed = 'node updates may not change podCIDR except from "" to valid';
  if (before.length > 0) {
    if (before.length !== cidrs.length) errors.forbidden('spec.podCIDRs', fixed);
    else for (const [i, cidr] of before.entries()) if (cidr !== cidrs[i]) errors.forbidden('spec.podCIDRs', fixed);
  }
  if (previous.spec?.providerID && next.spec?.providerID !== previous.spec.providerID)
    errors.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid');
  if (next.spec?.configSource) validateConfigSource(errors, next.spec.configSource, 'spec.configSource', 'spec');
  const config = next.status?.config;
  for (const name of ['assigned', 'active', 'lastKnownGood'] as const)
    if (config?.[name]) validateConfigSource(errors, config[name], `status.config.${name}`, 'status');
  if (next.spec?.taints) validateTaints(errors, next.spec.taints, 'metadata.taints');
  if ((next.spec?.externalID ?? '') !== (previous.spec?.externalID ?? ''))
    errors.forbidden('spec.externalID', 'may not be updated');
}

function validateConfigSource(
  errors: ErrorList,
  source: NodeConfigSource,
  field: string,
  where: 'spec' | 'status',
): void {
  if (source.configMap) validateConfigMapSource(errors, source.configMap, `${field}.configMap`, where);
  else
    errors.invalid(
      field,
      internalForm(source, 'core.NodeConfigSource'),
      'exactly one reference subfield must be non-nil',
    );
}

function validateConfigMapSource(
  errors: ErrorList,
  source: ConfigMapNodeConfigSource,
  field: string,
  where: 'spec' | 'status',
): void {
  for (const name of ['uid', 'resourceVersion'] as const) {
    if (where === 'spec' && source[name]) errors.forbidden(`${field}.${name}`, `${name} must not be set in spec`);
    if (where === 'status' && !source[name]) errors.required(`${field}.${name}`);
  }
  const checks = {
    namespace: checkDns1123Label,
    name: checkDns1123Subdomain,
    kubeletConfigKey: checkConfigMapKey,
  } as const;
  for (const name of ['namespace', 'name', 'kubeletConfigKey'] as const) {
    const value = source[name];
    if (!value) errors.required(`${field}.${name}`);
    else errors.invalidEach(`${field}.${name}`, value, checks[name](value));
  }
}

/** Environment variables and what they may be taken from; the same selectors serve downward API volumes. */
import {
  checkConfigMapKey,
  checkDns1123Label,
  checkDns1123Subdomain,
  checkEnvVarName,
  checkQualifiedName,
  maskTrailingDash,
} from '../names.ts';
import { parseQuantity } from '../quantity.ts';
import type {
  ConfigMapKeySelector,
  EnvFromSource,
  EnvVar,
  FileKeySelector,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '../types/core-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateNoBacksteps } from './paths.ts';

export function validateEnv(errors: ErrorList, variables: readonly EnvVar[], field: string): void {
  for (let i = 0; i < variables.length; i++) {
    const variable = variables[i]!;
    const path = at(field, i);
    if (!variable.name) errors.required(`${path}.name`);
    else errors.invalidEach(`${path}.name`, variable.name, checkEnvVarName(variable.name));
    if (variable.valueFrom) validateValueFrom(errors, variable, `${path}.valueFrom`);
  }
}

function validateValueFrom(errors: ErrorList, { value, valueFrom }: EnvVar, path: string): void {
  const source = valueFrom!;
  let sources = 0;
  if (source.fieldRef) {
    sources++;
    validateFieldRef(errors, source.fieldRef, variableFields, `${path}.fieldRef`);
  }
  if (source.resourceFieldRef) {
    sources++;
    validateResourceFieldRef(errors, source.resourceFieldRef, `${path}.resourceFieldRef`, { volume: false });
  }
  if (source.configMapKeyRef) {
    sources++;
    validateKeyRef(errors, source.configMapKeyRef, `${path}.configMapKeyRef`);
  }
  if (source.secretKeyRef) {
    sources++;
    validateKeyRef(errors, source.secretKeyRef, `${path}.secretKeyRef`);
  }
  if (source.fileKeyRef) {
    sources++;
    validateFileKeyRef(errors, source.fileKeyRef, `${path}.fileKeyRef`);
  }
  if (sources === 0)
    errors.invalid(
      path,
      '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    );
  else if (value) errors.invalid(path, '', 'may not be specified when `value` is not empty');
  else if (sources > 1) errors.invalid(path, '', 'may not have more than one field specified at a time');
}

const variableFields: ReadonlySet<string> = new Set([
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
export const fileFields: ReadonlySet<string> = new Set([
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
]);
/** Every field path that the downward API knows under some name. */
const knownFields: ReadonlySet<string> = new Set([
  ...variableFields,
  ...fileFields,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);
const subscripted = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/s;

export function validateFieldRef(
  errors: ErrorList,
  { apiVersion, fieldPath }: ObjectFieldSelector,
  allowed: ReadonlySet<string>,
  path: string,
): void {
  if (!apiVersion) {
    errors.required(`${path}.apiVersion`);
    return;
  }
  if (!fieldPath) {
    errors.required(`${path}.fieldPath`);
    return;
  }
  if (apiVersion !== 'v1') {
    errors.invalid(
      `${path}.fieldPath`,
      fieldPath,
      `error converting fieldPath: unsupported pod version: ${apiVersion}`,
    );
    return;
  }
  const [, map, key] = subscripted.exec(fieldPath) ?? [];
  if (map !== undefined) {
    const name = map === 'metadata.annotations' ? key!.toLowerCase() : key!;
    errors.invalidEach(path, name, checkQualifiedName(name));
    return;
  }
  const [, base] = /^(.*)\['.*'\]$/s.exec(fieldPath) ?? [];
  if (base !== undefined)
    errors.invalid(
      `${path}.fieldPath`,
      fieldPath,
      `error converting fieldPath: field label does not support subscript`,
    );
  else if (fieldPath !== 'spec.host' && !knownFields.has(fieldPath))
    errors.invalid(
      `${path}.fieldPath`,
      fieldPath,
      `error converting fieldPath: field label not supported: ${fieldPath}`,
    );
  else {
    // The name of the field long ago.
    const name = fieldPath === 'spec.host' ? 'spec.nodeName' : fieldPath;
    if (!allowed.has(name)) errors.notSupported(`${path}.fieldPath`, name, [...allowed].sort());
  }
}

const resourceFields = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const pageFields = /^(limits|requests)\.hugepages-/;
const sizes = ['1', ...['k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((unit) => `1${unit}`)];

export function validateResourceFieldRef(
  errors: ErrorList,
  { containerName, resource, divisor }: ResourceFieldSelector,
  path: string,
  { volume }: { readonly volume: boolean },
): void {
  if (volume && !containerName) errors.required(`${path}.containerName`);
  else if (!resource) errors.required(`${path}.resource`);
  else if (!resourceFields.includes(resource) && !pageFields.test(resource))
    errors.notSupported(`${path}.resource`, resource, resourceFields);
  if (divisor === undefined || parseQuantity(divisor).digits === 0n) return;
  const wrong = (values: readonly string[], what: string): void => {
    if (!values.includes(divisor))
      errors.invalid(
        `${path}.divisor`,
        resource,
        `only divisor's values ${values.length === 2 ? values.join(' and ') : values.join(', ')} are supported with the ${what} resource`,
      );
  };
  if (/\.cpu$/.test(resource)) wrong(['1m', '1'], 'cpu');
  else if (/\.memory$/.test(resource)) wrong(sizes, 'memory');
  else if (/\.ephemeral-storage$/.test(resource)) wrong(sizes, 'local ephemeral storage');
  else if (pageFields.test(resource)) wrong(sizes, 'hugepages');
}

function validateKeyRef(errors: ErrorList, { name = '', key }: ConfigMapKeySelector, path: string): void {
  errors.invalidEach(`${path}.name`, name, checkDns1123Subdomain(name));
  if (!key) errors.required(`${path}.key`);
  else errors.invalidEach(`${path}.key`, key, checkConfigMapKey(key));
}

function validateFileKeyRef(errors: ErrorList, reference: FileKeySelector, path: string): void {
  if (!reference.key) errors.required(`${path}.key`);
  else errors.invalidEach(`${path}.key`, reference.key, checkEnvVarName(reference.key));
  if (!reference.volumeName) errors.required(`${path}.volumeName`);
  else errors.invalidEach(`${path}.volumeName`, reference.volumeName, checkDns1123Label(reference.volumeName));
  if (!reference.path) errors.required(`${path}.path`);
  else validateNoBacksteps(errors, reference.path, `${path}.path`);
}

export function validateEnvFrom(errors: ErrorList, sources: readonly EnvFromSource[], field: string): void {
  for (const [i, source] of sources.entries()) {
    const path = at(field, i);
    if (source.prefix) errors.invalidEach(`${path}.prefix`, source.prefix, checkEnvVarName(source.prefix));
    let given = 0;
    for (const name of ['configMapRef', 'secretRef'] as const) {
      const reference = source[name];
      if (!reference) continue;
      given++;
      if (!reference.name) errors.required(`${path}.${name}.name`);
      else
        errors.invalidEach(
          `${path}.${name}.name`,
          reference.name,
          checkDns1123Subdomain(maskTrailingDash(reference.name)),
        );
    }
    // Upstream names the list here, not the entry.
    if (given === 0) errors.invalid(field, '', 'must specify one of: `configMapRef` or `secretRef`');
    else if (given > 1) errors.invalid(field, '', 'may not have more than one field specified at a time');
  }
}

/** Config maps and secrets. */
import { sameJson } from '../edit.ts';
import { checkConfigMapKey } from '../names.ts';
import type { ConfigMap, Secret } from '../types/core-v1.ts';
import { at, type ErrorList, immutable, nowhere } from './error-list.ts';

const maxDataBytes = 1024 * 1024;
const marked = 'field is immutable when `immutable` is set';

export function validateConfigMap(errors: ErrorList, map: ConfigMap): void {
  let bytes = 0;
  const { data, binaryData } = map;
  for (const key in data) {
    errors.invalidEach(at('data', key), key, checkConfigMapKey(key));
    if (binaryData && Object.hasOwn(binaryData, key))
      errors.invalid(at('data', key), key, 'duplicate of key present in binaryData');
    bytes += Buffer.byteLength(data[key] ?? '');
  }
  for (const key in binaryData) {
    errors.invalidEach(at('binaryData', key), key, checkConfigMapKey(key));
    bytes += Buffer.byteLength(binaryData[key] ?? '', 'base64');
  }
  if (bytes > maxDataBytes) errors.tooLong(nowhere, maxDataBytes);
}

export function validateConfigMapUpdate(errors: ErrorList, next: ConfigMap, previous: ConfigMap): void {
  if (previous.immutable !== true) return;
  if (next.immutable !== true) errors.forbidden('immutable', marked);
  for (const name of ['data', 'binaryData'] as const)
    if (!sameJson(next[name] ?? {}, previous[name] ?? {})) errors.forbidden(name, marked);
}

export function validateSecret(errors: ErrorList, secret: Secret): void {
  let bytes = 0;
  const data = secret.data ?? {};
  for (const key in data) {
    errors.invalidEach(at('data', key), key, checkConfigMapKey(key));
    bytes += Buffer.byteLength(data[key] ?? '', 'base64');
  }
  if (bytes > maxDataBytes) errors.tooLong('data', maxDataBytes);
  const need = (key: string): boolean => {
    if (data[key] !== undefined) return true;
    errors.required(at('data', key));
    return false;
  };
  switch (secret.type) {
    case 'kubernetes.io/service-account-token':
      if (!secret.metadata.annotations?.['kubernetes.io/service-account.name'])
        errors.required('metadata.annotations[kubernetes.io/service-account.name]');
      break;
    case 'kubernetes.io/dockercfg':
      if (need('.dockercfg')) validateJson(errors, data['.dockercfg']!, 'data[.dockercfg]');
      break;
    case 'kubernetes.io/dockerconfigjson':
      if (need('.dockerconfigjson')) validateJson(errors, data['.dockerconfigjson']!, 'data[.dockerconfigjson]');
      break;
    case 'kubernetes.io/basic-auth':
      if (data.username === undefined && data.password === undefined) {
        need('username');
        need('password');
      }
      break;
    case 'kubernetes.io/ssh-auth':
      if (!data['ssh-privatekey']) errors.required('data[ssh-privatekey]');
      break;
    case 'kubernetes.io/tls':
      need('tls.crt');
      need('tls.key');
      break;
    default:
      break;
  }
}

function validateJson(errors: ErrorList, base64: string, field: string): void {
  const problem = notJsonObject(Buffer.from(base64, 'base64').toString());
  if (problem) errors.invalid(field, '<secret contents redacted>', problem);
}

/** What Go's decoder says of text that is no JSON object. */
function notJsonObject(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (value === null || (typeof value === 'object' && !Array.isArray(value))) return undefined;
    const kind = Array.isArray(value)
      ? 'array'
      : typeof value === 'boolean'
        ? 'bool'
        : typeof value === 'number'
          ? 'number'
          : 'string';
    return `json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`;
  } catch (error) {
    // The user's text is no JSON: that is the finding.
    if (!(error instanceof SyntaxError)) throw error;
    const first = text.trimStart()[0];
    return first === undefined || first === '{' || first === '['
      ? 'unexpected end of JSON input'
      : `invalid character '${first}' looking for beginning of value`;
  }
}

export function validateSecretUpdate(errors: ErrorList, next: Secret, previous: Secret): void {
  if (next.type !== previous.type) errors.invalid('type', next.type ?? '', immutable);
  if (previous.immutable !== true) return;
  if (next.immutable !== true) errors.forbidden('immutable', marked);
  if (!sameJson(next.data ?? {}, previous.data ?? {})) errors.forbidden('data', marked);
}

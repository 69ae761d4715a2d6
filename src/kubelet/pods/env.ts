/**
 * A container's environment: services of its namespace, envFrom, env, in that order, later ones winning; `$(VAR)` in values refers to what
 * came before. Source: kubelet_pods.go makeEnvironmentVariables, pkg/kubelet/envvars.
 */
import type { Container, EnvVar, Pod, Service } from '../../api/types/core-v1.ts';
import { expand } from '../containers/expansion.ts';
import type { ObjectSource } from '../object-source.ts';
import { variableOf } from './env-file.ts';
import { fieldValue, resourceValue } from './field-value.ts';

/** A container's configuration names something that is not there: waiting reason CreateContainerConfigError. */
export class ContainerConfigError extends Error {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = 'ContainerConfigError';
  }
}

export interface EnvContext {
  readonly objects: ObjectSource;
  readonly nodeName: string;
  readonly nodeIPs: readonly string[];
  readonly podIPs: readonly string[];
  /** What the node offers, for limits that a container leaves open. */
  readonly allocatable: Readonly<Record<string, string>>;
  /** A file in one of the pod's volumes. @throws Error when it is not there */
  volumeFile(pod: Pod, volume: string, path: string): Promise<string>;
  readonly signal?: AbortSignal;
}

/** @throws ContainerConfigError */
export async function makeEnvironment(
  pod: Pod,
  container: Container,
  context: EnvContext,
): Promise<Map<string, string>> {
  const result = new Map<string, string>();
  const namespace = pod.metadata.namespace ?? '';
  const services = serviceEnvironment(pod, context.objects);

  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef) {
      const map = await context.objects.configMap(namespace, configMapRef.name ?? '', context);
      if (!map) {
        if (configMapRef.optional) continue;
        throw new ContainerConfigError(`configmap "${configMapRef.name}" not found`);
      }
      for (const [key, value] of Object.entries(map.data ?? {}))
        if (isEnvName(prefix + key)) result.set(prefix + key, value);
    } else if (secretRef) {
      const secret = await context.objects.secret(namespace, secretRef.name ?? '', context);
      if (!secret) {
        if (secretRef.optional) continue;
        throw new ContainerConfigError(`secret "${secretRef.name}" not found`);
      }
      for (const [key, value] of Object.entries(secret.data ?? {}))
        if (isEnvName(prefix + key)) result.set(prefix + key, Buffer.from(value, 'base64').toString());
    }
  }
  const lookup = (name: string): string | undefined => result.get(name) ?? services.get(name);
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? await referencedValue(pod, container, variable, context)
      : expand(variable.value ?? '', lookup);
    if (value !== undefined) result.set(variable.name, value);
  }
  for (const [name, value] of services) if (!result.has(name)) result.set(name, value);
  return result;
}

const isEnvName = (name: string): boolean => name !== '' && !/[=\0]/.test(name);

async function referencedValue(
  pod: Pod,
  container: Container,
  { name, valueFrom }: EnvVar,
  context: EnvContext,
): Promise<string | undefined> {
  const namespace = pod.metadata.namespace ?? '';
  if (valueFrom?.fieldRef) {
    const path = valueFrom.fieldRef.fieldPath;
    const value = fieldValue(pod, path, context);
    if (value === undefined) throw new ContainerConfigError(`unsupported fieldPath: ${path}`);
    return value;
  }
  if (valueFrom?.resourceFieldRef) {
    const { containerName, resource, divisor } = valueFrom.resourceFieldRef;
    const target = containerName
      ? [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find((c) => c.name === containerName)
      : container;
    if (!target) throw new ContainerConfigError(`container ${containerName} not found`);
    return resourceValue(target, resource, divisor, context.allocatable);
  }
  if (valueFrom?.configMapKeyRef) {
    const { name: mapName = '', key, optional } = valueFrom.configMapKeyRef;
    const map = await context.objects.configMap(namespace, mapName, context);
    const value = map?.data?.[key] ?? fromBinary(map?.binaryData?.[key]);
    if (value !== undefined || optional) return value;
    throw new ContainerConfigError(
      map ? `couldn't find key ${key} in ConfigMap ${namespace}/${mapName}` : `configmap "${mapName}" not found`,
    );
  }
  if (valueFrom?.secretKeyRef) {
    const { name: secretName = '', key, optional } = valueFrom.secretKeyRef;
    const secret = await context.objects.secret(namespace, secretName, context);
    const value = fromBinary(secret?.data?.[key]);
    if (value !== undefined || optional) return value;
    throw new ContainerConfigError(
      secret ? `couldn't find key ${key} in Secret ${namespace}/${secretName}` : `secret "${secretName}" not found`,
    );
  }
  if (valueFrom?.fileKeyRef) {
    const { volumeName, path, key, optional } = valueFrom.fileKeyRef;
    if (!pod.spec?.volumes?.some((volume) => volume.name === volumeName))
      throw new ContainerConfigError(`cannot find the volume ${JSON.stringify(volumeName)} referenced by FileKeyRef`);
    let value: string;
    try {
      value = variableOf(await context.volumeFile(pod, volumeName, path), key);
    } catch (cause) {
      throw new ContainerConfigError("couldn't parse env file", { cause });
    }
    if (value !== '') return value;
    if (optional) return undefined;
    throw new ContainerConfigError(
      `environment variable key ${JSON.stringify(key)} not found in file ${JSON.stringify(path)}`,
    );
  }
  throw new ContainerConfigError(`environment variable ${JSON.stringify(name)} has a source that is not supported`);
}

const fromBinary = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : Buffer.from(text, 'base64').toString();

/** `{SVC}_SERVICE_HOST` and docker-link style variables; the master services of `default` are there even with enableServiceLinks false. */
export function serviceEnvironment(pod: Pod, objects: ObjectSource): Map<string, string> {
  const services = new Map<string, Service>();
  const add = (service: Service): void => {
    const ip = service.spec?.clusterIP;
    if (ip && ip !== 'None') services.set(service.metadata.name ?? '', service);
  };
  for (const service of objects.services('default')) if (service.metadata.name === 'kubernetes') add(service);
  if (pod.spec?.enableServiceLinks !== false)
    for (const service of objects.services(pod.metadata.namespace ?? '')) add(service);
  const result = new Map<string, string>();
  for (const [name, service] of services) {
    const prefix = name.toUpperCase().replaceAll('-', '_');
    const ip = service.spec!.clusterIP!;
    const host = ip.includes(':') ? `[${ip}]` : ip;
    const ports = service.spec?.ports ?? [];
    const first = ports[0];
    if (!first) continue;
    result.set(`${prefix}_SERVICE_HOST`, ip);
    result.set(`${prefix}_SERVICE_PORT`, String(first.port));
    for (const port of ports)
      if (port.name)
        result.set(`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`, String(port.port));
    result.set(`${prefix}_PORT`, `${(first.protocol ?? 'TCP').toLowerCase()}://${host}:${first.port}`);
    for (const port of ports) {
      const protocol = port.protocol ?? 'TCP';
      const portPrefix = `${prefix}_PORT_${port.port}_${protocol}`;
      result.set(portPrefix, `${protocol.toLowerCase()}://${host}:${port.port}`);
      result.set(`${portPrefix}_PROTO`, protocol.toLowerCase());
      result.set(`${portPrefix}_PORT`, String(port.port));
      result.set(`${portPrefix}_ADDR`, ip);
    }
  }
  return result;
}

/** A container's volume mounts, as the runtime is told of them. Source: pkg/kubelet/kubelet_pods.go makeMounts. */
import { mkdir, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { Container, Pod, VolumeMount } from '../../api/types/core-v1.ts';
import { errorCode } from '../../host/host-error.ts';
import type { Mounts } from '../../host/mounts.ts';
import type { Mount, MountPropagation } from '../../runtime/cri-types.ts';
import { expand } from '../containers/expansion.ts';
import { EnvironmentError } from '../environment.ts';
import { prepareSubPath } from './sub-path.ts';
import type { Volumes } from './volumes.ts';

export interface ContainerMountsContext {
  readonly volumes: Volumes;
  readonly mounts: Mounts;
  readonly podFolder: string;
  /** The container's environment, for subPathExpr. */
  readonly env: ReadonlyMap<string, string>;
  /** Volume name -> the runtime's id of its image, which was pulled before. */
  readonly volumeImages: ReadonlyMap<string, string>;
  /** Whether the runtime can make a mount read-only with all that is mounted below it. */
  readonly recursiveReadOnly: boolean;
}

/** @throws EnvironmentError */
export async function containerMounts(
  pod: Pod,
  container: Container,
  context: ContainerMountsContext,
): Promise<readonly Mount[]> {
  const found: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries())
    found.push(await mountOf(pod, container, mount, index, context));
  return found;
}

async function mountOf(
  pod: Pod,
  container: Container,
  mount: VolumeMount,
  index: number,
  context: ContainerMountsContext,
): Promise<Mount> {
  const { name, mountPath, subPath, subPathExpr, mountPropagation } = mount;
  const containerPath = mountPath.startsWith('/') ? mountPath : `/${mountPath}`;
  const volume = pod.spec?.volumes?.find((each) => each.name === name);
  const path = subPathExpr ? expandStrictly(subPathExpr, context.env) : (subPath ?? '');
  if (volume?.image)
    return {
      containerPath,
      hostPath: '',
      readonly: true,
      image: { image: context.volumeImages.get(name) ?? volume.image.reference ?? '' },
      ...(path === '' ? {} : { imageSubPath: path }),
    };
  const { path: volumePath, readOnly } = await context.volumes.path(pod, name);
  let hostPath = volumePath;
  if (path !== '') {
    if (isAbsolute(path))
      throw new EnvironmentError('Failed', `error SubPath \`${path}\` must not be an absolute path`);
    if (path.split('/').includes('..'))
      throw new EnvironmentError('Failed', `unable to provision SubPath \`${path}\`: must not contain '..'`);
    try {
      hostPath = await prepareSubPath(
        {
          podFolder: context.podFolder,
          volumeName: name,
          volumePath,
          containerName: container.name,
          mountIndex: index,
          path,
        },
        context.mounts,
      );
    } catch (cause) {
      throw new EnvironmentError(
        'Failed',
        `failed to prepare subPath for volumeMount ${JSON.stringify(name)} of container ${JSON.stringify(container.name)}`,
        { cause },
      );
    }
  } else if (volume?.hostPath) {
    // An untyped hostPath that is missing becomes a folder.
    await stat(hostPath).catch(async (error) => {
      if (errorCode(error) === 'ENOENT') await mkdir(hostPath, { recursive: true, mode: 0o755 });
      else throw error;
    });
  }
  return {
    containerPath,
    hostPath,
    readonly: mount.readOnly === true || readOnly,
    propagation: propagations[mountPropagation ?? 'None'] ?? 'PROPAGATION_PRIVATE',
    ...recursion(mount, context),
  };
}

/** Source: resolveRecursiveReadOnly. */
function recursion(
  { name, readOnly, recursiveReadOnly }: VolumeMount,
  context: ContainerMountsContext,
): { readonly recursiveReadOnly?: true } {
  if (recursiveReadOnly === undefined || recursiveReadOnly === 'Disabled' || readOnly !== true) return {};
  if (context.recursiveReadOnly) return { recursiveReadOnly: true };
  if (recursiveReadOnly === 'IfPossible') return {};
  throw new EnvironmentError(
    'Failed',
    `failed to resolve recursive read-only mode: volume ${JSON.stringify(name)} requested recursive read-only mode, but it is not supported by the runtime`,
  );
}

const propagations: Readonly<Record<string, MountPropagation>> = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
};

/** In a subPathExpr a name that is not known is an error. */
function expandStrictly(text: string, env: ReadonlyMap<string, string>): string {
  return expand(text, (name) => {
    const value = env.get(name);
    if (value === undefined) throw new EnvironmentError('Failed', `missing value for ${JSON.stringify(name)}`);
    return value;
  });
}

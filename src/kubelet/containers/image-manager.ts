/**
 * Makes a container's image present, by its pull policy, with back-off per pod and image. Pulls are one at a time, as upstream's
 * serializeImagePulls default, or as many as maxParallelImagePulls says.
 */
import type { Container, Pod, Secret } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { CriError, type CriRuntime } from '../../runtime/cri.ts';
import type { AuthConfig, Image, PodSandboxConfig } from '../../runtime/cri-types.ts';
import { podUid } from '../pods/pod-info.ts';
import type { BackOff } from './back-off.ts';
import { type ContainerEvents, StartError } from './container-events.ts';

export interface ImageManager {
  /** @returns the image. @throws StartError: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, ImageInspectError, InvalidImageName. */
  ensure(
    pod: Pod,
    container: Container,
    options: {
      readonly sandbox: PodSandboxConfig;
      readonly pullSecrets: readonly Secret[];
      readonly events: ContainerEvents;
      readonly signal: AbortSignal;
    },
  ): Promise<Image>;
}

export interface ImageManagerOptions {
  readonly runtime: CriRuntime;
  readonly clock: Clock;
  readonly backOff: BackOff;
  readonly timeoutMs: number;
  /** How many pulls go on at once; 1 by default, as upstream's serializeImagePulls. */
  readonly parallelPulls?: number;
  /** Pulling has no bound of its own upstream; an hour ends what hangs. */
  readonly pullTimeoutMs?: number;
}

export function createImageManager({
  runtime,
  clock,
  backOff,
  timeoutMs,
  parallelPulls = 1,
  pullTimeoutMs = 3_600_000,
}: ImageManagerOptions): ImageManager {
  /** The last failed pull per pod and image; bounded. */
  const failures = new Map<string, { readonly atMs: number; readonly message: string }>();
  let pulling = 0;
  const waiting: (() => void)[] = [];
  /** First come, first served; who is not wanted any more leaves the queue. */
  const limited = async <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    if (pulling >= parallelPulls) await turn(signal);
    else pulling++;
    try {
      return await work();
    } finally {
      // The place is handed over, or given back.
      const next = waiting.shift();
      if (next) next();
      else pulling--;
    }
  };
  const turn = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.splice(waiting.indexOf(mine), 1);
        reject(signal.reason);
      };
      const mine = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      if (signal.aborted) return reject(signal.reason);
      waiting.push(mine);
      signal.addEventListener('abort', leave, { once: true });
    });
  const inspect = async (image: string, signal: AbortSignal): Promise<Image | undefined> =>
    (await runtime.imageStatus({ image: { image } }, { signal, timeoutMs })).image;
  /** With each credential that fits in turn; without any when none does. The last failure is the one to tell. */
  const pull = async (
    image: string,
    pullSecrets: readonly Secret[],
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<void> => {
    const credentials: (AuthConfig | undefined)[] = credentialsFor(image, pullSecrets);
    if (credentials.length === 0) credentials.push(undefined);
    let failure: unknown;
    for (const auth of credentials) {
      try {
        await runtime.pullImage(
          { image: { image }, sandboxConfig: sandbox, ...(auth ? { auth } : {}) },
          { signal, timeoutMs: pullTimeoutMs },
        );
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };

  return {
    async ensure(pod, container, { sandbox, pullSecrets, events, signal }) {
      const written = container.image ?? '';
      const image = withDefaultTag(written);
      if (image === undefined) {
        const message = `Failed to apply default image tag ${JSON.stringify(written)}: couldn't parse image name ${JSON.stringify(written)}: ${formatProblem(written)}`;
        events.warning(container, 'InspectFailed', message);
        throw new StartError('InvalidImageName', message);
      }
      let present: Image | undefined;
      try {
        present = await inspect(image, signal);
      } catch (error) {
        const message = `Failed to inspect image ${JSON.stringify(written)}: ${text(error)}`;
        events.warning(container, 'InspectFailed', message);
        throw new StartError('ImageInspectError', message, { cause: error });
      }
      const policy = container.imagePullPolicy ?? (image.endsWith(':latest') ? 'Always' : 'IfNotPresent');
      if (present && policy !== 'Always') {
        events.normal(
          container,
          'Pulled',
          `Container image ${JSON.stringify(written)} already present on machine and can be accessed by the pod`,
        );
        return present;
      }
      if (policy === 'Never') {
        const message = `Container image ${JSON.stringify(written)} is not present with pull policy of Never`;
        events.warning(container, 'ErrImageNeverPull', message);
        throw new StartError('ErrImageNeverPull', message);
      }

      const key = `${podUid(pod)}_${written}`;
      const lastFailure = failures.get(key);
      if (lastFailure && clock.now() - lastFailure.atMs < backOff.delayMs(key)) {
        const message = `Back-off pulling image ${JSON.stringify(written)}: ErrImagePull: ${lastFailure.message}`;
        events.normal(container, 'BackOff', `Back-off pulling image ${JSON.stringify(written)}`);
        throw new StartError('ImagePullBackOff', message, {
          retryAfterMs: lastFailure.atMs + backOff.delayMs(key) - clock.now(),
        });
      }
      events.normal(container, 'Pulling', `Pulling image ${JSON.stringify(written)}`);
      const asked = clock.monotonic();
      try {
        const { pulled, tookMs } = await limited(async () => {
          const started = clock.monotonic();
          await pull(image, pullSecrets, sandbox, signal);
          return { pulled: await inspect(image, signal), tookMs: clock.monotonic() - started };
        }, signal);
        if (!pulled) throw new Error(`the runtime pulled ${JSON.stringify(image)} and does not have it`);
        failures.delete(key);
        events.normal(
          container,
          'Pulled',
          `Successfully pulled image ${JSON.stringify(written)} in ${roundedSeconds(tookMs)} (${roundedSeconds(
            clock.monotonic() - asked,
          )} including waiting). Image size: ${pulled.size} bytes.`,
        );
        return pulled;
      } catch (error) {
        if (signal.aborted) throw error;
        const message = text(error);
        events.warning(container, 'Failed', `Failed to pull image ${JSON.stringify(written)}: ${message}`);
        backOff.next(key, clock.now());
        failures.set(key, { atMs: clock.now(), message });
        if (failures.size > 5000) failures.delete(failures.keys().next().value!);
        throw new StartError('ErrImagePull', message, { cause: error, retryAfterMs: backOff.delayMs(key) });
      }
    },
  };
}

/** What the runtime said, without the words of gRPC around it. */
const text = (error: unknown): string =>
  error instanceof CriError ? error.detail : error instanceof Error ? error.message : String(error);

/** Go prints a duration rounded to milliseconds: `850ms`, `1.2s`, `1m3.5s`. */
function roundedSeconds(ms: number): string {
  const whole = Math.round(ms);
  if (whole < 1000) return whole === 0 ? '0s' : `${whole}ms`;
  const seconds = whole / 1000;
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${Number((seconds % 60).toFixed(3))}s`;
}

/** `busybox` -> `busybox:latest`; undefined for what is no image reference. */
export function withDefaultTag(image: string): string | undefined {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._:/@[\]-]*$/.test(image)) return undefined;
  const [path = '', digest] = image.split('@');
  if (digest !== undefined) return /^[a-z0-9+._-]+:[0-9a-fA-F]{32,}$/.test(digest) ? image : undefined;
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  const [repository = '', tag, ...more] = name.split(':');
  const folders = slash < 0 ? [] : path.slice(0, slash).split('/');
  // The first part may be a host with a port and capitals; the rest is lower case.
  if (more.length > 0 || ![...folders.slice(1), repository].every((part) => /^[a-z0-9]+([._-]+[a-z0-9]+)*$/.test(part)))
    return undefined;
  if (tag === undefined) return `${image}:latest`;
  return /^[\w][\w.-]{0,127}$/.test(tag) ? image : undefined;
}

/** What is wrong with the name, as the distribution library says it. */
function formatProblem(image: string): string {
  const slash = image.indexOf('/');
  const first = image.slice(0, Math.max(0, slash));
  const isHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  const path = isHost ? image.slice(slash + 1) : slash < 0 ? `library/${image}` : image;
  const colon = path.indexOf(':');
  const name = colon < 0 ? path : path.slice(0, colon);
  return name.toLowerCase() === name
    ? 'invalid reference format'
    : `invalid reference format: repository name (${name}) must be lowercase`;
}

/** Credentials of dockerconfigjson and dockercfg secrets whose registry is the image's. */
function credentialsFor(image: string, secrets: readonly Secret[]): AuthConfig[] {
  const first = image.split('/')[0]!;
  const registry = image.includes('/') && /[.:]|^localhost$/.test(first) ? first : 'docker.io';
  const found: AuthConfig[] = [];
  for (const { data } of secrets) {
    const encoded = data?.['.dockerconfigjson'] ?? data?.['.dockercfg'];
    if (encoded === undefined) continue;
    let parsed: { auths?: DockerAuths } & DockerAuths;
    try {
      parsed = JSON.parse(Buffer.from(encoded, 'base64').toString());
    } catch {
      // An unreadable secret holds no credentials; the pull's own failure tells the user.
      continue;
    }
    const auths: DockerAuths = data?.['.dockerconfigjson'] ? (parsed.auths ?? {}) : parsed;
    for (const [server, { username, password, auth, identitytoken }] of Object.entries(auths)) {
      const host = server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
      if (host !== registry && !(registry === 'docker.io' && host === 'index.docker.io')) continue;
      const [user = '', ...rest] = Buffer.from(auth ?? '', 'base64')
        .toString()
        .split(':');
      found.push({
        username: username ?? user,
        password: password ?? rest.join(':'),
        ...(identitytoken ? { identityToken: identitytoken } : {}),
        serverAddress: host,
      });
    }
  }
  return found;
}

type DockerAuths = Readonly<
  Record<
    string,
    { readonly username?: string; readonly password?: string; readonly auth?: string; readonly identitytoken?: string }
  >
>;

/** postStart and preStop: a command in the container, an HTTP GET to it, or a sleep. */
import http from 'node:http';
import https from 'node:https';
import type { Container, LifecycleHandler, Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { CriRuntime } from '../../runtime/cri.ts';

export interface LifecycleHooks {
  /** @throws Error when the command ends with another code than 0, the request fails or is answered with 400 and above. */
  run(
    pod: Pod,
    container: Container,
    containerId: string,
    handler: LifecycleHandler,
    options: { readonly podIPs: readonly string[]; readonly signal: AbortSignal },
  ): Promise<void>;
}

/** Longest a command may take; upstream leaves it to the grace period and to the runtime. */
const execTimeoutMs = 600_000;

export function createLifecycleHooks(runtime: CriRuntime, clock: Clock): LifecycleHooks {
  return {
    async run(pod, container, containerId, handler, { podIPs, signal }) {
      if (handler.exec) {
        const { exitCode, stdout, stderr } = await runtime.execSync(
          { containerId, cmd: [...(handler.exec.command ?? [])], timeout: 0 },
          { signal, timeoutMs: execTimeoutMs },
        );
        if (exitCode !== 0) {
          const output = Buffer.concat([stdout, stderr]).toString().trim();
          throw new Error(
            `Exec lifecycle hook (${handler.exec.command?.join(' ')}) failed: exit code ${exitCode}: ${output}`,
          );
        }
      } else if (handler.sleep) {
        await clock.sleep(Number(handler.sleep.seconds) * 1000, signal);
      } else if (handler.httpGet) {
        const { host, port, path = '/', scheme, httpHeaders = [] } = handler.httpGet;
        const target = host || podIPs[0] || (pod.status?.podIP ?? '');
        const number = typeof port === 'number' ? port : container.ports?.find((p) => p.name === port)?.containerPort;
        if (number === undefined) throw new Error(`couldn't find port: ${port}`);
        await get({
          target,
          port: number,
          path: path.startsWith('/') ? path : `/${path}`,
          tls: scheme === 'HTTPS',
          headers: Object.fromEntries(httpHeaders.map((header) => [header.name, header.value])),
          signal,
        });
      } else throw new Error(`invalid handler: ${JSON.stringify(handler)}`);
    },
  };
}

interface GetOptions {
  readonly target: string;
  readonly port: number;
  readonly path: string;
  readonly tls: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

function get({ target, port, path, tls, headers, signal }: GetOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = {
      host: target,
      port,
      path,
      headers: { 'user-agent': 'kube-lifecycle/1.36', ...headers },
      signal,
      agent: false,
    };
    const onAnswer = (answer: http.IncomingMessage): void => {
      answer.resume();
      const code = answer.statusCode ?? 0;
      if (code >= 400) reject(new Error(`HTTP lifecycle hook (${path}) failed: ${code}`));
      else resolve();
    };
    const request = tls ? https.get({ ...options, rejectUnauthorized: false }, onAnswer) : http.get(options, onAnswer);
    request.on('error', reject);
  });
}

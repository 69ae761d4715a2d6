/** `bench/https-server.ts` in a process of its own, bundled as the package is: what a benchmark asks of it. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from './built-cluster.ts';
import type { Credentials } from './wire.ts';

export interface HttpsProcess {
  readonly port: number;
  readonly credentials: Credentials;
  readonly pid: number;
  /** Milliseconds of CPU since its start, all threads. */
  cpuMs(): Promise<number>;
  rssBytes(): Promise<number>;
  /** Where its memory is, in bytes by name. Started with `--expose-gc`: after a full collection. */
  memory(): Promise<Readonly<Record<string, number>>>;
  /** @returns the file it wrote. */
  heapSnapshot(): Promise<string>;
  /** What the same work costs it just now: other work on the machine's cores makes all CPU time longer. */
  calibrate(): Promise<number>;
  stop(): Promise<void>;
}

/** @param outdir where `https-server.js` was bundled to @param directory for its data @param nodeFlags of the process @param etcd instead of the embedded store */
export async function startHttpsProcess(
  outdir: string,
  directory: string,
  nodeFlags: readonly string[] = [],
  etcd?: string,
): Promise<HttpsProcess> {
  const port = await freePort();
  const server = fork(
    join(outdir, 'https-server.js'),
    [join(directory, 'data'), String(port), ...(etcd === undefined ? [] : [etcd])],
    {
      execArgv: [...nodeFlags],
    },
  );
  const ended = new Promise((resolve) => server.once('exit', resolve));
  const message = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`The server has ended with ${code}`));
      server.once('exit', onExit);
      server.once('message', (value) => {
        server.off('exit', onExit);
        resolve(value as T);
      });
    });
  const ask = <T>(question: string): Promise<T> => {
    const answer = message<T>();
    server.send(question);
    return answer;
  };
  const usage = (): Promise<{ cpu: NodeJS.CpuUsage; rss: number }> => ask('cpu');
  const { ready } = await message<{ ready: Credentials }>();
  return {
    port,
    credentials: ready,
    pid: server.pid!,
    async cpuMs() {
      const { cpu } = await usage();
      return (cpu.user + cpu.system) / 1000;
    },
    rssBytes: async () => (await usage()).rss,
    memory: async () => (await ask<{ memory: Record<string, number> }>('memory')).memory,
    heapSnapshot: async () => (await ask<{ snapshot: string }>('snapshot')).snapshot,
    calibrate: async () => (await ask<{ cpuMs: number }>('calibrate')).cpuMs,
    async stop() {
      server.send('stop');
      await ended;
    },
  };
}

/** The built package as a user starts it, in processes of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../../scripts/bundle.ts';

export interface BuiltCluster {
  readonly process: ChildProcess;
  readonly port: number;
  /** Milliseconds from the start of the process. */
  readonly readyzMs: number;
  readonly readyMs: number;
  /** CPU seconds of the process until then. */
  readonly readyzCpu: number;
  readonly readyCpu: number;
  stop(): Promise<void>;
}

/** A directory that lives as long as `use` runs. */
export async function inTemporaryDirectory<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), 'bireme-bench-'));
  try {
    return await use(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Starts `bireme up` on hollow nodes below `directory` (data, kubeconfig and compile cache) and waits until its nodes are ready. */
export async function startBuiltCluster(
  directory: string,
  {
    hollowNodes = 1,
    cacheDirectory = directory,
  }: { readonly hollowNodes?: number; readonly cacheDirectory?: string } = {},
): Promise<BuiltCluster> {
  if (!existsSync(join(repository, 'dist', 'bireme.js'))) throw new Error('Run "npm run build" first');
  const port = await freePort();
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...[join(repository, 'bin', 'bireme.js'), 'up', '--runtime', 'hollow', '--hollow-nodes', String(hollowNodes)],
      ...['--data-dir', join(directory, 'data'), '--kubeconfig', join(directory, 'kubeconfig')],
      ...['--listen-address', '127.0.0.1', '--port', String(port), '--log-level', 'warn'],
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_COMPILE_CACHE: join(cacheDirectory, 'compile-cache') },
    },
  );
  let output = '';
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ready = new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (text) => {
      output += text;
      if (output.includes('The cluster is ready')) resolve(performance.now() - began);
    });
    child.stderr.on('data', (text) => {
      output += text;
    });
    child.once('exit', () => reject(new Error(`bireme up has ended:\n${output}`)));
  });
  await Promise.race([until200(port, '/readyz'), ready]);
  const readyzMs = performance.now() - began;
  const readyzCpu = cpuSeconds(child.pid!);
  const readyMs = await ready;
  return {
    process: child,
    port,
    readyzMs,
    readyMs,
    readyzCpu,
    readyCpu: cpuSeconds(child.pid!),
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** User and system time of a process and its threads. Source: proc(5). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function until200(port: number, path: string): Promise<void> {
  const agent = new https.Agent({ keepAlive: true });
  const once = (): Promise<number | undefined> =>
    new Promise((resolve) => {
      const request = https.get({ host: '127.0.0.1', port, path, agent, rejectUnauthorized: false }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      });
      request.on('error', () => resolve(undefined));
    });
  while ((await once()) !== 200) await new Promise((resolve) => setTimeout(resolve, 4));
  agent.destroy();
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

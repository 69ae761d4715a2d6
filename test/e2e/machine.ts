/**
 * A machine for a test: network, mount, process and host name spaces of its own on this one's files, with empty /run, /var/lib and /var/log.
 * What runs in it sees no other machine's processes, links or rules, and all of it ends with `stop`. Root only.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRealClock } from '../../src/base/real-clock.ts';
import { dataDirAt } from '../../src/cluster/data-dir.ts';
import { podCgroupRoot } from '../../src/cluster/node-config.ts';
import { openCgroups } from '../../src/host/cgroups.ts';
import type { Requirements } from '../requirements.ts';

export const launcher = fileURLToPath(new URL('../../bin/bireme.js', import.meta.url));
const snapshotProgram = fileURLToPath(new URL('./snapshot.ts', import.meta.url));

export const machineNeeds: Requirements = {
  linux: true,
  root: true,
  commands: ['unshare', 'nsenter', 'ip', 'nft', 'mount', 'catatonit'],
};
export const containerdNeeds: Requirements = {
  ...machineNeeds,
  commands: [...(machineNeeds.commands ?? []), 'containerd', 'runc', 'ctr', 'busybox'],
};

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Machine {
  /** The test's own folder: `data` and `kubeconfig` are for the cluster. */
  readonly folder: string;
  readonly dataDir: string;
  readonly kubeconfig: string;
  /** Where this test's process reaches the machine. */
  readonly address: string;
  /** Arguments for `nsenter` before a program's. */
  readonly enter: readonly string[];
  run(program: string, ...args: readonly string[]): Promise<Result>;
  /** As `run`, fails the test unless the exit code is 0. @returns standard output. */
  ok(program: string, ...args: readonly string[]): Promise<string>;
  /** `bireme COMMAND --data-dir DATA ...`; `up` gets `--detach`, `--kubeconfig` and `--port` as well. */
  bireme(command: string, ...args: readonly string[]): Promise<Result>;
  /** Process ids, as the machine counts them, whose command line holds `text`. */
  pids(text: string): Promise<readonly number[]>;
  kill(...pids: readonly number[]): Promise<void>;
  look(): Promise<unknown>;
}

export const port = 6443;
const timeoutMs = 240_000;

/** It ends, with everything in it, when the test does. @param program another `bireme` than this checkout's. */
export async function startMachine(t: Pick<TestContext, 'after'>, program = launcher): Promise<Machine> {
  // Short: a unix socket's path has 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'be-'));
  const dataDir = join(folder, 'data');
  const number = process.pid % 16_384;
  const link = `be${process.pid}`;
  const network = `100.${64 + (number >> 8)}.${number & 255}`;
  const address = `${network}.2`;
  /** cgroups of the clusters that were started here. */
  const groups = new Set<string>();
  mkdirSync(join(folder, 'home'));
  const setUp = [
    'set -e',
    'hostname machine',
    'for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs $folder; done',
    // Other tests' mounts: they go away at times of their own, perhaps just now.
    `cut -d' ' -f2 /proc/mounts | grep '^${tmpdir()}/' | tac | while read mount; do umount -l "$mount" || true; done`,
    'ip link set lo up',
    'echo made',
    'read go',
    `ip address add ${address}/24 dev eth0`,
    'echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad',
    'ip link set eth0 up',
    `ip route add default via ${network}.1`,
    'echo 0 > /proc/sys/net/ipv4/ip_forward',
    'echo ready',
    'exec catatonit -P',
  ].join('\n');
  const keeper = spawn(
    'unshare',
    [
      ...['--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc'],
      ...['--propagation', 'private', 'sh', '-c', setUp],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const ended = new Promise<void>((resolve) => keeper.once('exit', () => resolve()));
  t.after(async () => {
    keeper.kill('SIGKILL');
    await ended;
    // The kernel takes the link away some time after the machine, and the next machine of this process wants its name.
    const { code, stderr } = await execute('ip', ['link', 'delete', link]);
    if (code !== 0 && !stderr.includes('Cannot find device')) throw new Error(`ip link delete ${link}: ${stderr}`);
    const cgroups = await openCgroups(createRealClock({ keepAlive: true }));
    for (const group of groups) await cgroups.remove(group);
    rmSync(folder, { recursive: true, force: true });
  });
  await said(keeper.stdout, 'made');
  const inside = Number(readFileSync(`/proc/${keeper.pid}/task/${keeper.pid}/children`, 'utf8').trim());
  await done('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(inside)]);
  await done('ip', ['address', 'add', `${network}.1/24`, 'dev', link]);
  await done('ip', ['link', 'set', link, 'up']);
  keeper.stdin.write('go\n');
  await said(keeper.stdout, 'ready');

  const enter = ['-t', String(inside), '-n', '-m', '-u', '-i', '-p', '--'];
  const kubeconfig = join(folder, 'kubeconfig');
  const env = { ...process.env, HOME: join(folder, 'home'), KUBECONFIG: kubeconfig };
  const run: Machine['run'] = (file, ...args) => execute('nsenter', [...enter, file, ...args], env);
  const machine: Machine = {
    folder,
    dataDir,
    kubeconfig,
    address,
    enter,
    run,
    async ok(file, ...args) {
      const { code, stdout, stderr } = await run(file, ...args);
      if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
      return stdout;
    },
    bireme: async (command, ...args) => {
      const own = command === 'up' ? ['--detach', '--kubeconfig', kubeconfig, '--port', String(port)] : [];
      try {
        return await run(process.execPath, program, ...command.split(' '), '--data-dir', dataDir, ...own, ...args);
      } finally {
        if (existsSync(dataDir)) groups.add(podCgroupRoot(dataDirAt(dataDir)));
      }
    },
    async pids(text) {
      const { stdout } = await run(
        'sh',
        '-c',
        'grep -al -- "$1" /proc/[0-9]*/cmdline',
        'sh',
        text.replaceAll(' ', '.'),
      );
      const found: number[] = [];
      for (const [, pid] of stdout.matchAll(/\/proc\/(\d+)\//g)) {
        const words = (await run('cat', `/proc/${pid}/cmdline`)).stdout;
        if (words !== '' && !words.startsWith('sh\0') && !words.startsWith('grep\0')) found.push(Number(pid));
      }
      return found;
    },
    async kill(...pids) {
      await run('kill', '-9', ...pids.map(String));
    },
    async look() {
      const watched = ['/run', '/var/lib', '/var/log', '/etc/cni', '/opt/cni', '/etc/kubernetes', join(folder, 'home')];
      const { code, stdout, stderr } = await run(
        process.execPath,
        snapshotProgram,
        [...groups].join(','),
        ...watched,
        dataDir,
        kubeconfig,
      );
      if (code !== 0) throw new Error(stderr);
      return JSON.parse(stdout);
    },
  };
  return machine;
}

/** Runs a program to its end; kills it when it takes too long. */
export function execute(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, timeout: timeoutMs, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number')
        reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
      else resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

async function done(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await execute(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}

async function said(stream: NodeJS.ReadableStream, word: string): Promise<void> {
  for (let text = ''; !text.includes(word); ) {
    const chunk = await new Promise<Buffer | undefined>((resolve) => {
      stream.once('data', resolve);
      stream.once('end', () => resolve(undefined));
    });
    if (chunk === undefined) throw new Error(`The machine did not start: ${text}`);
    text += chunk.toString();
  }
}

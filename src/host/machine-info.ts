/** What the machine is, read from the kernel and /etc; hollow nodes are told theirs. */
import { readdir, readFile, statfs } from 'node:fs/promises';
import os from 'node:os';
import { errorCode } from './host-error.ts';

export interface MachineInfo {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of the file system that holds `stateDir`. */
  readonly ephemeralStorageBytes: number;
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly operatingSystem: string;
  /** As Go names it: amd64, arm64. */
  readonly architecture: string;
  readonly hostname: string;
  /** 0 when the machine has none. */
  readonly swapBytes: number;
  /** Page size in bytes -> bytes set aside for pages of that size. */
  readonly hugePages: ReadonlyMap<number, number>;
}

export async function readMachineInfo(stateDir: string): Promise<MachineInfo> {
  const storage = await statfs(stateDir);
  const machineId = (await first('/etc/machine-id', '/var/lib/dbus/machine-id')) ?? '';
  const release = (await first('/etc/os-release', '/usr/lib/os-release')) ?? '';
  const pretty = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1];
  const memory = (await first('/proc/meminfo')) ?? '';
  const memTotal = /^MemTotal:\s+(\d+) kB$/m.exec(memory)?.[1];
  return {
    cpus: os.availableParallelism(),
    memoryBytes: memTotal === undefined ? os.totalmem() : Number(memTotal) * 1024,
    ephemeralStorageBytes: storage.blocks * storage.bsize,
    machineId,
    systemUuid: ((await first('/sys/class/dmi/id/product_uuid')) ?? machineId).toLowerCase(),
    bootId: (await first('/proc/sys/kernel/random/boot_id')) ?? '',
    kernelVersion: os.release(),
    osImage: pretty ?? os.version(),
    operatingSystem: os.platform(),
    architecture: { x64: 'amd64', ia32: '386' }[os.arch() as string] ?? os.arch(),
    hostname: os.hostname().toLowerCase(),
    swapBytes: Number(/^SwapTotal:\s+(\d+) kB$/m.exec(memory)?.[1] ?? 0) * 1024,
    hugePages: await readHugePages(),
  };
}

async function readHugePages(): Promise<ReadonlyMap<number, number>> {
  const root = '/sys/kernel/mm/hugepages';
  const found = new Map<number, number>();
  for (const name of await readdir(root).catch(() => [])) {
    const pageKb = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]);
    const count = Number((await first(`${root}/${name}/nr_hugepages`)) ?? 0);
    if (pageKb > 0) found.set(pageKb * 1024, pageKb * 1024 * count);
  }
  return found;
}

async function first(...paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths)
    try {
      return (await readFile(path, 'utf8')).trim();
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EACCES') throw error;
    }
  return undefined;
}

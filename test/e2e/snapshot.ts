/**
 * A program: prints what a machine looks like as JSON, sorted lists of lines by subject, so that two looks can be compared.
 * Arguments: the cgroups of clusters under test, with commas between them, then files and folders to list or to read.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const [groups = '', ...paths] = process.argv.slice(2);

const lines = (program: string, ...args: readonly string[]): string[] =>
  execFileSync(program, args, { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');

function processes(): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const words = read(`/proc/${pid}/cmdline`)?.split('\0').join(' ').trim();
    if (words !== undefined && !/Z/.test(read(`/proc/${pid}/stat`)?.split(') ').pop()?.[0] ?? 'Z')) found.push(words);
  }
  return found.sort();
}

/** Whole trees by name; what is in a file only where a file was asked for. */
function files(path: string): string[] {
  if (!existsSync(path)) return [`${path}: nothing`];
  if (statSync(path).isFile()) return [`${path}: ${readFileSync(path, 'utf8')}`];
  return [path, ...readdirSync(path, { recursive: true }).map((name) => join(path, String(name)))].sort();
}

/** Every network parameter of this machine, without counters. */
function sysctls(folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...sysctls(path));
    else if (!/count$|\/flush$|stable_secret$/.test(path))
      found.push(`${path} = ${read(path)?.trim() ?? '(unreadable)'}`);
  }
  return found.sort();
}

function cgroups(): string[] {
  const found: string[] = [];
  for (const mount of [...lines('cat', '/proc/mounts')].filter((line) => / cgroup2? /.test(line))) {
    for (const group of groups.split(',').filter((name) => name !== '')) {
      const folder = join(mount.split(' ')[1] ?? '', group);
      if (existsSync(folder)) found.push(folder);
    }
  }
  return found;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

console.log(
  JSON.stringify({
    processes: processes(),
    mounts: lines('cat', '/proc/mounts').sort(),
    links: lines('ip', '-o', 'link').map((line) => line.replace(/^\d+: /, '')),
    addresses: lines('ip', '-o', 'address').map((line) => line.replace(/^\d+: /, '').replace(/valid_lft.*/, '')),
    routes: lines('ip', 'route', 'show', 'table', 'all'),
    neighboursAndRules: lines('ip', 'rule'),
    nft: lines('nft', 'list', 'ruleset'),
    sysctls: sysctls('/proc/sys/net'),
    cgroups: cgroups(),
    files: paths.flatMap(files),
  }),
);

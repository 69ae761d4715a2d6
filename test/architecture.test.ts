/**
 * The import rules of the design, as a test: which room may import which, with the reason beside each rule, no cycles, and real time and
 * randomness in `base/` only.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const src = join(root, 'src');

/** room -> rooms it may import, and why it may not import more. */
const rooms: Readonly<Record<string, { readonly may: readonly string[]; readonly because: string }>> = {
  base: { may: [], because: 'base is what everything stands on' },
  api: { may: ['base'], because: 'the common language is pure: no I/O, no clock, no component' },
  cel: { may: ['base', 'api'], because: 'an expression language knows values, not components' },
  store: { may: ['base', 'api'], because: 'the store keeps bytes; it knows nothing of who writes them' },
  serve: { may: ['base', 'api'], because: 'serving is transport; what is served comes in as a handler' },
  host: { may: ['base'], because: 'the machine knows nothing of Kubernetes' },
  client: { may: ['base', 'api'], because: 'a client knows the cluster only through a Transport' },
  apiserver: {
    may: ['base', 'api', 'cel', 'store', 'serve'],
    because: 'only the API server touches the store, and it never acts as a component',
  },
  scheduler: {
    may: ['base', 'api', 'cel', 'client'],
    because: "components know the cluster only through client/, so that each can be swapped for upstream's",
  },
  controllers: {
    may: ['base', 'api', 'client'],
    because: "components know the cluster only through client/, so that each can be swapped for upstream's",
  },
  runtime: { may: ['base', 'api', 'host', 'serve'], because: 'a CRI server or client knows nothing of the API server' },
  kubelet: {
    may: ['base', 'api', 'client', 'host', 'runtime', 'serve'],
    because: 'a kubelet knows the cluster only through client/',
  },
  network: { may: ['base', 'api', 'client', 'host'], because: 'components know the cluster only through client/' },
  proxy: { may: ['base', 'api', 'client', 'host'], because: 'components know the cluster only through client/' },
  cluster: {
    may: [
      'base',
      'api',
      'store',
      'serve',
      'host',
      'client',
      'apiserver',
      'scheduler',
      'controllers',
      'kubelet',
      'runtime',
      'network',
      'proxy',
    ],
    because: 'one of the two rooms that put a cluster together; it must not know the tests or the command line',
  },
  testing: {
    may: [
      'base',
      'api',
      'store',
      'serve',
      'client',
      'apiserver',
      'scheduler',
      'controllers',
      'kubelet',
      'runtime',
      'cluster',
    ],
    because: 'one of the two rooms that put a cluster together; it runs in a test process and must not touch a host',
  },
  dashboard: { may: ['base', 'api', 'client', 'serve'], because: 'a page is a client' },
  cli: {
    may: ['base', 'api', 'client', 'cluster'],
    because: 'the command parses, composes and prints; it holds no logic of its own',
  },
};

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Absolute paths of relative imports. */
  readonly imports: readonly string[];
}

const files: SourceFile[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const full = join(src, path);
    const text = readFileSync(full, 'utf8');
    const imports = [
      ...text.matchAll(
        /(?:^|\n)\s*(?:import|export)\s[^;]*?from '(\.[^']+)'|import\('(\.[^']+)'\)|(?:^|\n)import '(\.[^']+)'/g,
      ),
    ].map((m) => join(dirname(full), m[1] ?? m[2] ?? m[3] ?? ''));
    return { path: full, text, imports };
  });
const isTest = (path: string): boolean => /\.(test|contract|bench)\.ts$/.test(path) || path.includes('/testdata/');
const roomOf = (path: string): string | undefined =>
  path.startsWith(`${src}/`) ? relative(src, path).split('/')[0] : undefined;

test('architecture: each room imports only what the design allows', () => {
  const broken: string[] = [];
  for (const file of files) {
    const room = roomOf(file.path)!;
    const rule = rooms[room];
    if (!rule) {
      broken.push(`${relative(root, file.path)}: no rule for room "${room}"; add it here with its reason`);
      continue;
    }
    if (isTest(file.path)) continue;
    for (const target of file.imports) {
      const to = roomOf(target);
      if (to !== undefined && to !== room && !rule.may.includes(to))
        broken.push(
          `${relative(root, file.path)} imports ${relative(root, target)}: ${room} may not import ${to}, because ${rule.because}`,
        );
    }
  }
  assert.deepEqual(broken, []);
});

test('architecture: no import cycles', () => {
  const graph = new Map(files.map((file) => [file.path, valueImports(file)]));
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].map((p) => relative(src, p)).join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of graph.keys()) visit(path, []);
  assert.deepEqual(cycles, []);
});

/** Type-only imports vanish at run time and may point both ways. */
function valueImports(file: SourceFile): string[] {
  return [...file.text.matchAll(/(?:^|\n)\s*(?:import|export)\s(?!type\s)([^;]*?)from '(\.[^']+)'/g)].map((m) =>
    join(dirname(file.path), m[2] ?? ''),
  );
}

test('architecture: real time and randomness stay in base/', () => {
  const forbidden: readonly (readonly [RegExp, string])[] = [
    [/\bDate\.now\b|\bnew Date\(\)/, 'the wall clock comes from a Clock'],
    [/\bperformance\.now\b|\bprocess\.hrtime\b/, 'the monotonic clock comes from a Clock'],
    [/\bset(Timeout|Interval|Immediate)\b/, 'waiting goes through a Clock'],
    [/timers\/promises/, 'waiting goes through a Clock'],
    [/\bMath\.random\b|\brandomUUID\b|\brandomBytes\b|\bgetRandomValues\b/, 'randomness comes from a Random'],
  ];
  const broken: string[] = [];
  for (const file of files) {
    if (roomOf(file.path) === 'base' || isTest(file.path)) continue;
    for (const [i, line] of file.text.split('\n').entries()) {
      if (/^\s*(\*|\/\/|\/\*)/.test(line)) continue;
      for (const [pattern, because] of forbidden)
        if (pattern.test(line)) broken.push(`${relative(root, file.path)}:${i + 1}: ${line.trim()} (${because})`);
    }
  }
  assert.deepEqual(broken, []);
});

/** Lines of code, comments left out, that a pattern forbids. */
function offending(pattern: RegExp, allowed: (file: SourceFile) => boolean): string[] {
  const broken: string[] = [];
  for (const file of files) {
    if (isTest(file.path) || allowed(file)) continue;
    for (const [i, line] of file.text.split('\n').entries())
      if (!/^\s*(\*|\/\/|\/\*)/.test(line) && pattern.test(line))
        broken.push(`${relative(root, file.path)}:${i + 1}: ${line.trim()}`);
  }
  return broken;
}

const within =
  (...places: readonly string[]) =>
  ({ path }: SourceFile): boolean =>
    places.some((place) => relative(src, path).startsWith(place));

test('architecture: process-wide things are touched by cli/ only', () => {
  assert.deepEqual(
    offending(
      /(?<![\w.])process\.(?:(?:env|exit|exitCode|abort|chdir|cwd|argv|umask|title|set[ug]id)\b|(?:on|once|addListener)\()/,
      within('cli/'),
    ),
    [],
  );
});

test('architecture: what is printed is printed by cli/', () => {
  // The spawner's protocol runs over its own standard streams; the testing library's log goes where its tests' does.
  const pattern = /\bconsole\.\w|\bprocess\.(stdout|stderr|stdin)\b/;
  assert.deepEqual(offending(pattern, within('cli/', 'host/spawner-main.ts', 'testing/cluster.ts')), []);
});

test('architecture: modules hold nothing that changes', () => {
  assert.deepEqual(offending(/^(export )?(let|var) /, within()), []);
  // A collection that says it is read-only is data, one that does not is state; a WeakMap remembers what follows from something immutable.
  const collection = /^(export )?const \w+(: (?!Readonly)[^=]+)? = new (Map|Set|WeakSet|WeakRef)\b/;
  const changing = files
    .filter(({ path }) => !isTest(path))
    .flatMap((file) =>
      [...file.text.matchAll(new RegExp(collection, 'gm'))]
        .map((match) => /const (\w+)/.exec(match[0])![1]!)
        .filter((name) => new RegExp(`\\b${name}\\.(set|add|delete|clear)\\(`).test(file.text))
        .map((name) => `${relative(root, file.path)}: ${name}`),
    );
  assert.deepEqual(changing, []);
});

/** Modules of Node's by which a room would reach the machine, the network or other programs. */
const machine = 'child_process|cluster|dgram|dns|fs|http|http2|https|net|os|readline|repl|tls|tty|v8|vm|worker_threads';

test('architecture: rooms without effects import nothing that has some', () => {
  const pure = ['api', 'cel', 'base', 'apiserver', 'scheduler', 'controllers'];
  const broken = files.flatMap((file) => {
    if (isTest(file.path) || !pure.includes(roomOf(file.path)!)) return [];
    return [...file.text.matchAll(new RegExp(`import (type )?([^;]*?) from 'node:(${machine})(?:/[^']*)?'`, 'g'))]
      .filter(([, type, names = '', module]) => !type && !(module === 'net' && isAddressArithmetic(names)))
      .map(([text]) => `${relative(root, file.path)}: ${text}`);
  });
  assert.deepEqual(broken, []);
});

/** `node:net` also knows addresses, without opening anything. */
const isAddressArithmetic = (names: string): boolean =>
  names.split(/[{},\s]+/).every((name) => ['', 'BlockList', 'isIP', 'isIPv4', 'isIPv6'].includes(name));

test('architecture: programs are started by host/, and by what puts hosts together', () => {
  const starters = within(
    'host/',
    'cli/up.ts',
    'cluster/servers/start-host.ts',
    'cluster/servers/systemd.ts',
    'cluster/supervise-node.ts',
  );
  assert.deepEqual(offending(/from 'node:child_process'/, starters), []);
});

/** Each dependency has the rooms it was chosen for (decision 17). */
const packages: Readonly<Record<string, readonly string[]>> = {
  '@grpc/grpc-js': ['kubelet/probes/', 'runtime/', 'store/'],
  '@peculiar/x509': ['cluster/', 'serve/testdata/'],
  commander: ['cli/'],
  lmdb: ['store/embedded/'],
  'prom-client': ['base/'],
  protobufjs: ['api/codec/protobuf/', 'apiserver/openapi/', 'runtime/', 'store/'],
  re2js: ['api/', 'cel/'],
  'sorted-btree': ['apiserver/watch-cache/', 'store/'],
  'reflect-metadata': ['cluster/'],
  ws: ['serve/'],
  yaml: ['api/codec/', 'cli/', 'client/', 'cluster/', 'kubelet/'],
};

test('architecture: a package is imported where it was chosen for', () => {
  const broken = files.flatMap((file) => {
    if (isTest(file.path)) return [];
    const code = file.text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    return [...code.matchAll(/(?:from|import\() ?'((?:@[^/']+\/)?[a-z][^/':.]*)(?:\/[^']*)?'/g)]
      .map(([, name]) => name!)
      .filter((name) => !(packages[name] && within(...packages[name])(file)))
      .map((name) => `${relative(root, file.path)}: ${name}`);
  });
  assert.deepEqual(broken, []);
});

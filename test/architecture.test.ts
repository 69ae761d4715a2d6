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

test('architecture: process-wide things are touched by cli/ only', () => {
  const broken: string[] = [];
  for (const file of files) {
    const room = roomOf(file.path);
    if (room === 'cli' || room === 'base' || isTest(file.path)) continue;
    for (const [i, line] of file.text.split('\n').entries()) {
      if (/^\s*(\*|\/\/|\/\*)/.test(line)) continue;
      if (/\bprocess\.(env|exit|chdir|argv)\b|\bprocess\.on\(/.test(line))
        broken.push(`${relative(root, file.path)}:${i + 1}: ${line.trim()}`);
    }
  }
  assert.deepEqual(broken, []);
});

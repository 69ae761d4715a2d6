/** The commands of `commands.txt`, run one after the other against one server with one kubectl, and their output without what differs between any two runs. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Command {
  readonly text: string;
  /** Part of the short run. */
  readonly short: boolean;
  /** Done for its effect: what it prints depends on the moment. */
  readonly silent: boolean;
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const here = import.meta.dirname;

export function readCommands(): Command[] {
  return readFileSync(join(here, 'commands.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ text: line.replace(/^[*!]/, ''), short: line.startsWith('*'), silent: line.startsWith('!') }));
}

export interface Runner {
  readonly kubectl: string;
  readonly kubeconfig: string;
  /** Unused so far on the server; also part of names of what has no namespace. */
  readonly namespace: string;
  /** Empty; holds manifests and kubectl's cache. */
  readonly folder: string;
}

/** @returns by the command's text; a repeated one as `text #2`. */
export async function runCommands(runner: Runner, commands: readonly Command[]): Promise<Map<string, Outcome>> {
  const manifests = join(runner.folder, 'manifests');
  cpSync(join(here, 'manifests'), manifests, { recursive: true });
  for (const name of readdirSync(manifests, { recursive: true, encoding: 'utf8' })) {
    const file = join(manifests, name);
    if (statSync(file).isFile())
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll('NAMESPACE', runner.namespace));
  }
  mkdirSync(join(runner.folder, 'home'));
  const outcomes = new Map<string, Outcome>();
  for (const { text, silent } of commands) {
    const outcome = await run(runner, manifests, text);
    let key = text;
    for (let n = 2; outcomes.has(key); n++) key = `${text} #${n}`;
    if (!silent) outcomes.set(key, normalised(outcome, runner, manifests, text));
  }
  return outcomes;
}

/** Words, some in single quotes. */
const split = (text: string): string[] =>
  [...text.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ''));

function run({ kubectl, kubeconfig, namespace, folder }: Runner, manifests: string, text: string): Promise<Outcome> {
  const words = split(text.replaceAll('NAMESPACE', namespace).replaceAll('DIR/', `${manifests}/`));
  const env = { ...process.env, HOME: join(folder, 'home'), KUBECONFIG: kubeconfig, EDITOR: 'false', LANG: 'C' };
  const own = words.includes('-n') || words.includes('-A') ? [] : ['-n', namespace];
  return new Promise((resolve) => {
    // Before `--`, after which everything is the container's.
    const child = execFile(kubectl, [...own, ...words], { env, cwd: folder, timeout: 60_000 }, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, err }),
    );
    child.stdin?.end();
  });
}

function normalised({ code, out, err }: Outcome, runner: Runner, manifests: string, text: string): Outcome {
  const clean = (output: string): string => {
    const lines = withoutOpenShift(output)
      .replaceAll(manifests, 'DIR')
      .replaceAll(runner.namespace, 'NAMESPACE')
      .split('\n')
      // Client-side logging: its time, process and line.
      .filter(
        (line) => !/^[EWI]\d{4} /.test(line) && !/"?(gitCommit|buildDate|goVersion|compiler|platform)"?:/.test(line),
      )
      .map(cleanLine);
    if (text.includes('--list')) lines.sort();
    return (text.startsWith('explain') ? lines.filter((line) => line !== '' && !/^ {4}/.test(line)) : lines)
      .join('\n')
      .trimEnd();
  };
  return { code, out: clean(out), err: clean(err) };
}

/** The lab's upstream is built from OpenShift's tree, whose pods get one more certificate. */
const withoutOpenShift = (output: string): string =>
  output
    .replace(
      / +- configMap:\n +items:\n +- key: service-ca\.crt\n +path: service-ca\.crt\n +name: openshift-service-ca\.crt\n/g,
      '',
    )
    .replace(/ +ConfigMapName: +openshift-service-ca\.crt\n( +(ConfigMapOptional|Optional): .*\n)?/g, '')
    .replace(/^ +\[\/\.well-known(\/\*)?\] .*\n/gm, '');

const rules: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID'],
  [/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, 'TIME'],
  [/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, 'TIME'],
  [/(resourceVersion"?: ?"?)\d+/g, '$1N'],
  [/(uid"?: ?"?)[\w-]+/g, '$1UID'],
  [/10\.\d+\.(?!0\.1\b)\d+\.\d+/g, 'CLUSTERIP'],
  [/\b3[0-2]\d{3}\b(?!")/g, 'NODEPORT'],
  [/(127\.0\.0\.1|localhost):\d+/g, 'SERVER'],
  [/debugger-\w{5}/g, 'debugger-SUFFIX'],
  [/kube-api-access-\w{5}/g, 'kube-api-access-SUFFIX'],
  [/(Resource Version: +)\d+/, '$1N'],
  [/(targetPort":)\d+/, '$1PORT'],
  [/(serverAddress":"[^:]+:)\d+/, '$1PORT'],
  [/--cache-dir=\S+/, '--cache-dir=DIR'],
  [/^@@ -\d.*/, '@@'],
  [/\b(\d+[dhms]){1,2}( ago)?\)?$/, 'AGE'],
  [/^(\S.*) {2,}(\d+[dhms]){1,2}\b/, '$1  AGE'],
];

/** Column widths follow ages; indentation stays. */
function cleanLine(line: string): string {
  let text = line.trimEnd();
  for (const [pattern, by] of rules) text = text.replace(pattern, by);
  const indent = /^ */.exec(text)![0];
  return indent + text.slice(indent.length).replace(/ {2,}/g, '  ');
}

/** @returns one text for each command that went otherwise */
export function differences(ours: ReadonlyMap<string, Outcome>, theirs: ReadonlyMap<string, Outcome>): string[] {
  const texts: string[] = [];
  for (const [key, outcome] of ours) {
    const wanted = theirs.get(key);
    if (!wanted) continue;
    const lines: string[] = [];
    if (outcome.code !== wanted.code) lines.push(`  exit code ${outcome.code}, wanted ${wanted.code}`);
    for (const stream of ['out', 'err'] as const)
      if (outcome[stream] !== wanted[stream])
        lines.push(
          ...lineDifferences(outcome[stream].split('\n'), wanted[stream].split('\n')).map((l) => `  ${stream} ${l}`),
        );
    if (lines.length > 0) texts.push([`kubectl ${key}`, ...lines].join('\n'));
  }
  return texts;
}

function lineDifferences(ours: readonly string[], theirs: readonly string[]): string[] {
  const left = new Set(ours);
  const right = new Set(theirs);
  const changed = [
    ...ours.filter((line) => !right.has(line)).map((line) => `ours   | ${line}`),
    ...theirs.filter((line) => !left.has(line)).map((line) => `theirs | ${line}`),
  ];
  return changed.length > 0 ? changed : ['the same lines in another order or number'];
}

/** The commands of `commands.txt`, run one after the other against one server with one kubectl, and their output without what differs between any two runs. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { normalise } from './normalise.ts';

export interface Command {
  readonly text: string;
  /** Unique: a repeated command is `text #2`. */
  readonly key: string;
  /** Part of the short run: what these print does not depend on the other commands. */
  readonly short: boolean;
  /** Done for its effect: what it prints depends on the moment. */
  readonly silent: boolean;
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Outcomes by the command's key. */
export type Outcomes = ReadonlyMap<string, Outcome>;

export const versions = ['1.20', '1.27', '1.30', '1.33'] as const;

/** New on the server; also part of names of what has no namespace. */
const namespace = 'kc';
const here = import.meta.dirname;
const timeoutMs = 120_000;

export function readCommands(): Command[] {
  const seen = new Map<string, number>();
  return readFileSync(join(here, 'commands.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const text = line.replace(/^[*!]+/, '');
      const count = (seen.get(text) ?? 0) + 1;
      seen.set(text, count);
      const marks = line.slice(0, line.length - text.length);
      return {
        text,
        key: count === 1 ? text : `${text} #${count}`,
        short: marks.includes('*'),
        silent: marks.includes('!'),
      };
    });
}

export interface Runner {
  readonly kubectl: string;
  readonly kubeconfig: string;
  /** Empty; holds manifests and kubectl's cache. */
  readonly folder: string;
}

export async function* runCommands(runner: Runner, commands: readonly Command[]): AsyncGenerator<[string, Outcome]> {
  const manifests = join(runner.folder, 'manifests');
  cpSync(join(here, 'manifests'), manifests, { recursive: true });
  for (const name of readdirSync(manifests, { recursive: true, encoding: 'utf8' })) {
    const file = join(manifests, name);
    if (statSync(file).isFile()) writeFileSync(file, readFileSync(file, 'utf8').replaceAll('NAMESPACE', namespace));
  }
  mkdirSync(join(runner.folder, 'home'));
  for (const command of commands) {
    const { code, out, err } = await run(runner, manifests, command.text);
    const clean = (output: string): string =>
      normalise(output.replaceAll(manifests, 'DIR').replaceAll(runner.folder, 'FOLDER'), command.text);
    if (!command.silent) yield [command.key, { code, out: clean(out), err: clean(err) }];
  }
}

/** Words, some in single quotes. */
const split = (text: string): string[] =>
  [...text.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ''));

function run({ kubectl, kubeconfig, folder }: Runner, manifests: string, text: string): Promise<Outcome> {
  const words = split(text.replaceAll('NAMESPACE', namespace).replaceAll('DIR/', `${manifests}/`));
  const env = {
    PATH: process.env.PATH,
    HOME: join(folder, 'home'),
    KUBECONFIG: kubeconfig,
    EDITOR: 'false',
    LANG: 'C',
  };
  // Before `--`, after which everything is the container's.
  const own = words.includes('-n') || words.includes('-A') ? [] : ['-n', namespace];
  return new Promise((resolve) => {
    const child = execFile(kubectl, [...own, ...words], { env, cwd: folder, timeout: timeoutMs }, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, err }),
    );
    child.stdin?.end();
  });
}

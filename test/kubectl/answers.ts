/**
 * Upstream's recorded answers, in one file that people read (`answers.txt`):
 *
 *   $ get cm nothere             the command
 *   @ 1.27 1.30 1.33             kubectls that say what follows; without this line all of them
 *   > configmap/a created        standard output
 *   ! Error from server ...      standard error
 *   = 1                          exit code, when it is not 0
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Outcome, type Outcomes, readCommands, versions } from './commands.ts';

const file = new URL('answers.txt', import.meta.url);

/** @returns by kubectl's version. */
export function readAnswers(): Map<string, Map<string, Outcome>> {
  const answers = new Map<string, Map<string, Outcome>>(versions.map((version) => [version, new Map()]));
  const lines = readFileSync(file, 'utf8').split('\n');
  let key = '';
  for (let i = 0; i < lines.length; ) {
    const of = lines[i]!.startsWith('@') ? lines[i]!.slice(2).split(' ') : versions;
    if (lines[i]!.startsWith('$')) key = lines[i]!.slice(2);
    let end = i + 1;
    while (end < lines.length && /^[>!=]/.test(lines[end]!)) end++;
    if (end > i + 1) for (const version of of) answers.get(version)!.set(key, outcomeOf(lines.slice(i + 1, end)));
    i = end;
  }
  return answers;
}

function outcomeOf(lines: readonly string[]): Outcome {
  const marked = (mark: string): string[] => lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(2));
  return { code: Number(marked('=')[0] ?? 0), out: marked('>').join('\n'), err: marked('!').join('\n') };
}

/** Leaves the answers that other versions had as they are. */
export function writeAnswers(version: string, outcomes: Outcomes): void {
  const answers = new Map<string, Outcomes>(readAnswers());
  answers.set(version, outcomes);
  const lines = [
    '# Answers of Kubernetes v1.36.3 to the commands beside this file; written by record.ts, read by answers.ts.',
  ];
  for (const { key, silent } of readCommands()) {
    if (silent) continue;
    lines.push('', `$ ${key}`);
    const byText = new Map<string, string[]>();
    for (const each of versions) {
      const outcome = answers.get(each)?.get(key);
      if (outcome) byText.set(toText(outcome), [...(byText.get(toText(outcome)) ?? []), each]);
    }
    for (const [text, of] of byText) lines.push(...(of.length < versions.length ? [`@ ${of.join(' ')}`] : []), text);
  }
  writeFileSync(file, `${lines.join('\n')}\n`);
}

function toText({ code, out, err }: Outcome): string {
  const lines = [...marked('>', out), ...marked('!', err), ...(code === 0 ? [] : [`= ${code}`])];
  // Said nothing, but was asked.
  return lines.length > 0 ? lines.join('\n') : '= 0';
}

const marked = (mark: string, text: string): string[] =>
  text === '' ? [] : text.split('\n').map((line) => `${mark} ${line}`.trimEnd());

/** @returns how an outcome differs from the one wanted, a line each; none: equal. */
export function differences(outcome: Outcome, wanted: Outcome | undefined): string[] {
  if (!wanted) return ['not recorded'];
  const lines: string[] = [];
  if (outcome.code !== wanted.code) lines.push(`exit code ${outcome.code}, wanted ${wanted.code}`);
  for (const stream of ['out', 'err'] as const)
    if (outcome[stream] !== wanted[stream])
      lines.push(...lineDifferences(outcome[stream].split('\n'), wanted[stream].split('\n')));
  return lines;
}

function lineDifferences(ours: readonly string[], wanted: readonly string[]): string[] {
  const left = new Set(ours);
  const right = new Set(wanted);
  const changed = [
    ...ours.filter((line) => !right.has(line)).map((line) => `ours   | ${line}`),
    ...wanted.filter((line) => !left.has(line)).map((line) => `wanted | ${line}`),
  ];
  return changed.length > 0 ? changed : ['the same lines in another order or number'];
}

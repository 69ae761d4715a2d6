/**
 * Sends generated cases to our server and a second one and says how many answers are exactly equal.
 *
 *   node test/differential/run.ts --other https://127.0.0.1:6443 --token T --seed 1 --cases 5000 --report out.txt
 *
 * `--ours URL` takes a running server of ours instead of one in this process; `--kinds Pod,Service`, `--causes create,apply` and `--only 17` narrow;
 * `--record out.json` writes exact cases with what the second server answered in the form of the golden cases. Needs nothing but the two servers; stores nothing that lasts.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { JsonValue } from '../../src/api/json.ts';
import { type Case, edited, type Step, toText } from './case.ts';
import { generate, preparation } from './generate.ts';
import { explain, inFixedOrder, type Normal, normalise } from './normalise.ts';
import { generateProtocol, protocolPreparation } from './protocol/generate.ts';
import { namesOfUids, wholeAnswer } from './protocol/whole-answer.ts';
import { type Answer, inProcess, overHttps, type Sent, type Target } from './target.ts';

type Request = Sent;

interface Outcome {
  /** What the second server was sent. */
  readonly requests: readonly Request[];
  readonly one: Case;
  /** Empty: equal. */
  readonly lines: readonly string[];
  readonly sent: readonly string[];
  readonly theirs: readonly Normal[];
  readonly panicked: boolean;
}

const { values } = parseArgs({
  options: {
    other: { type: 'string' },
    ours: { type: 'string' },
    token: { type: 'string' },
    ca: { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
    'ours-token': { type: 'string' },
    seed: { type: 'string', default: '1' },
    cases: { type: 'string', default: '500' },
    only: { type: 'string' },
    run: { type: 'string', default: '' },
    kinds: { type: 'string' },
    causes: { type: 'string' },
    report: { type: 'string' },
    record: { type: 'string' },
    width: { type: 'string', default: '4' },
    /** `bodies` of built-in kinds, or the `protocol` around them, which needs two servers with the same flags. */
    set: { type: 'string', default: 'bodies' },
  },
});

const recordedMax = 2500;
const explainedMax = 24;
/** A watch is there before what it shall see, and sees one thing after the other. */
const beforeWritesMs = 400;
const betweenWritesMs = 50;
const optional = (value: string | undefined): ReadonlySet<string> | undefined =>
  value === undefined ? undefined : new Set(value.split(','));
const seed = Number(values.seed);
const kinds = optional(values.kinds);
const causes = optional(values.causes);
if (values.other === undefined) throw new Error('--other URL is the server to compare with');

const ours = values.ours
  ? overHttps('ours', values.ours, { ...(values['ours-token'] ? { token: values['ours-token'] } : {}) })
  : await inProcess();
const theirs = overHttps('theirs', values.other, {
  ...(values.token ? { token: values.token } : {}),
  ...(values.ca ? { caFile: values.ca } : {}),
  ...(values.cert ? { certFile: values.cert } : {}),
  ...(values.key ? { keyFile: values.key } : {}),
});
const protocol = values.set === 'protocol';
for (const target of [ours, theirs])
  for (const step of protocol ? protocolPreparation : preparation) {
    if (step.pauseMs !== undefined) await setTimeout(step.pauseMs);
    const { status, bytes } = await target.send(sendable(step, undefined));
    if (status >= 400 && status !== 409) console.log(`${target.name}: ${step.path}: ${bytes.toString().slice(0, 300)}`);
  }
const uids = protocol ? { ours: await namesOfUids(ours), theirs: await namesOfUids(theirs) } : undefined;

const indexes =
  values.only === undefined
    ? Array.from({ length: Number(values.cases) }, (_, i) => i)
    : values.only.split(',').map(Number);
const outcomes: Outcome[] = [];
let next = 0;
await Promise.all(
  Array.from({ length: Number(values.width) }, async () => {
    for (let i = next++; i < indexes.length; i = next++) {
      const one = (protocol ? generateProtocol : generate)(indexes[i]!, {
        seed,
        run: values.run,
        ...(kinds ? { kinds } : {}),
        ...(causes ? { causes } : {}),
      });
      outcomes.push(await compare(one));
    }
  }),
);
await ours.stop();
await theirs.stop();
summarise();

async function compare(one: Case): Promise<Outcome> {
  const [a, b] = await Promise.all([play(ours, one), play(theirs, one)]);
  const lines: string[] = [];
  const normals: Normal[] = [];
  one.steps.forEach((step, i) => {
    const left = a.answers[i]!;
    const right = b.answers[i]!;
    const sent = [a.sent.join('\n'), b.sent.join('\n')] as const;
    const [x, y] = uids
      ? [wholeAnswer(left, sent[0], uids.ours, step), wholeAnswer(right, sent[1], uids.theirs, step)]
      : [normalise(left, sent[0]), normalise(right, sent[1])];
    normals.push(y);
    if (step.quiet) {
      if (left.status !== right.status && i < one.steps.length - 3)
        lines.push(
          `step ${i} (quiet) ${step.method} ${step.path}: ours ${left.status} ${x.text.slice(0, 400)}`,
          `  theirs ${right.status} ${y.text.slice(0, 400)}`,
        );
      return;
    }
    const found: string[] = [];
    if (x.status !== y.status) found.push(`code: ours ${x.status}, theirs ${y.status}`);
    for (const name of new Set([...Object.keys(x.headers), ...Object.keys(y.headers)]))
      if (x.headers[name] !== y.headers[name])
        found.push(`header ${name}`, `  ours:   ${x.headers[name]}`, `  theirs: ${y.headers[name]}`);
    if (x.text !== y.text && inFixedOrder(x.text) !== inFixedOrder(y.text))
      found.push(...explain(x.text, y.text).slice(0, explainedMax));
    if (found.length > 0) lines.push(`step ${i} ${step.method} ${step.path}`, ...found);
  });
  // A panic of the other server is nothing to follow.
  if (normals.some(({ status }) => status === 0))
    return { one, lines: [], requests: b.requests, sent: b.sent, theirs: normals, panicked: true };
  return { one, lines, requests: b.requests, sent: b.sent, theirs: normals, panicked: false };
}

async function play(
  target: Target,
  one: Case,
): Promise<{
  readonly answers: readonly Answer[];
  readonly sent: readonly string[];
  readonly requests: readonly Request[];
}> {
  const answers: Answer[] = [];
  const sent: string[] = [];
  const requests: Request[] = [];
  for (const step of one.steps) {
    if (step.pauseMs !== undefined) await setTimeout(step.pauseMs);
    const live = step.live ? await target.send({ method: 'GET', path: step.live.path }) : undefined;
    const request = sendable(step, live);
    const reading = Promise.withResolvers<void>();
    // What came from the server itself is no given value.
    sent.push(step.live ? `${step.path} ${JSON.stringify(step.live.edits)}` : `${step.path} ${request.text ?? ''}`);
    requests.push(request);
    const answer = target.send(step.readMs === undefined ? request : { ...request, until: reading.promise });
    if (step.readMs !== undefined) {
      if (step.during) await setTimeout(beforeWritesMs);
      for (const write of step.during ?? []) {
        await target.send(sendable(write, undefined));
        await setTimeout(betweenWritesMs);
      }
      await Promise.race([setTimeout(step.readMs), answer]);
      reading.resolve();
    }
    answers.push(await answer);
  }
  return { answers, sent, requests };
}

function sendable({ method, path, headers, text, base64, bare, live }: Step, found: Answer | undefined): Sent {
  const body = live && found ? toText(edited(JSON.parse(found.bytes.toString()) as JsonValue, live.edits)) : text;
  return {
    method,
    path,
    ...(headers ? { headers } : {}),
    ...(body === undefined ? {} : { text: body }),
    ...(base64 === undefined ? {} : { base64 }),
    ...(bare ? { bare } : {}),
  };
}

function summarise(): void {
  const panicked = outcomes.filter((outcome) => outcome.panicked).length;
  const all = outcomes.length - panicked;
  const exact = outcomes.filter(({ lines, panicked }) => lines.length === 0 && !panicked).length;
  const table = (of: (one: Case) => string): string =>
    [...Map.groupBy(outcomes, ({ one }) => of(one))]
      .map(([name, group]) => ({ name, bad: group.filter(({ lines }) => lines.length > 0).length, all: group.length }))
      .filter(({ bad }) => bad > 0)
      .sort((x, y) => y.bad - x.bad)
      .map(({ name, bad, all }) => `${name} ${bad}/${all}`)
      .join(', ');
  console.log(
    `differential: seed ${seed}: ${exact}/${all} exact (${((100 * exact) / all).toFixed(1)} %)${panicked > 0 ? `; left out: ${panicked} that the other server did not answer` : ''}`,
  );
  console.log(`differing by cause: ${table(({ cause }) => cause)}`);
  console.log(`differing by kind: ${table(({ kind }) => kind)}`);
  const differing = outcomes
    .filter(({ lines }) => lines.length > 0)
    .sort((x, y) => x.one.kind.localeCompare(y.one.kind) || x.one.index - y.one.index);
  if (values.report)
    writeFileSync(
      values.report,
      differing
        .map(({ one, lines }) => `== ${one.index} ${one.name}\n${lines.map((line) => `   ${line}`).join('\n')}\n`)
        .join('\n'),
    );
  if (values.record) {
    const recorded = outcomes.sort((x, y) => x.one.index - y.one.index).flatMap((outcome) => golden(outcome) ?? []);
    writeFileSync(values.record, `[\n${recorded.map((each) => JSON.stringify(each)).join(',\n')}\n]\n`);
  }
}

/** Short exact cases of one answer, in the form of the golden ones. What names the caller or the kind of server is left out. */
function golden({ one, lines, requests, theirs: answers }: Outcome): object | undefined {
  const compared = one.steps.flatMap((step, i) => (step.quiet ? [] : [i]));
  const at = compared[0];
  if (
    lines.length > 0 ||
    at === undefined ||
    compared.length !== 1 ||
    // What the server gave these stands all over them, not only where placeholders can.
    (/^(?:Job|Service)$/.test(one.kind) && one.steps[at]!.live !== undefined) ||
    /Review$|^CertificateSigning|^APIService|^FlowSchema|^CustomResource/.test(one.kind)
  )
    return undefined;
  const { status, headers, text } = answers[at]!;
  const body = json(text);
  if (body === undefined || text.length > recordedMax || /<rand5>|<token>|"watch"/.test(text)) return undefined;
  const send = ({ method, path, headers: given, text: sent }: Request, allow: boolean): object | undefined => {
    // Text that a value does not hold exactly (big numbers, keys that come twice) stays text.
    const parsed = sent === undefined ? undefined : json(sent);
    const value = JSON.stringify(parsed) === sent ? parsed : undefined;
    return {
      method,
      path,
      ...(given ? { headers: given } : {}),
      ...(value === undefined ? (sent === undefined ? {} : { text: sent }) : { body: placeholders(value) }),
      ...(allow ? { allow } : {}),
    };
  };
  const warning = headers.warning;
  return {
    name: `${one.name} (${seed}.${one.index})`.slice(0, 140),
    prepare: requests.slice(0, at).map((request) => send(request, true)),
    send: send(requests[at]!, false),
    expect: { code: status, ...(warning === undefined ? {} : { warnings: warning.split(/, (?=299 - )/) }), body },
  };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What the server gave the live object, so that another server's own can stand there. */
function placeholders(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value)
      .replace(/"uid":"[0-9a-f]{8}-[^"]+"/g, '"uid":"<uid>"')
      .replace(/"resourceVersion":"\d+"/g, '"resourceVersion":"<rv>"')
      .replace(/"(creationTimestamp|time)":"\d{4}-[^"]+"/g, '"$1":"<time>"'),
  ) as unknown;
}

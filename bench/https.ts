/**
 * Server CPU per operation over HTTPS: the production chain on the embedded store in a process of its own (`bench/https-server.ts`, bundled as the package is),
 * the client in this one. Run: `node bench/https.ts [--http1] [--concurrency 48] [--only create,get,...] [--rounds 3] [--profile DIR] [--v8 FLAGS]`.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle, repository } from '../scripts/bundle.ts';
import { freePort, inTemporaryDirectory } from './support/built-cluster.ts';
import { conditions, type Figure, median, print } from './support/figures.ts';
import { podBytes } from './support/pod.ts';
import { type Call, type Credentials, http1Wire, http2Wire, type Wire, watchMany } from './support/wire.ts';

const { values: options } = parseArgs({
  options: {
    http1: { type: 'boolean', default: false },
    concurrency: { type: 'string', default: '48' },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    profile: { type: 'string' },
    v8: { type: 'string', default: '' },
  },
});
/** One round's cost per operation, and CPU milliseconds of the calibration around it. */
interface Round {
  readonly cost: number;
  readonly calibration: number;
}
type Row = Omit<Figure, 'measured' | 'quiet'> & { readonly measured: readonly Round[] };
const calibrations: number[] = [];
/** The first calibrations ran uncompiled. */
const settled = (): number[] => calibrations.slice(Math.min(6, calibrations.length - 1)).sort((x, y) => x - y);
const bestTenth = (): number => settled()[Math.floor(settled().length / 10)]!;
function report(row: Row): void {
  const best = bestTenth();
  print({
    ...row,
    measured: row.measured.map((r) => r.cost),
    quiet: row.measured.map((r) => (r.cost * best) / Math.max(best, r.calibration)),
  });
}
const concurrency = Number(options.concurrency);
const rounds = Number(options.rounds);
const only = options.only === '' ? undefined : new Set(options.only.split(','));
const wanted = (name: string): boolean => only === undefined || only.has(name);
const atRest = 5_000;
const watchers = 1_000;
const namespace = '/api/v1/namespaces/default';
const pods = `${namespace}/pods`;
const outdir = join(repository, '.cache', 'bench');

await bundle({ 'https-server': 'bench/https-server.ts' }, outdir);
await inTemporaryDirectory(async (directory) => {
  const port = await freePort();
  const server = fork(join(outdir, 'https-server.js'), [join(directory, 'data'), String(port)], {
    execArgv: [
      ...(options.profile ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`] : []),
      ...options.v8.split(' ').filter((flag) => flag !== ''),
    ],
  });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  const { ready } = await message<{ ready: Credentials }>();
  const wire = options.http1 ? http1Wire(port, ready, concurrency) : http2Wire(port, ready, 4);
  console.log(conditions());
  console.log(
    `  ${options.http1 ? 'HTTP/1.1' : 'HTTP/2'}, ${concurrency} requests at once, CPU of the server's process alone`,
  );
  try {
    await run(wire, port, ready);
    console.log(
      `  The same JSON work cost the server ${(median(settled()) / bestTenth()).toFixed(2)} times its best tenth in the median; "alone" is scaled by that, round by round.`,
    );
  } finally {
    wire.close();
    server.send('stop');
    await ended;
  }

  function message<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`The server has ended with ${code}`));
      server.once('exit', onExit);
      server.once('message', (value) => {
        server.off('exit', onExit);
        resolve(value as T);
      });
    });
  }

  /** Milliseconds of the server's CPU since its start. */
  async function cpuMs(): Promise<number> {
    const answer = message<{ cpu: NodeJS.CpuUsage; rss: number }>();
    server.send('cpu');
    const { cpu } = await answer;
    return (cpu.user + cpu.system) / 1000;
  }

  /** What the same work costs the server's process just now: other work on the machine's cores makes all CPU time longer. */
  async function calibrate(): Promise<number> {
    const answer = message<{ cpuMs: number }>();
    server.send('calibrate');
    const { cpuMs } = await answer;
    calibrations.push(cpuMs);
    return cpuMs;
  }

  /** CPU milliseconds per call of one round, and how slow the core was around it. */
  async function round(wire: Wire, count: number, call: (i: number) => Call): Promise<Round> {
    const slowBefore = await calibrate();
    const before = await cpuMs();
    let next = 0;
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (next < count) await wire.send(call(next++));
      }),
    );
    const cost = ((await cpuMs()) - before) / count;
    return { cost, calibration: (slowBefore + (await calibrate())) / 2 };
  }

  async function several(wire: Wire, count: number, call: (i: number, round: number) => Call): Promise<Round[]> {
    const measured: Round[] = [];
    for (let r = 0; r < rounds; r++) measured.push(await round(wire, count, (i) => call(i, r)));
    return measured;
  }

  async function run(wire: Wire, port: number, credentials: Credentials): Promise<void> {
    await wire.send({
      method: 'POST',
      path: `${namespace}/serviceaccounts`,
      body: Buffer.from('{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}'),
    });
    const create = (name: string, i: number): Call => ({
      method: 'POST',
      path: pods,
      body: podBytes(name, i % 100, `node-${i % 50}`),
    });
    const remove = (name: string): Call => ({ method: 'DELETE', path: `${pods}/${name}?gracePeriodSeconds=0` });
    const patch = (i: number, text: string): Call => ({
      method: 'PATCH',
      path: `${pods}/pod-${i % atRest}`,
      body: Buffer.from(`{"metadata":{"annotations":{"n":"${text}"}}}`),
      contentType: 'application/merge-patch+json',
    });
    const unit = 'ms';
    // Warm: V8 has compiled what follows.
    await round(wire, 2_000, (i) => create(`warm-${i}`, i));
    await round(wire, 2_000, (i) => remove(`warm-${i}`));
    await round(wire, atRest, (i) => create(`pod-${i}`, i));
    const created: Round[] = [];
    const deleted: Round[] = [];
    if (wanted('create') || wanted('delete'))
      for (let r = 0; r < rounds; r++) {
        created.push(await round(wire, 2_000, (i) => create(`more-${i}`, i)));
        deleted.push(await round(wire, 2_000, (i) => remove(`more-${i}`)));
      }
    if (wanted('create')) report({ what: 'create a pod', target: 0.4, upstream: 2.05, unit, measured: created });
    if (wanted('get')) {
      const measured = await several(wire, 8_000, (i) => ({ method: 'GET', path: `${pods}/pod-${i % atRest}` }));
      report({ what: 'get a pod', target: 0.13, upstream: 0.67, unit, measured });
    }
    if (wanted('patch')) {
      const measured = await several(wire, 3_000, (i, r) => patch(i, `${r}-${i}`));
      report({ what: 'merge-patch a pod', target: 0.6, upstream: 3.2, unit, measured });
    }
    if (wanted('delete')) report({ what: 'delete a pod', target: 0.5, upstream: 2.7, unit, measured: deleted });
    if (wanted('label')) {
      const measured = await several(wire, 1_000, (i) => ({
        method: 'GET',
        path: `${pods}?labelSelector=shard%3D${i % 100}`,
      }));
      report({ what: `list 1% of ${atRest} by label`, target: 0.8, upstream: 5.9, unit, measured });
    }
    if (wanted('list')) {
      const bytes = await wire.send({ method: 'GET', path: pods });
      const measured = await several(wire, 48, () => ({ method: 'GET', path: pods }));
      report({
        what: `LIST of ${atRest} (${(bytes / 1e6).toFixed(1)} MB, identity)`,
        target: 30,
        upstream: 293,
        unit,
        measured,
      });
    }
    if (wanted('watch')) await watch(wire, port, credentials, patch);
  }

  async function watch(
    wire: Wire,
    port: number,
    credentials: Credentials,
    patch: (i: number, text: string) => Call,
  ): Promise<void> {
    const events = 300;
    const measured: Round[] = [];
    const watching = await watchMany(
      port,
      credentials,
      `${pods}?watch=1&resourceVersion=${await revision(wire)}`,
      watchers,
      options.http1 ? 0 : 100,
    );
    for (let r = 0; r <= rounds; r++) {
      const slowBefore = await calibrate();
      const before = await cpuMs();
      const delivered = watching.events();
      let next = 0;
      await Promise.all(
        Array.from({ length: concurrency }, async () => {
          while (next < events) {
            const i = next++;
            await wire.send(patch(i, `w${r}-${i}`));
          }
        }),
      );
      const deadline = performance.now() + 60_000;
      while (watching.events() - delivered < events * watchers) {
        if (performance.now() > deadline)
          throw new Error(`Only ${watching.events() - delivered} of ${events * watchers} events came`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      // The first round is a warm-up.
      const cost = (((await cpuMs()) - before) * 1000) / (events * watchers);
      const calibration = (slowBefore + (await calibrate())) / 2;
      if (r > 0) measured.push({ cost, calibration });
    }
    watching.close();
    report({
      what: `a delivered watch event, ${watchers} watchers, writes included`,
      target: 8,
      upstream: 17,
      unit: 'us',
      measured,
    });
  }

  /** The current revision, from the head of a short list. */
  async function revision(wire: Wire): Promise<string> {
    let text = '';
    await wire.send({ method: 'GET', path: `${pods}?limit=1` }, (chunk) => {
      text += chunk;
    });
    return /"resourceVersion":"(\d+)"/.exec(text)?.[1] ?? '';
  }
});

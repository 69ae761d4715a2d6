/**
 * Protobuf and server-side apply over HTTPS: server CPU per operation of ours and, side by side, of upstream's API server with its etcd, round by round in turn; then what
 * 10,000 pods cost in memory with both encodings warm. Run: `node bench/encodings.ts [--rounds 5] [--count 1000] [--only protobuf,apply,memory]`.
 * Upstream's is named by BIREME_BENCH_UPSTREAM=DIRECTORY:PORT, where DIRECTORY holds ca.crt, admin.crt, admin.key and apiserver.pid, etcd.pid of running processes.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bundle, repository } from '../scripts/bundle.ts';
import { decodeObject } from '../src/api/codec/index.ts';
import { encodeProtobuf } from '../src/api/codec/protobuf/index.ts';
import { builtinSchema } from '../src/api/schema/builtin.ts';
import { inTemporaryDirectory } from './support/built-cluster.ts';
import { conditions, print } from './support/figures.ts';
import { startHttpsProcess } from './support/https-process.ts';
import { podBytes } from './support/pod.ts';
import { create, get, listAll, pods, remove, serviceAccount } from './support/pod-calls.ts';
import { Costs, ignoreExisting, inTurn, type Side, upstream } from './support/sides.ts';
import { type Call, http2Wire, type Wire } from './support/wire.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    count: { type: 'string', default: '1000' },
    only: { type: 'string', default: 'protobuf,apply,memory' },
  },
});
const rounds = Number(options.rounds);
const count = Number(options.count);
const only = new Set(options.only.split(','));
const protobuf = 'application/vnd.kubernetes.protobuf';
const podType = builtinSchema.byGvk({ group: '', version: 'v1', kind: 'Pod' })!;

const outdir = join(repository, '.cache', 'bench');
await bundle({ 'https-server': 'bench/https-server.ts' }, outdir);
await inTemporaryDirectory(async (directory) => {
  const server = await startHttpsProcess(outdir, directory);
  const ours: Side = { wire: http2Wire(server.port, server.credentials, 4), pids: [server.pid] };
  const theirs = upstream();
  const sides = theirs ? [ours, theirs] : [ours];
  console.log(conditions());
  try {
    await ours.wire.send(serviceAccount);
    await theirs?.wire.send(serviceAccount).catch(ignoreExisting);
    if (only.has('memory')) await memory(server.rssBytes, ours.wire);
    if (only.has('protobuf')) await compareProtobuf(sides);
    if (only.has('apply')) await compareApply(sides);
  } finally {
    for (const { wire } of sides) wire.close();
    await server.stop();
  }
});

/** What `rss` grows by over 10,000 pods whose lists were asked for in both encodings. */
async function memory(rss: () => Promise<number>, wire: Wire): Promise<void> {
  await setTimeout(3_000);
  const idle = await rss();
  await inTurn(wire, 10_000, (i) => create(`pod-${i}`, i));
  await wire.send(listAll);
  await wire.send({ ...listAll, accept: protobuf });
  await inTurn(wire, 10_000, (i) => ({ ...get(`pod-${i}`), accept: protobuf }));
  await setTimeout(10_000);
  const grown = ((await rss()) - idle) / 2 ** 20;
  print({ what: '10,000 pods, both encodings warm, above idle', target: 130, unit: 'MiB', measured: [grown] });
  await inTurn(wire, 10_000, (i) => remove(`pod-${i}`));
}

async function compareProtobuf(sides: readonly Side[]): Promise<void> {
  const body = (name: string, i: number): Uint8Array => {
    const bytes = podBytes(name, i % 100, `node-${i % 50}`);
    return encodeProtobuf(decodeObject({ bytes }, podType, { fieldValidation: 'Strict' }).object, builtinSchema);
  };
  const bodies = Array.from({ length: count }, (_, i) => body(`proto-${i}`, i));
  const make = (i: number): Call => ({
    ...{ method: 'POST', path: pods, body: bodies[i]!, contentType: protobuf, accept: protobuf },
  });
  const costs = new Costs(sides);
  for (let r = -2; r < rounds; r++) {
    await costs.round('create a pod, protobuf', r, count, make);
    await costs.round('get a pod, protobuf', r, count * 2, (i) => ({ ...get(`proto-${i % count}`), accept: protobuf }));
    await costs.round(`LIST of ${count}, protobuf`, r, 24, () => ({ ...listAll, accept: protobuf }));
    await costs.round('', r, count, (i) => remove(`proto-${i}`));
  }
  costs.report(3);
}

async function compareApply(sides: readonly Side[]): Promise<void> {
  const apply = (i: number, value: string): Call => {
    const pod = JSON.parse(podBytes(`apply-${i}`, i % 100, `node-${i % 50}`).toString()) as {
      metadata: { annotations?: Record<string, string> };
    };
    pod.metadata.annotations = { n: value };
    return {
      method: 'PATCH',
      path: `${pods}/apply-${i}?fieldManager=bench`,
      body: Buffer.from(JSON.stringify(pod)),
      contentType: 'application/apply-patch+yaml',
    };
  };
  const costs = new Costs(sides);
  for (let r = -2; r < rounds; r++) {
    await costs.round('apply a new pod', r, count, (i) => apply(i, 'first'));
    await costs.round('apply a change', r, count, (i) => apply(i, `round ${r}`));
    await costs.round('apply what is so already', r, count, (i) => apply(i, `round ${r}`));
    await costs.round('', r, count, (i) => remove(`apply-${i}`));
  }
  costs.report(3);
}

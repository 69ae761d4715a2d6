/** `npm run bench` lists the benchmarks, `npm run bench -- NAME...` or `-- all` builds the package and runs them one after the other. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const issue: Readonly<Record<string, string>> = {
  start: 'process start to /readyz and to a Ready node',
  https: 'server CPU per operation over HTTPS (also --http1)',
  encodings: 'protobuf and apply beside upstream, memory of 10,000 pods',
  'etcd-writes': 'writes per CPU second on one etcd, beside upstream',
  'durable-writes': 'throughput of the embedded store beside etcd (needs etcd)',
  join: 'init, and the joins of workers and masters, in five network namespaces (needs root and etcd)',
  'slow-readers': 'what readers that do not keep up cost the others',
  rollout: 'a Deployment of 1,000 replicas on 50 hollow nodes',
  node: 'pods on containerd: to Running, 100 at once, idle, their logs (needs root and containerd)',
  idle: 'memory and CPU of an idle cluster',
  dns: "the cluster's DNS, by message and over UDP",
  proxy: 'the service proxy at 10,000 Services (needs root and nft)',
  'start-cluster': 'startCluster() of the testing library',
};
const parts: Readonly<Record<string, string>> = {
  api: 'the pure parts of a write',
  apiserver: 'the API server in process, without HTTPS',
  codec: 'decoding and encoding',
  'hollow-kubelets': 'kubelets alone',
  scheduler: 'a scheduling decision',
  serve: 'HTTPS with a handler that does nothing',
  store: 'the stores',
};
const asked = process.argv.slice(2);
if (asked.length === 0) {
  console.log('npm run bench -- NAME... | all\n');
  for (const [title, names] of [
    ['With targets:', issue],
    ['Of one part:', parts],
  ] as const) {
    console.log(title);
    for (const name in names) console.log(`  ${name.padEnd(18)} ${names[name]}`);
  }
} else {
  const names = asked.includes('all') ? Object.keys(issue) : asked;
  const unknown = names.filter((name) => !(name in issue) && !(name in parts));
  if (unknown.length > 0) throw new Error(`No benchmark "${unknown.join('", "')}"; "npm run bench" lists them`);
  const run = (script: string): void => {
    execFileSync(process.execPath, [join(import.meta.dirname, script)], { stdio: 'inherit' });
  };
  run('../scripts/build.ts');
  for (const name of names) run(`${name}.ts`);
}

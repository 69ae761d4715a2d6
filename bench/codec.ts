/**
 * What the codec costs on a pod: CPU time per call, and as a ratio to `JSON.parse` or `JSON.stringify` of the same text in the same run.
 * Run: node bench/codec.ts
 */
import { decodeObject, encode, parseJson } from '../src/api/codec/index.ts';
import { decodeMessage } from '../src/api/codec/protobuf/decode.ts';
import { encodeMessage } from '../src/api/codec/protobuf/encode.ts';
import { encodeProtobuf } from '../src/api/codec/protobuf/index.ts';
import { builtinSchema } from '../src/api/schema/builtin.ts';

const type = builtinSchema.byGvk({ group: '', version: 'v1', kind: 'Pod' })!;
const pod = {
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: {
    name: 'web-5d9c7b-x2x4x',
    namespace: 'default',
    uid: '6f7a1b2c-1111-2222-3333-444455556666',
    creationTimestamp: '2026-01-02T03:04:05Z',
    labels: { app: 'web', 'pod-template-hash': '5d9c7b' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5d9c7b', uid: 'a', controller: true }],
  },
  spec: {
    volumes: [{ name: 'config', configMap: { name: 'app', defaultMode: 420 } }],
    containers: ['app', 'sidecar'].map((name) => ({
      name,
      image: 'registry.example/app:1.2.3',
      ports: [{ containerPort: 8080, protocol: 'TCP' }],
      env: [{ name: 'A', value: '1' }],
      resources: { requests: { cpu: '250m', memory: '64Mi' } },
      volumeMounts: [{ name: 'config', mountPath: '/etc/app' }],
      imagePullPolicy: 'IfNotPresent',
    })),
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    serviceAccountName: 'default',
    nodeName: 'node-1',
  },
  status: { phase: 'Pending', qosClass: 'Burstable' },
};

const text = JSON.stringify(pod);
const bytes = new TextEncoder().encode(text);
const strict = { fieldValidation: 'Strict' } as const;
const { object } = decodeObject({ bytes }, type, strict);
const message = encodeMessage(type, object);
const unusual = new TextEncoder().encode(text.replace('"value":"1"', '"value":"\\ud83d\\ude00"'));

function microseconds(run: () => unknown): number {
  for (let i = 0; i < 3_000; i++) run();
  const rounds = 15_000;
  const start = process.cpuUsage();
  for (let i = 0; i < rounds; i++) run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / rounds;
}

const parse = microseconds(() => JSON.parse(text));
const stringify = microseconds(() => JSON.stringify(object));
const row = (name: string, peer: string, base: number, run: () => unknown): void => {
  const cost = microseconds(run);
  console.log(
    `${name.padEnd(34)} ${cost.toFixed(1).padStart(7)} us  ${(cost / base).toFixed(1).padStart(5)} x ${peer}`,
  );
};

console.log(
  `pod of ${bytes.length} bytes; JSON.parse ${parse.toFixed(1)} us, JSON.stringify ${stringify.toFixed(1)} us`,
);
row('parseJson', 'JSON.parse', parse, () => parseJson(bytes));
row('decodeObject, bytes', 'JSON.parse', parse, () => decodeObject({ bytes }, type, strict));
row('decodeObject, bytes, exact parser', 'JSON.parse', parse, () => decodeObject({ bytes: unusual }, type, strict));
row('decodeObject, value', 'JSON.parse', parse, () => decodeObject({ value: object }, type, strict));
row('encode', 'JSON.stringify', stringify, () => encode(object));
row('encodeProtobuf', 'JSON.stringify', stringify, () => encodeProtobuf(object, builtinSchema));
row('decode protobuf, plain tree', 'JSON.parse', parse, () => decodeMessage(message, type));

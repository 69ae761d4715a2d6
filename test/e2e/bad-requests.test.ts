/** What a client gets that sends nonsense over HTTPS: upstream's Status and code, and nothing is stored. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRealClock } from '../../src/base/real-clock.ts';
import { parseKubeconfig, transportOptionsOf } from '../../src/client/kubeconfig.ts';
import { execute, launcher } from './machine.ts';

const core = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, data: unknown): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
const pod = (spec: unknown): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'bad' }, spec });

interface BadRequest {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without the administrator's certificate. */
  readonly anonymous?: boolean;
  readonly code: number;
  readonly reason: string;
  readonly message: RegExp;
}

const cases: readonly BadRequest[] = [
  {
    name: 'JSON that ends early',
    body: '{"kind":',
    code: 400,
    reason: 'BadRequest',
    message: /unexpected end of JSON input|unexpected EOF/,
  },
  {
    name: 'JSON with a stray comma',
    body: '{"kind":"ConfigMap",}',
    code: 400,
    reason: 'BadRequest',
    message: /invalid character/,
  },
  { name: 'an empty body', body: '', code: 400, reason: 'BadRequest', message: /./ },
  {
    name: 'bytes that are no text',
    body: Buffer.from([0xff, 0xfe, 0x00]),
    code: 400,
    reason: 'BadRequest',
    message: /./,
  },
  {
    name: 'a list where an object is due',
    body: '[]',
    code: 400,
    reason: 'BadRequest',
    message: /cannot unmarshal array|json/,
  },
  { name: 'null', body: 'null', code: 422, reason: 'Invalid', message: /metadata\.name: Required value/ },
  {
    name: 'another kind than the path',
    body: '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"bad"}}',
    code: 400,
    reason: 'BadRequest',
    message: /does not match|cannot be handled as a ConfigMap/,
  },
  {
    name: 'an unknown kind',
    body: '{"apiVersion":"v1","kind":"Wombat","metadata":{"name":"bad"}}',
    code: 400,
    reason: 'BadRequest',
    message: /no kind "Wombat" is registered/,
  },
  {
    name: 'YAML with a tab',
    type: 'application/yaml',
    body: 'kind:\n\tConfigMap',
    code: 400,
    reason: 'BadRequest',
    message: /yaml/,
  },
  {
    name: 'YAML with an unclosed bracket',
    type: 'application/yaml',
    body: 'kind: [ConfigMap',
    code: 400,
    reason: 'BadRequest',
    message: /yaml/,
  },
  {
    name: 'a number for a string',
    body: configMap('bad', { key: 5 }),
    code: 400,
    reason: 'BadRequest',
    message: /cannot unmarshal number into Go struct field ConfigMap\.data of type string/,
  },
  {
    name: 'a string for a list',
    path: '/api/v1/namespaces/default/pods',
    body: pod({ containers: 'x' }),
    code: 400,
    reason: 'BadRequest',
    message: /cannot unmarshal string into Go struct field PodSpec\.spec\.containers/,
  },
  {
    name: 'a name that is none',
    body: configMap('Not_a_Name', {}),
    code: 422,
    reason: 'Invalid',
    message: /ConfigMap "Not_a_Name" is invalid: metadata\.name: Invalid value/,
  },
  {
    name: 'a key that is none',
    body: configMap('bad', { 'a/b': '' }),
    code: 422,
    reason: 'Invalid',
    message: /a valid config key must consist of/,
  },
  {
    name: 'an unknown field, strictly',
    path: `${core}?fieldValidation=Strict`,
    body: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'bad' }, dataa: {} }),
    code: 400,
    reason: 'BadRequest',
    message: /strict decoding error: unknown field "dataa"/,
  },
  {
    name: 'a duplicate key, strictly',
    path: `${core}?fieldValidation=Strict`,
    body: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"bad","name":"worse"}}',
    code: 400,
    reason: 'BadRequest',
    message: /duplicate field "metadata\.name"/,
  },
  {
    name: '100,000 lists in each other',
    body: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"bad"},"data":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
    code: 400,
    reason: 'BadRequest',
    message: /exceeded max depth|nest/,
  },
  {
    name: '4 MiB',
    body: configMap('bad', { key: 'x'.repeat(4 << 20) }),
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: /limit is 3145728/,
  },
  {
    name: 'more data than a ConfigMap may have',
    body: configMap('bad', { key: 'x'.repeat((1 << 20) + 1) }),
    code: 422,
    reason: 'Invalid',
    message: /Too long: may not be more than 1048576 bytes/,
  },
  {
    name: 'a content type of which nobody heard',
    type: 'application/toml',
    body: 'kind = "ConfigMap"',
    code: 415,
    reason: 'UnsupportedMediaType',
    message: /the body of the request was in an unknown format/,
  },
  {
    name: 'a bad label selector',
    method: 'GET',
    path: `${core}?labelSelector=a%20in%20(`,
    code: 400,
    reason: 'BadRequest',
    message: /unable to parse requirement|unable to parse/,
  },
  {
    name: 'a bad field selector',
    method: 'GET',
    path: `${core}?fieldSelector=spec.color%3Dred`,
    code: 400,
    reason: 'BadRequest',
    message: /field label not supported: spec\.color|is not a known field selector/,
  },
  {
    name: 'a limit that is no number',
    method: 'GET',
    path: `${core}?limit=many`,
    code: 400,
    reason: 'BadRequest',
    message: /strconv\.ParseInt|invalid syntax/,
  },
  {
    name: 'a continue token that is none',
    method: 'GET',
    path: `${core}?limit=1&continue=abc`,
    code: 400,
    reason: 'BadRequest',
    message: /continue key is not valid/,
  },
  {
    name: 'a resourceVersion that is none',
    method: 'GET',
    path: `${core}?resourceVersion=x&resourceVersionMatch=Exact`,
    code: 400,
    reason: 'BadRequest',
    message: /invalid resource version|Invalid value/,
  },
  {
    name: 'a resource of which nobody heard',
    method: 'GET',
    path: '/api/v1/wombats',
    code: 404,
    reason: 'NotFound',
    message: /the server could not find the requested resource/,
  },
  {
    name: 'a name that is not there',
    method: 'GET',
    path: `${core}/nobody`,
    code: 404,
    reason: 'NotFound',
    message: /^configmaps "nobody" not found$/,
  },
  {
    name: 'a method that a resource has not',
    method: 'PUT',
    path: core,
    body: '{}',
    code: 405,
    reason: 'MethodNotAllowed',
    message: /the server does not allow this method on the requested resource/,
  },
  {
    name: 'a patch of no kind',
    method: 'PATCH',
    path: `${core}/kube-root-ca.crt`,
    type: 'application/json',
    body: '{}',
    code: 415,
    reason: 'UnsupportedMediaType',
    message: /^415: Unsupported Media Type$/,
  },
  {
    name: 'a JSON patch that does not fit',
    method: 'PATCH',
    path: `${core}/kube-root-ca.crt`,
    type: 'application/json-patch+json',
    body: '[{"op":"remove","path":"/data/nothing"}]',
    code: 422,
    reason: 'Invalid',
    message: /./,
  },
  {
    name: 'a token that is none',
    method: 'GET',
    path: core,
    anonymous: true,
    headers: { authorization: 'Bearer nonsense' },
    code: 401,
    reason: 'Unauthorized',
    message: /^Unauthorized$/,
  },
  {
    name: 'a forged token',
    method: 'GET',
    path: core,
    anonymous: true,
    headers: {
      authorization: `Bearer ${['{"alg":"none"}', '{"sub":"system:admin","iss":"https://kubernetes.default.svc.cluster.local"}', ''].map((part) => Buffer.from(part).toString('base64url')).join('.')}`,
    },
    code: 401,
    reason: 'Unauthorized',
    message: /^Unauthorized$/,
  },
  {
    name: 'nobody at all',
    method: 'GET',
    path: core,
    anonymous: true,
    code: 403,
    reason: 'Forbidden',
    message:
      /^configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "default"$/,
  },
];

test('bad requests: each gets its Status and code, and nothing is stored', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'be-'));
  const dataDir = join(folder, 'data');
  const port = await freePort();
  const bireme = (...args: readonly string[]) => execute(process.execPath, [launcher, ...args, '--data-dir', dataDir]);
  t.after(async () => {
    await bireme('down');
    rmSync(folder, { recursive: true, force: true });
  });
  const up = await bireme(
    'up',
    '--detach',
    '--runtime',
    'hollow',
    '--port',
    String(port),
    '--kubeconfig',
    join(folder, 'kubeconfig'),
  );
  assert.equal(up.code, 0, up.stderr);
  const admin = transportOptionsOf(parseKubeconfig(readFileSync(join(dataDir, 'admin.conf'), 'utf8'), 'admin.conf'), {
    clock: createRealClock(),
  });
  const send = ({
    method = 'POST',
    path = core,
    type = 'application/json',
    body,
    headers,
    anonymous,
  }: Partial<BadRequest>) =>
    new Promise<{ readonly code: number; readonly text: string }>((resolve, reject) => {
      const call = request(
        {
          ...{ host: '127.0.0.1', port, method, path, ca: String(admin.ca) },
          ...(anonymous
            ? {}
            : { cert: String(admin.clientCertificate?.cert), key: String(admin.clientCertificate?.key) }),
          headers: {
            ...(body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) }),
            ...headers,
          },
          agent: false,
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => resolve({ code: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
          answer.on('error', reject);
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  const stored = async (): Promise<string> => {
    const [maps, pods] = [await send({ method: 'GET' }), await send({ method: 'GET', path: '/api/v1/pods' })];
    assert.deepEqual([maps.code, pods.code], [200, 200]);
    return JSON.stringify([maps, pods].map(({ text }) => (JSON.parse(text) as { items: unknown }).items));
  };
  for (let there = false; !there; ) there = (await stored()).includes('kube-root-ca.crt');
  const before = await stored();

  for (const wrong of cases)
    await t.test(wrong.name, async () => {
      const { code, text } = await send(wrong);
      assert.equal(code, wrong.code, text);
      const status = JSON.parse(text);
      assert.deepEqual(
        {
          kind: status.kind,
          apiVersion: status.apiVersion,
          status: status.status,
          reason: status.reason,
          code: status.code,
        },
        { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: wrong.reason, code: wrong.code },
      );
      assert.match(status.message, wrong.message);
    });
  assert.equal(await stored(), before, 'something was stored');

  await t.test('keys that are hostile to JavaScript are a ConfigMap like any other', async () => {
    const data = '{"__proto__":"a","constructor":"b","toString":"c","hasOwnProperty":"d"}';
    const body = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"hostile","labels":{"constructor":"x"}},"data":${data}}`;
    assert.equal((await send({ body })).code, 201);
    const { text } = await send({ method: 'GET', path: `${core}/hostile` });
    assert.deepEqual(Object.entries(JSON.parse(text).data).sort(), [
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['hasOwnProperty', 'd'],
      ['toString', 'c'],
    ]);
    const { text: chosen } = await send({ method: 'GET', path: `${core}?labelSelector=constructor%3Dx` });
    assert.equal(JSON.parse(chosen).items.length, 1);
    assert.equal((await send({ method: 'DELETE', path: `${core}/hostile` })).code, 200);
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

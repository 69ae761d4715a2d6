/** Query parameters with odd values. */
import type { Step } from '../case.ts';
import type { Pick } from '../pick.ts';
import type { Maker } from './generate.ts';
import { collections, objects } from './paths.ts';
import { configMap, post } from './preparation.ts';

const bools = ['true', 'false', '1', '0', '', 'x', 'TRUE', 'yes', 'false&watch=true'];
const odd: Readonly<Record<string, readonly string[]>> = {
  limit: ['-1', 'x', '0', '1', '2', '', '1.5', '9223372036854775808', '01', '+1', ' 1'],
  continue: [
    'x',
    '',
    'eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJ4In0',
    'eyJ2IjoidjIifQ',
    'eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiIn0',
    'eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiIuLi94In0',
    '%00',
  ],
  timeoutSeconds: ['x', '1', '0', '-1', '', '1.5'],
  timeout: ['x', '1s', '0', '-1s', '', '5', '1h', '0s'],
  resourceVersion: ['0', '1', 'abc', '-1', '', '999999999999', '01', '1.5', '18446744073709551616'],
  resourceVersionMatch: ['Exact', 'NotOlderThan', 'x', '', 'exact'],
  sendInitialEvents: bools,
  allowWatchBookmarks: bools,
  watch: bools,
  labelSelector: [
    'app=x',
    'app in (x,y)',
    '!app',
    'app!=x',
    'a,,b',
    'app in',
    '=x',
    'app==x',
    'app notin (x',
    'A_b/c=d',
    'app=x y',
    'app>1',
    `${'a'.repeat(64)}=x`,
    'app=%00',
    'x=*',
  ],
  fieldSelector: [
    'metadata.name=c1',
    'metadata.name!=c1',
    'metadata.namespace=p1',
    'metadata.name=c1,metadata.namespace=x',
    'nosuch=1',
    'spec.nodeName=',
    'metadata.name',
    '=',
    'metadata.name=c1\\',
    'spec.color=green',
    'status.phase=Pending',
    'type=Opaque',
    'metadata.name=../x',
    'metadata.name=x y',
  ],
  pretty: bools,
  dryRun: ['All', 'x', '', 'All&dryRun=All', 'all', 'All&dryRun=x'],
  fieldManager: ['me', '', 'a'.repeat(129), 'a%0Ab', 'ä', '%7F'],
  fieldValidation: ['Strict', 'Warn', 'Ignore', 'bogus', '', 'strict'],
  propagationPolicy: ['Foreground', 'Background', 'Orphan', 'bogus', '', 'orphan'],
  orphanDependents: bools,
  gracePeriodSeconds: ['0', '-1', 'x', '30', '', '-5'],
  ignoreStoreReadErrorWithClusterBreakingPotential: bools,
  force: bools,
  includeObject: ['None', 'Metadata', 'Object', 'x', ''],
  shardSelector: ['x', ''],
  nosuch: ['1'],
};

const reading = [
  'limit',
  'continue',
  'timeoutSeconds',
  'timeout',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'allowWatchBookmarks',
  'watch',
  'labelSelector',
  'fieldSelector',
  'pretty',
  'nosuch',
  'includeObject',
  'shardSelector',
];
const creating = ['dryRun', 'fieldManager', 'fieldValidation', 'pretty', 'timeout', 'nosuch'];
const deleting = [
  'dryRun',
  'propagationPolicy',
  'orphanDependents',
  'gracePeriodSeconds',
  'pretty',
  'timeout',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
  'nosuch',
];

const query = (pick: Pick, names: readonly string[], most: number): string => {
  const chosen = Array.from({ length: 1 + pick.below(most) }, () => pick.one(names));
  return chosen.map((name) => `${name}=${escaped(pick.one(odd[name]!))}`).join('&');
};
const escaped = (value: string): string => value.replace(/[^\w\-.=&%+/()!,*>]/g, (c) => encodeURIComponent(c));

const json = { 'content-type': 'application/json' };

export const parameters: Maker = ({ pick, name }) => {
  const kind = pick.weighted([
    ['list', 9],
    ['watch', 4],
    ['get', 3],
    ['create', 3],
    ['update', 2],
    ['patch', 3],
    ['delete', 4],
    ['deletecollection', 2],
    ['log', 1],
  ] as const);
  const done = (step: Step): { what: string; steps: Step[] } => ({ what: `${kind} ${step.path}`, steps: [step] });
  switch (kind) {
    case 'list': {
      const path = `${settledCollection(pick)}${query(pick, reading, 3)}`;
      return done(streamed('GET', path));
    }
    case 'watch': {
      const names = reading.filter((each) => each !== 'watch');
      const path = `${settledCollection(pick)}watch=1&${query(pick, names, 3)}`;
      return done(streamed('GET', path));
    }
    case 'get':
      return done({
        method: pick.chance(0.9) ? 'GET' : 'HEAD',
        path: `${pick.one(objects)}?${query(pick, reading, 2)}`,
      });
    case 'create':
      return done({
        method: 'POST',
        path: `/api/v1/namespaces/p1/configmaps?${query(pick, creating, 2)}&dryRun=All`,
        headers: json,
        text: JSON.stringify({ ...configMap(name), ...(pick.chance(0.3) ? { nosuch: 1 } : {}) }),
      });
    case 'update':
      return done({
        method: 'PUT',
        path: `/api/v1/namespaces/p1/configmaps/c3?${query(pick, creating, 2)}&dryRun=All`,
        headers: json,
        text: JSON.stringify(configMap('c3')),
      });
    case 'patch': {
      const type = pick.one(['merge-patch+json', 'json-patch+json', 'strategic-merge-patch+json', 'apply-patch+yaml']);
      const bodies: Record<string, string> = {
        'merge-patch+json': '{"data":{"a":"b"},"nosuch":1}',
        'json-patch+json': '[{"op":"add","path":"/data/a","value":"b"}]',
        'strategic-merge-patch+json': '{"data":{"a":"b"}}',
        'apply-patch+yaml': JSON.stringify({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'c3' },
          data: { z: '1' },
        }),
      };
      return done({
        method: 'PATCH',
        path: `/api/v1/namespaces/p1/configmaps/c3?${query(pick, [...creating, 'force', 'fieldManager'], 3)}&dryRun=All`,
        headers: { 'content-type': `application/${type}` },
        text: bodies[type]!,
      });
    }
    case 'delete': {
      // Options of a body stand for all: the object may go.
      if (pick.chance(0.5))
        return {
          what: `delete with a body`,
          steps: withOwnObject(name, {
            method: 'DELETE',
            path: `/api/v1/namespaces/p2/configmaps/${name}?${query(pick, deleting, 2)}`,
            headers: json,
            text: pick.one(deleteBodies),
          }),
        };
      return done({
        method: 'DELETE',
        path: `${pick.one(objects.slice(0, 8))}?${query(pick, deleting, 2)}&dryRun=All`,
      });
    }
    case 'deletecollection': {
      const some = [...reading.filter((each) => each !== 'watch'), ...deleting];
      if (pick.chance(0.5))
        return {
          what: `deletecollection with a body`,
          steps: withOwnObject(name, {
            method: 'DELETE',
            path: `/api/v1/namespaces/p2/configmaps?labelSelector=case%3D${name}&${query(pick, some, 2)}`,
            headers: json,
            text: pick.one(deleteBodies),
          }),
        };
      return done({
        method: 'DELETE',
        path: `${pick.one(collections)}?labelSelector=proto=1&${query(pick, some, 2)}&dryRun=All`,
      });
    }
    case 'log':
      return done({
        method: 'GET',
        path: `/api/v1/namespaces/p1/pods/pod1/log?${pick.one(['follow=x', 'tailLines=-1', 'tailLines=x', 'sinceSeconds=0', 'sinceSeconds=-1', 'limitBytes=0', 'sinceTime=x', 'container=nosuch', 'previous=true', 'stream=x', 'stream=Stdout', 'sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z', 'timestamps=x', 'insecureSkipTLSVerifyBackend=x'])}`,
      });
  }
};

const deleteBodies = [
  '',
  '{}',
  'x',
  '[]',
  'null',
  '{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}',
  '{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":-1}',
  '{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":"x"}',
  '{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"bogus"}',
  '{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Orphan","orphanDependents":true}',
  '{"kind":"DeleteOptions","apiVersion":"apps/v1","propagationPolicy":"Foreground"}',
  '{"kind":"DeleteOptions","apiVersion":"nosuch/v1"}',
  '{"kind":"DeleteOptions","apiVersion":"meta.k8s.io/v1"}',
  '{"kind":"Pod","apiVersion":"v1"}',
  '{"preconditions":{"uid":"x"}}',
  '{"preconditions":{"resourceVersion":"1"}}',
  '{"dryRun":["x"]}',
  '{"dryRun":["All"]}',
  '{"nosuch":1}',
  '{"orphanDependents":true}',
  '{"ignoreStoreReadErrorWithClusterBreakingPotential":true}',
];

export const withOwnObject = (name: string, step: Step): Step[] => [
  { ...post('/api/v1/namespaces/p2/configmaps', configMap(name, { case: name })), quiet: true },
  step,
  { method: 'DELETE', path: `/api/v1/namespaces/p2/configmaps/${name}`, quiet: true },
];

/** Of kinds without namespaces only what stands. */
function settledCollection(pick: Pick): string {
  const path = pick.one(collections);
  return path.endsWith('/gadgets') ? `${path}?labelSelector=proto%3D1&` : `${path}?`;
}

/** What may be a watch ends by itself or is left. */
function streamed(method: string, path: string): Step {
  const isWatch = /[?&]watch=(?!false|0|&|$)/.test(path);
  const timed = !isWatch || path.includes('timeoutSeconds') ? path : `${path}&timeoutSeconds=1`;
  return { method, path: timed, ...(isWatch ? { readMs: 1600 } : {}) };
}

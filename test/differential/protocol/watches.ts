/** Watches of objects of the case's own that change meanwhile. */
import type { JsonObject } from '../../../src/api/json.ts';
import type { Step } from '../case.ts';
import type { Maker } from './generate.ts';
import { configMap, post } from './preparation.ts';

const configMaps = '/api/v1/namespaces/p2/configmaps';
const widgets = '/apis/proto.example.com/v1/namespaces/p2/widgets';

export const watches: Maker = ({ pick, name }) => {
  const custom = pick.chance(0.3);
  const base = custom ? widgets : configMaps;
  const labels = (group: string): JsonObject => ({ case: name, group });
  const object = (n: string, group: string, value: string): JsonObject =>
    custom
      ? {
          apiVersion: 'proto.example.com/v1',
          kind: 'Widget',
          metadata: { name: n, labels: labels(group) },
          spec: { size: 5, color: value === 'a' ? 'green' : 'blue' },
        }
      : configMap(n, labels(group), { k: value });
  const patch = (n: string, body: JsonObject): Step => ({
    method: 'PATCH',
    path: `${base}/${n}`,
    headers: { 'content-type': 'application/merge-patch+json' },
    text: JSON.stringify(body),
  });
  const selector = pick.one([
    `labelSelector=case%3D${name}`,
    `labelSelector=case%3D${name}%2Cgroup%3Dx`,
    `labelSelector=case%3D${name}%2Cgroup%21%3Dx`,
    `fieldSelector=metadata.name%3D${name}-a`,
    `labelSelector=case%3D${name}&fieldSelector=metadata.name%21%3D${name}-a`,
    ...(custom ? [`labelSelector=case%3D${name}&fieldSelector=spec.color%3Dgreen`] : []),
  ]);
  const start = pick.one([
    '',
    '&resourceVersion=0',
    '&allowWatchBookmarks=true',
    '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
    '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=0',
    '&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
    '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan',
    '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=999999999',
    '&resourceVersion=999999999',
    '&resourceVersion=1',
  ]);
  const accept = pick.weighted([
    ['application/json', 6],
    ['application/json;as=Table;g=meta.k8s.io;v=v1', 3],
    ['application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1', 2],
    ['application/json;stream=watch', 1],
    ['application/yaml', 0.5],
  ] as const);
  const writes: Step[] = [];
  for (let i = 0; i < 2 + pick.below(4); i++) {
    const n = `${name}-${pick.one(['a', 'a', 'b'])}`;
    writes.push(
      pick.one<() => Step>([
        () => post(base, object(n, pick.one(['x', 'y']), 'a')),
        () => patch(n, { metadata: { labels: { group: pick.one(['x', 'y']) } } }),
        () => patch(n, custom ? { spec: { size: 6, color: pick.one(['green', 'blue']) } } : { data: { k: String(i) } }),
        () => patch(n, {}),
        () => ({ method: 'DELETE', path: `${base}/${n}` }),
        () => patch(n, { metadata: { finalizers: pick.one<string[] | null>([['example.com/f'], null]) } }),
      ])(),
    );
  }
  return {
    what: `${selector} ${start} ${accept}`,
    steps: [
      { ...post(base, object(`${name}-a`, pick.one(['x', 'y']), 'a')), quiet: true },
      {
        method: 'GET',
        path: `${base}?watch=1&${selector}${start}${pick.chance(0.2) ? '&timeoutSeconds=1' : ''}`,
        headers: { accept },
        readMs: 500,
        during: writes,
      },
      ...['a', 'b'].flatMap<Step>((each) => [
        { ...patch(`${name}-${each}`, { metadata: { finalizers: null } }), quiet: true },
        { method: 'DELETE', path: `${base}/${name}-${each}`, quiet: true },
      ]),
    ],
  };
};

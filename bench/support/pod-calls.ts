/** The requests about pods that the benchmarks of the API server send. */
import { podBytes } from './pod.ts';
import type { Call } from './wire.ts';

const namespace = '/api/v1/namespaces/default';
export const pods = `${namespace}/pods`;

/** What a pod needs in its namespace. */
export const serviceAccount: Call = {
  method: 'POST',
  path: `${namespace}/serviceaccounts`,
  body: Buffer.from('{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}'),
};

/** One of a hundred shards, bound to one of fifty nodes. */
export const create = (name: string, i: number): Call => ({
  method: 'POST',
  path: pods,
  body: podBytes(name, i % 100, `node-${i % 50}`),
});
export const remove = (name: string): Call => ({ method: 'DELETE', path: `${pods}/${name}?gracePeriodSeconds=0` });
export const get = (name: string): Call => ({ method: 'GET', path: `${pods}/${name}` });
export const patch = (name: string, text: string): Call => ({
  method: 'PATCH',
  path: `${pods}/${name}`,
  body: Buffer.from(`{"metadata":{"annotations":{"n":"${text}"}}}`),
  contentType: 'application/merge-patch+json',
});
export const listShard = (i: number): Call => ({ method: 'GET', path: `${pods}?labelSelector=shard%3D${i % 100}` });
export const listAll: Call = { method: 'GET', path: pods };

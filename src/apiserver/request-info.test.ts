import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRequestInfo } from './request-info.ts';

const cases: readonly (readonly [string, string, string])[] = [
  ['GET', '/api/v1/namespaces/a/pods', 'list  v1 pods ns=a'],
  ['GET', '/api/v1/namespaces/a/pods?watch=true', 'watch  v1 pods ns=a'],
  ['GET', '/api/v1/namespaces/a/pods?watch=false', 'list  v1 pods ns=a'],
  ['GET', '/api/v1/namespaces/a/pods/p', 'get  v1 pods ns=a name=p'],
  ['PUT', '/api/v1/namespaces/a/pods/p/status', 'update  v1 pods/status ns=a name=p'],
  ['GET', '/api/v1/namespaces/a', 'get  v1 namespaces ns=a name=a'],
  ['PUT', '/api/v1/namespaces/a/finalize', 'update  v1 namespaces/finalize ns=a name=a'],
  ['GET', '/api/v1/namespaces', 'list  v1 namespaces'],
  ['DELETE', '/apis/apps/v1/namespaces/a/deployments', 'deletecollection apps v1 deployments ns=a'],
  ['DELETE', '/apis/apps/v1/namespaces/a/deployments/d', 'delete apps v1 deployments ns=a name=d'],
  ['GET', '/api/v1/watch/namespaces/a/pods', 'watch  v1 pods ns=a'],
  ['GET', '/api/v1/watch/namespaces/a/pods/p', 'watch  v1 pods ns=a name=p'],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dp', 'list  v1 pods name=p'],
  ['GET', '/api/v1/nodes/a%2Fb', 'get  v1 nodes/b name=a'],
  ['GET', '/api/v1/nodes/a%2fb/%ff', 'get  v1 nodes/b name=a'],
  ['GET', '/api/v1/watch/pods?fieldSelector=metadata.name%3Dp', 'watch  v1 pods'],
  ['DELETE', '/api/v1/pods?fieldSelector=metadata.name%3Dp', 'deletecollection  v1 pods'],
  ['GET', '/api/v1/nodes/a%zz', 'get  v1 nodes name=a%zz'],
  ['POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', 'create rbac.authorization.k8s.io v1 clusterroles'],
  ['GET', '/api/v1', 'path /api/v1 get'],
  ['GET', '/apis/apps', 'path /apis/apps get'],
  ['POST', '/healthz', 'path /healthz post'],
  ['GET', '/', 'path / get'],
];

for (const [method, url, want] of cases)
  test(`request info: ${method} ${url} is ${want}`, () => {
    const [path = '', query] = url.split('?');
    const info = parseRequestInfo(method, path, new URLSearchParams(query));
    const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`;
    const said = info.isResourceRequest
      ? `${info.verb} ${info.apiGroup} ${info.apiVersion} ${resource}${info.namespace ? ` ns=${info.namespace}` : ''}${info.name ? ` name=${info.name}` : ''}`
      : `path ${info.path} ${info.verb}`;
    assert.equal(said, want);
  });

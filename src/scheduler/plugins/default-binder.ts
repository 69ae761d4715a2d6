/** Binds by POST to the pod's `binding` subresource. Source: plugins/defaultbinder. */
import type { Binding } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';
import type { Plugin } from '../core/framework.ts';
import { PluginName } from './names.ts';

export function defaultBinder(client: Client): Plugin {
  const pods = client.resource(resources.pods);
  return {
    name: PluginName.defaultBinder,
    events: [],
    async bind(pod, nodeName, signal) {
      const binding: Binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: pod.name, namespace: pod.namespace, uid: pod.uid },
        target: { kind: 'Node', name: nodeName },
      };
      await pods.createSubresource(pod.name, 'binding', binding, { namespace: pod.namespace, signal });
      return true;
    },
  };
}

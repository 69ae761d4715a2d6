/** A control plane with one hollow node, and a configuration of `@kubernetes/client-node` for it. */
import { KubeConfig } from '@kubernetes/client-node';
import type { Node } from '../../src/api/types/core-v1.ts';
import type { KubeletUpgrade } from '../../src/apiserver/registry/endpoints/logs.ts';
import { adminPeer, type ControlPlane } from '../../src/cluster/control-plane.ts';
import { createHollowNodes, type HollowNodes } from '../../src/cluster/hollow-nodes.ts';
import { type ClusterKubeletClient, createKubeletClient } from '../../src/cluster/kubelet-client.ts';
import type { BackendOptions, StreamingBackend } from '../../src/serve/testdata/streaming-backend.ts';
import { startStreamingBackend } from '../../src/serve/testdata/streaming-backend.ts';
import { requestUpgrade } from '../../src/serve/upgrade/request-upgrade.ts';
import { startHttpsControlPlane } from './https-control-plane.ts';

export interface ClientNodeCluster {
  readonly config: KubeConfig;
  readonly controlPlane: ControlPlane;
  readonly hollow: HollowNodes;
  /** What kubelets' streams were asked for. */
  readonly streams: StreamingBackend;
  /** All that happened until now is history. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

export const hollowNode = 'node-1';

/** @param command what answers exec and attach in every pod: hollow containers have no processes. */
export async function startClientNodeCluster(command: BackendOptions['command']): Promise<ClientNodeCluster> {
  const streams = await startStreamingBackend(command ? { command } : {});
  let kubelets: ClusterKubeletClient | undefined;
  const plane = await startHttpsControlPlane(({ clock }) => {
    kubelets = createKubeletClient({
      clock,
      node: (name) => plane.controlPlane.server.reader.get('', 'nodes', '', name) as unknown as Node | undefined,
      hollow: (name) => hollow.nodes.get(name)?.handler,
    });
    return {
      kubelet: {
        ...kubelets,
        connect: ({ method, path, query, headers, signal }: KubeletUpgrade) =>
          requestUpgrade(
            { host: '127.0.0.1', port: streams.port },
            { method, path: `${path}?${query}`, headers, signal, clock, timeoutMs: 30_000 },
          ),
      },
      kubeletPage: kubelets.page,
    };
  });
  const { controlPlane } = plane;
  const transport = controlPlane.transportAs(adminPeer);
  const hollow: HollowNodes = createHollowNodes(transport, plane, { transportAs: controlPlane.transportAs });
  hollow.add(hollowNode);
  const config = new KubeConfig();
  config.loadFromString(plane.kubeconfig);
  return {
    config,
    controlPlane,
    hollow,
    streams,
    compact: plane.compact,
    async stop() {
      await hollow.stop();
      await plane.stop();
      await kubelets?.close();
      await transport.close();
      await streams.stop();
    },
  };
}

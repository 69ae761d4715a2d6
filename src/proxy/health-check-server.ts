/**
 * Answers on the health-check node ports of load balancers that keep source addresses: 200 while this node has an endpoint of the Service, 503
 * while it has none, so that the load balancer sends traffic only to nodes that can take it. Source: pkg/proxy/healthcheck.
 */
import { createServer, type Server } from 'node:http';
import type { Logger } from '../base/log.ts';

export interface HealthCheckService {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  readonly localEndpoints: number;
}

export interface HealthCheckServers {
  /** Opens, closes and updates listeners. A port that is taken is logged and tried again at the next call. */
  update(services: readonly HealthCheckService[]): void;
  close(): Promise<void>;
}

/** @param healthy whether the proxy itself works: a load balancer should not choose a node whose rules are old. */
export function createHealthCheckServers(log: Logger, healthy: () => boolean): HealthCheckServers {
  const open = new Map<number, { service: HealthCheckService; readonly server: Server; listening: boolean }>();
  const listen = (service: HealthCheckService): void => {
    const server = createServer((_, response) => {
      const { namespace, name, localEndpoints } = open.get(service.port)?.service ?? service;
      const proxyHealthy = healthy();
      response.writeHead(localEndpoints > 0 && proxyHealthy ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      });
      response.end(
        `${JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: proxyHealthy }, undefined, '\t')}\n`,
      );
    });
    const entry = { service, server, listening: false };
    open.set(service.port, entry);
    server.on('error', (error) => {
      log.error('Failed to start healthcheck', {
        service: `${service.namespace}/${service.name}`,
        port: service.port,
        error,
      });
      if (open.get(service.port) === entry) open.delete(service.port);
    });
    server.listen(service.port, () => {
      entry.listening = true;
    });
    server.unref();
  };
  const shut = (server: Server): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return {
    update(services) {
      const wanted = new Map(services.map((service) => [service.port, service]));
      for (const [port, { server }] of open)
        if (!wanted.has(port)) {
          open.delete(port);
          // Nothing waits for it: the port is free when it is asked for again, or the error says so.
          void shut(server);
        }
      for (const service of services) {
        const known = open.get(service.port);
        if (known) known.service = service;
        else listen(service);
      }
    },
    async close() {
      const servers = [...open.values()].map(({ server }) => server);
      open.clear();
      await Promise.all(servers.map(shut));
    },
  };
}

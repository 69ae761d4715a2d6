/** The proxy's own ports: `/healthz` and `/livez` for load balancers and probes, `/metrics`, `/proxyMode` and `/configz` for people. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';

export interface ProxyHealth {
  /** A change is waiting since then (monotonic milliseconds); undefined: all is loaded. */
  pendingSinceMs: number | undefined;
  lastUpdatedMs: number;
  /** The node is being deleted or tainted by the autoscaler: load balancers should leave it. */
  nodeEligible: boolean;
}

/** Rules older than this while changes wait: not healthy. Source: healthTimeout, two sync periods. */
const healthTimeoutMs = 60_000;

export const isHealthy = ({ pendingSinceMs }: ProxyHealth, clock: Clock): boolean =>
  pendingSinceMs === undefined || clock.monotonic() - pendingSinceMs < healthTimeoutMs;

export interface StatusServersOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly health: ProxyHealth;
  /** `host:port`; empty: not served. */
  readonly healthzAddress: string;
  readonly metricsAddress: string;
  /** For /configz. */
  readonly config: unknown;
}

/** A port that is taken is logged, not fatal: another proxy may run on this machine. @returns closes both. */
export function startStatusServers(options: StatusServersOptions): () => Promise<void> {
  const { clock, log, metrics, health } = options;
  const servers: Server[] = [];
  const serve = (
    what: string,
    address: string,
    handle: (request: IncomingMessage, response: ServerResponse) => void,
  ) => {
    if (address === '') return;
    const colon = address.lastIndexOf(':');
    const server = createServer(handle);
    server.on('error', (error) => log.warn(`Cannot serve the proxy's ${what}`, { address, error }));
    server.listen(Number(address.slice(colon + 1)), address.slice(0, colon).replace(/^\[|\]$/g, ''));
    server.unref();
    servers.push(server);
  };
  const text = (response: ServerResponse, code: number, body: string, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(code, { 'content-type': type, 'x-content-type-options': 'nosniff' });
    response.end(body);
  };
  serve('health', options.healthzAddress, (request, response) => {
    const path = pathOf(request);
    if (path !== '/healthz' && path !== '/livez') return text(response, 404, '404 page not found\n');
    const healthy = isHealthy(health, clock);
    const ok = healthy && (path === '/livez' || health.nodeEligible);
    const times = {
      lastUpdated: new Date(health.lastUpdatedMs).toISOString(),
      currentTime: new Date(clock.now()).toISOString(),
      ...(path === '/healthz' ? { nodeEligible: health.nodeEligible } : {}),
    };
    text(response, ok ? 200 : 503, JSON.stringify(times), 'application/json');
  });
  serve('metrics', options.metricsAddress, (request, response) => {
    switch (pathOf(request)) {
      case '/metrics':
        void metrics.text().then(
          (body) => text(response, 200, body, 'text/plain; version=0.0.4; charset=utf-8'),
          (error: unknown) => text(response, 500, `${String(error)}\n`),
        );
        return;
      case '/proxyMode':
        return text(response, 200, 'nftables');
      case '/configz':
        return text(response, 200, JSON.stringify({ kubeproxyconfig: options.config }), 'application/json');
      case '/healthz':
        return text(response, 200, 'ok');
      default:
        return text(response, 404, '404 page not found\n');
    }
  });
  return async () => {
    await Promise.all(
      servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.closeAllConnections();
            server.close(() => resolve());
          }),
      ),
    );
  };
}

const pathOf = ({ url = '/' }: IncomingMessage): string => url.split('?')[0]!;

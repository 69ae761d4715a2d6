/** `/healthz` without TLS and without asking who asks: for whoever watches over the process (systemd, kubeadm). Source: cmd/kubelet/app/server.go. */
import { createServer } from 'node:http';
import type { Logger } from '../../base/log.ts';

const paths: ReadonlySet<string> = new Set(['/healthz', '/healthz/log', '/healthz/ping', '/healthz/syncloop']);

/** A port that cannot be had is told in the log: the kubelet runs without it. */
export function startHealthzServer(
  { host, port }: { readonly host: string; readonly port: number },
  log: Logger,
): { stop(): Promise<void> } {
  const server = createServer((request, response) => {
    const found = paths.has((request.url ?? '').split('?')[0]!);
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
    response.writeHead(found ? 200 : 404, headers).end(found ? 'ok' : '404 page not found\n');
  });
  server.on('error', (error) => log.warn('Failed to start healthz server', { host, port, error }));
  server.listen(port, host);
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Whether a port can be had, asked before anything is started that would need it. */
import { createServer } from 'node:net';
import { listenError } from './listen-error.ts';

/** @throws ListenError when another program holds the port or we may not have it. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(cause, host, port)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** Serving an ApiHandler over HTTPS. */
export {
  type HttpsServer,
  type HttpsServerOptions,
  type ServerCertificates,
  startHttpsServer,
} from './https-server.ts';
export { defaultServeLimits, type ServeLimits } from './limits.ts';
export { ListenError } from './listen-error.ts';
export { assertPortFree } from './port.ts';

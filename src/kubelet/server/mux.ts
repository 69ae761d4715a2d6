/**
 * Which page of the kubelet's server a path names. Upstream joins two routers, and their answers to what is not there differ: Go's ServeMux (exact
 * paths, all methods, `404 page not found`) and go-restful's services (by method and number of segments, `404: Page Not Found`).
 * Source: pkg/kubelet/server/server.go (InstallAuthNotRequiredHandlers ... InstallDebuggingHandlers), observed on v1.36.3.
 */
import { Refused } from './refused.ts';

export interface Page {
  /** The first segment. */
  readonly name: string;
  /** Decoded segments behind it; an empty last one, of a trailing slash, is left out. */
  readonly rest: readonly string[];
}

/** Go's http.Error ends its texts so. */
export const notFound = (): Refused => new Refused(404, '404 page not found\n');

/** Pages of the ServeMux: any method, exactly this path. */
const exact: ReadonlySet<string> = new Set([
  '/configz',
  '/healthz',
  '/healthz/log',
  '/healthz/ping',
  '/healthz/syncloop',
  '/metrics',
  '/metrics/cadvisor',
  '/metrics/probes',
  '/metrics/resource',
  '/metrics/slis',
]);

interface Service {
  readonly methods: readonly string[];
  /** How many segments follow. */
  readonly segments: readonly number[];
  /** Only these, when they have names. */
  readonly names?: readonly string[];
  /** Without its slash the path is sent to the one with it. */
  readonly folder?: boolean;
  /** Not there when `enableDebuggingHandlers` is false. */
  readonly debugging?: boolean;
}

const anyNumber: readonly number[] = [];
const streamed: Service = { methods: ['GET', 'POST'], segments: [3, 4], debugging: true };
const services: Readonly<Record<string, Service>> = {
  attach: streamed,
  checkpoint: { methods: ['POST'], segments: [3], folder: true },
  containerLogs: { methods: ['GET'], segments: [3], debugging: true },
  exec: streamed,
  logs: { methods: ['GET'], segments: anyNumber, folder: true, debugging: true },
  pods: { methods: ['GET'], segments: [0] },
  portForward: { methods: ['GET', 'POST'], segments: [2, 3], debugging: true },
  run: { methods: ['POST'], segments: [3, 4], debugging: true },
  runningpods: { methods: ['GET'], segments: [0], folder: true, debugging: true },
  stats: { methods: ['GET', 'POST'], segments: [1], names: ['summary'], folder: true },
};

/** The path to ask for instead; both routers are behind it. */
export function movedTo(path: string): string | undefined {
  if (/\/(\/|\.\.?(\/|$))/.test(path)) {
    const kept: string[] = [];
    for (const segment of path.split('/'))
      if (segment === '..') kept.pop();
      else if (segment !== '' && segment !== '.') kept.push(segment);
    return `/${kept.join('/')}${path.endsWith('/') && kept.length > 0 ? '/' : ''}`;
  }
  const name = path.slice(1);
  return Object.hasOwn(services, name) && services[name]!.folder ? `${path}/` : undefined;
}

/** @throws Refused 404, 405, and 400 for a path that cannot be decoded. */
export function pageOf(method: string, path: string, { debugging }: { readonly debugging: boolean }): Page {
  const [name = '', ...rest] = segmentsOf(path);
  if (exact.has(path)) return { name, rest };
  const service = Object.hasOwn(services, name) ? services[name]! : undefined;
  if (!service) throw notFound();
  if (service.debugging && !debugging) throw new Refused(405, 'Debug endpoints are disabled.\n');
  if (rest.at(-1) === '') rest.pop();
  const known =
    service.segments === anyNumber ||
    (service.segments.includes(rest.length) && (!service.names || service.names.includes(rest[0]!)));
  if (!known || (rest.includes('') && service.segments !== anyNumber)) throw new Refused(404, '404: Page Not Found');
  if (!service.methods.includes(method)) throw new Refused(405, '405: Method Not Allowed');
  return { name, rest };
}

function segmentsOf(path: string): string[] {
  try {
    return path.split('/').slice(1).map(decodeURIComponent);
  } catch {
    throw new Refused(400, 'the path is not valid percent-encoding');
  }
}

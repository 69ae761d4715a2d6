/**
 * `/statusz` and `/flagz`: what the server is and how it was started, as text for people or as an object of `config.k8s.io` for who asks for one.
 * Source: k8s.io/apiserver/pkg/server/statusz and flagz, v1.36.
 */
import { encodePretty } from '../api/codec/index.ts';
import { ApiError } from '../api/errors.ts';
import type { ApiRequest, ApiResponse } from '../api/exchange.ts';
import type { JsonObject } from '../api/json.ts';
import { formatTime } from '../api/time.ts';
import type { Info } from '../api/types/apimachinery.ts';
import type { Clock } from '../base/clock.ts';
import { type AcceptClause, parseAccept } from './negotiation/accept-header.ts';
import { textResponse, warningHeader } from './registry/respond.ts';

export interface ZPagesOptions {
  readonly clock: Clock;
  readonly version: Info;
  /** By name, as they took effect. Absent: the server was not started from a command line. */
  readonly flags?: Readonly<Record<string, string>> | undefined;
}

export const zPaths = ['/flagz', '/statusz'] as const;
/** What the page itself names: those without a name of something in them. */
const statusPaths = ['/flagz', '/healthz', '/livez', '/metrics', '/readyz', '/statusz', '/version'];

interface Page {
  readonly kind: 'Flagz' | 'Statusz';
  readonly text: () => string;
  readonly fields: () => JsonObject;
}

/** @returns undefined for other paths. The function throws ApiError 406. */
export function createZPages({
  clock,
  version,
  flags = {},
}: ZPagesOptions): (request: ApiRequest) => Promise<ApiResponse | undefined> {
  const started = clock.now();
  const names = Object.keys(flags).sort();
  const numbers = {
    goVersion: version.goVersion,
    binaryVersion: version.gitVersion.replace(/^v/, ''),
    emulationVersion: `${version.emulationMajor}.${version.emulationMinor}`,
  };
  const upSeconds = (): number => Math.floor((clock.now() - started) / 1000);
  const pages: Readonly<Record<string, Page>> = {
    '/flagz': {
      kind: 'Flagz',
      text: () => names.map((name) => `${name}=${flags[name]}\n`).join(''),
      fields: () => ({ flags: Object.fromEntries(names.map((name) => [name, flags[name]!])) }),
    },
    '/statusz': {
      kind: 'Statusz',
      text: () =>
        `\n${[
          ['Started', unixDate(started)],
          ['Up', upTime(upSeconds())],
          ['Go version', numbers.goVersion],
          ['Binary version', numbers.binaryVersion],
          ['Emulation version', numbers.emulationVersion],
          ['Paths', statusPaths.join(' ')],
        ]
          .map(([name, value]) => `${name}: ${value}`)
          .join('\n')}\n`,
      fields: () => ({
        startTime: formatTime(started),
        uptimeSeconds: upSeconds(),
        ...numbers,
        paths: statusPaths,
      }),
    },
  };
  return async (request) => {
    const page = pages[request.path];
    return page && answer(page, request);
  };
}

async function answer({ kind, text, fields }: Page, { headers }: ApiRequest): Promise<ApiResponse> {
  const accept = headers.accept ?? '';
  for (const clause of accept === '' ? [anything] : parseAccept(accept)) {
    if (isText(clause)) return textResponse(200, `\napiserver ${kind.toLowerCase()}\n${disclaimer}\n${text()}`);
    const form = objectForm(clause, kind);
    if (form === undefined) continue;
    const object: JsonObject = {
      kind,
      apiVersion: `config.k8s.io/${form.version}`,
      metadata: { name: 'apiserver' },
      ...fields(),
    };
    return {
      status: 200,
      headers: {
        'content-type': `application/${clause.subtype};g=config.k8s.io;v=${form.version};as=${kind}`,
        ...(form.version === 'v1beta1' ? {} : deprecated(kind)),
      },
      body: {
        kind: 'bytes',
        bytes:
          clause.subtype === 'yaml'
            ? (await import('../api/codec/yaml.ts')).encodeYaml(object)
            : Buffer.concat([encodePretty(object), lineFeed]),
      },
    };
  }
  throw new ApiError({
    code: 406,
    reason: 'NotAcceptable',
    message: 'only the following media types are accepted: application/json, application/yaml, text/plain',
  });
}

const lineFeed = Uint8Array.of(0x0a);
const anything: AcceptClause = { type: '*', subtype: '*', quality: 1, parameters: [] };
const disclaimer =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';

const isText = ({ type, subtype, parameters }: AcceptClause): boolean =>
  parameters.length === 0 &&
  ((type === 'text' && (subtype === 'plain' || subtype === '*')) || (type === '*' && subtype === '*'));

/** An object is only had by its group, version and kind. */
function objectForm(
  { type, subtype, parameters }: AcceptClause,
  kind: string,
): { readonly version: string } | undefined {
  if (type !== 'application' || (subtype !== 'json' && subtype !== 'yaml')) return undefined;
  const { as, g, v } = Object.fromEntries(parameters) as { readonly as?: string; readonly g?: string; v?: string };
  return as === kind && g === 'config.k8s.io' && (v === 'v1alpha1' || v === 'v1beta1') ? { version: v } : undefined;
}

const deprecated = (kind: string): Readonly<Record<string, string>> =>
  warningHeader([
    `This version of the ${kind.toLowerCase()} endpoint is deprecated. Please use a newer version.`,
  ]) as Readonly<Record<string, string>>;

/** Go's time.UnixDate: `Mon Jan _2 15:04:05 MST 2006`. */
function unixDate(ms: number): string {
  const [weekday = '', day = '', month = '', year = '', time = ''] = new Date(ms)
    .toUTCString()
    .replace(',', '')
    .split(' ');
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} UTC ${year}`;
}

function upTime(seconds: number): string {
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  return `${Math.floor(seconds / 3600)} hr ${two((seconds / 60) % 60)} min ${two(seconds % 60)} sec`;
}

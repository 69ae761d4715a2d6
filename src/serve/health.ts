/** `/healthz`, `/livez`, `/readyz`: named checks, `?verbose`, `?exclude=`, one path for each check. Source: apiserver/pkg/server/healthz. */
import type { ApiResponse } from '../api/exchange.ts';

export interface HealthCheck {
  readonly name: string;
  /** Which of the three endpoints run it; absent: all. */
  readonly on?: readonly HealthEndpoint[];
  /** @returns undefined when well, else why not (for the log; callers without rights only see that it failed). */
  check(): string | undefined | Promise<string | undefined>;
}

/** Told of every check that ran with all the others; one that is asked for alone does not count, as upstream's. */
export type HealthResult = (endpoint: HealthEndpoint, name: string, well: boolean) => void;

export type HealthEndpoint = 'healthz' | 'livez' | 'readyz';
const endpoints: readonly HealthEndpoint[] = ['healthz', 'livez', 'readyz'];

/** @returns undefined when the path is no health check. */
export async function health(
  path: string,
  query: URLSearchParams,
  checks: readonly HealthCheck[],
  onFailure: (name: string, reason: string) => void,
  onResult: HealthResult = () => undefined,
): Promise<ApiResponse | undefined> {
  const [, endpoint, name, ...rest] = path.split('/') as [string, HealthEndpoint, string | undefined, ...string[]];
  if (!endpoints.includes(endpoint)) return undefined;
  const mine = checks.filter(({ on }) => on === undefined || on.includes(endpoint));
  if (mine.length === 0) return notFoundPage();
  const rule = [name, ...rest].filter((part) => part !== undefined).join('/');
  if (name !== undefined) {
    const one = mine.find((check) => check.name === rule);
    if (!one) return notFoundPage();
    const reason = await one.check();
    if (reason === undefined) return textResponse(200, 'ok');
    onFailure(one.name, reason);
    return textResponse(500, `internal server error: ${reason}\n`, noSniff);
  }
  return all(endpoint, mine, query, onFailure, onResult);
}

const noSniff = { 'x-content-type-options': 'nosniff' };

async function all(
  endpoint: HealthEndpoint,
  checks: readonly HealthCheck[],
  query: URLSearchParams,
  onFailure: (name: string, reason: string) => void,
  onResult: HealthResult,
): Promise<ApiResponse> {
  const excluded = new Set(query.getAll('exclude').flatMap((value) => value.split(',')));
  const lines: string[] = [];
  const failed: string[] = [];
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    const reason = await check.check();
    onResult(endpoint, check.name, reason === undefined);
    if (reason === undefined) lines.push(`[+]${check.name} ok`);
    else {
      onFailure(check.name, reason);
      failed.push(check.name);
      lines.push(`[-]${check.name} failed: reason withheld`);
    }
  }
  if (excluded.size > 0 && !(excluded.size === 1 && excluded.has('')))
    lines.push(
      `warn: some health checks cannot be excluded: no matches for ${[...excluded].map((name) => JSON.stringify(name)).join(',')}`,
    );
  const text = `${lines.join('\n')}\n`;
  if (failed.length > 0) return textResponse(500, `${text}${endpoint} check failed\n`, noSniff);
  if (!query.has('verbose')) return textResponse(200, 'ok', noSniff);
  return textResponse(200, `${text}${endpoint} check passed\n`, noSniff);
}

const textResponse = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): ApiResponse => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
  body: { kind: 'bytes', bytes: Buffer.from(text) },
});
const notFoundPage = (): ApiResponse => textResponse(404, '404 page not found\n', noSniff);

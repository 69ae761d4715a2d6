/**
 * Flows without connections (UDP) go on to where their first packet went, for as long as somebody sends. What has to be forgotten when the
 * endpoints of a port change: flows to endpoints that are gone, and flows that went nowhere while there was no endpoint. Pure.
 * Source: pkg/proxy/conntrack.
 */
import type { FlowFilter } from '../host/conntrack.ts';
import type { EndpointAddress, ServicePortRules } from './service-map.ts';

/** @param before undefined for what was not there. */
export function staleFlows(
  before: readonly ServicePortRules[] | undefined,
  after: readonly ServicePortRules[],
  family: FlowFilter['family'],
): FlowFilter[] {
  const found: FlowFilter[] = [];
  const now = new Map(after.map((rule) => [idOf(rule), rule]));
  for (const old of before ?? []) {
    if (old.protocol !== 'udp') continue;
    const next = now.get(idOf(old));
    const left = next ? endpointsOf(next) : new Map<string, EndpointAddress>();
    const gone = [...endpointsOf(old)].filter(([key]) => !left.has(key));
    for (const way of waysTo(old))
      if (gone.length > manyGone) found.push({ protocol: 'udp', family, ...way });
      else for (const [, replySource] of gone) found.push({ protocol: 'udp', family, ...way, replySource });
  }
  const had = new Map((before ?? []).map((rule) => [idOf(rule), rule]));
  for (const rule of after) {
    if (rule.protocol !== 'udp' || endpointsOf(rule).size === 0) continue;
    const old = had.get(idOf(rule));
    // The addresses may have been sent to before there was anybody: such flows lead to the address itself, or out of the cluster.
    if (old && endpointsOf(old).size > 0 && sameWays(old, rule)) continue;
    for (const { originalDestination } of waysTo(rule)) {
      const { ip } = originalDestination;
      found.push({
        protocol: 'udp',
        family,
        originalDestination,
        ...(ip === undefined ? {} : { replySource: { ip } }),
      });
    }
  }
  return found;
}

/** From here on all flows to the port are forgotten: one look at the table instead of one for each endpoint. */
const manyGone = 8;

const idOf = ({ name, protocol }: ServicePortRules): string => `${name}/${protocol}`;
/** By address and port: a Service's target port may change while its pods stay. */
const endpointsOf = (rule: ServicePortRules): Map<string, EndpointAddress> =>
  new Map(
    [...rule.endpoints, ...rule.clusterEndpoints, ...rule.externalEndpoints].map((endpoint) => [
      `${endpoint.ip} ${endpoint.port}`,
      endpoint,
    ]),
  );

function waysTo(rule: ServicePortRules): { originalDestination: { ip?: string; port: number } }[] {
  const ways: { originalDestination: { ip?: string; port: number } }[] = [...rule.clusterIps, ...rule.externalIps].map(
    (ip) => ({ originalDestination: { ip, port: rule.port } }),
  );
  if (rule.nodePort > 0) ways.push({ originalDestination: { port: rule.nodePort } });
  return ways;
}

const sameWays = (a: ServicePortRules, b: ServicePortRules): boolean =>
  JSON.stringify(waysTo(a)) === JSON.stringify(waysTo(b));

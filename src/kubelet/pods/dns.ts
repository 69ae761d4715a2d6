/** A pod's resolv.conf, hostname and /etc/hosts. Pure. Source: pkg/kubelet/network/dns, kubelet_pods.go. */
import type { Pod } from '../../api/types/core-v1.ts';
import type { DNSConfig } from '../../runtime/cri-types.ts';
import { isHostNetwork } from './pod-info.ts';

export interface DnsContext {
  readonly clusterDNS: readonly string[];
  readonly clusterDomain: string;
  /** Text of the node's resolv.conf. */
  readonly hostResolvConf: string;
}

export function podDns(pod: Pod, { clusterDNS, clusterDomain, hostResolvConf }: DnsContext): DNSConfig {
  const host = parseResolvConf(hostResolvConf);
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst';
  const cluster =
    (policy === 'ClusterFirst' && !isHostNetwork(pod)) || policy === 'ClusterFirstWithHostNet'
      ? clusterDNS.length > 0
      : false;
  let servers: readonly string[];
  let searches: readonly string[];
  let options: readonly string[];
  if (policy === 'None') {
    servers = [];
    searches = [];
    options = [];
  } else if (cluster) {
    servers = clusterDNS;
    const namespace = pod.metadata.namespace ?? '';
    searches = unique([
      ...(clusterDomain === '' ? [] : [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain]),
      ...host.searches,
    ]);
    options = ['ndots:5'];
  } else {
    servers = host.servers;
    searches = host.searches;
    options = host.options;
  }
  const own = pod.spec?.dnsConfig;
  if (own) {
    servers = unique([...servers, ...(own.nameservers ?? [])]);
    searches = unique([...searches, ...(own.searches ?? [])]);
    const byName = new Map(options.map((option) => [option.split(':')[0]!, option]));
    for (const { name = '', value } of own.options ?? []) byName.set(name, value ? `${name}:${value}` : name);
    options = [...byName.values()];
  }
  // What resolvers read: three servers, 32 search domains of 2048 characters in all.
  return { servers: servers.slice(0, 3), searches: fitSearches(searches), options };
}

const unique = (list: readonly string[]): string[] => [...new Set(list)];

function fitSearches(searches: readonly string[]): string[] {
  const out: string[] = [];
  let length = 0;
  for (const search of searches.slice(0, 32)) {
    if (length + search.length + 1 > 2048) break;
    length += search.length + 1;
    out.push(search);
  }
  return out;
}

export function parseResolvConf(text: string): { servers: string[]; searches: string[]; options: string[] } {
  const result = { servers: [] as string[], searches: [] as string[], options: [] as string[] };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0]) result.servers.push(words[0]);
    // The last one wins, as in resolv.conf(5).
    else if (keyword === 'search')
      result.searches = words.map((word) => (word === '.' ? word : word.replace(/\.$/, '')));
    else if (keyword === 'options') result.options.push(...words);
  }
  return result;
}

/** The pod's hostname (at most 63 characters, without a trailing dash or dot) and its domain, empty without a subdomain. */
export function podHostname(pod: Pod, clusterDomain: string): { readonly hostname: string; readonly domain: string } {
  if (pod.spec?.hostnameOverride) return { hostname: pod.spec.hostnameOverride, domain: '' };
  let hostname = pod.spec?.hostname || (pod.metadata.name ?? '');
  if (hostname.length > 63) hostname = hostname.slice(0, 63).replace(/[-.]+$/, '');
  const subdomain = pod.spec?.subdomain;
  const domain = subdomain ? `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : '';
  if (pod.spec?.setHostnameAsFQDN && domain !== '') return { hostname: `${hostname}.${domain}`, domain };
  return { hostname, domain };
}

/** What the kubelet writes as /etc/hosts; pods on the host's network get the host's with their aliases added. */
export function hostsFile(
  pod: Pod,
  {
    podIPs,
    clusterDomain,
    hostFile,
  }: { readonly podIPs: readonly string[]; readonly clusterDomain: string; readonly hostFile: string },
): string {
  const aliases = (pod.spec?.hostAliases ?? []).map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}\n`);
  const added = aliases.length === 0 ? '' : `\n# Entries added by HostAliases.\n${aliases.join('')}`;
  if (isHostNetwork(pod)) return `# Kubernetes-managed hosts file (host network).\n${hostFile}${added}`;
  const { hostname, domain } = podHostname(pod, clusterDomain);
  const lines = [
    '# Kubernetes-managed hosts file.\n',
    '127.0.0.1\tlocalhost\n',
    '::1\tlocalhost ip6-localhost ip6-loopback\n',
    'fe00::0\tip6-localnet\n',
    'fe00::0\tip6-mcastprefix\n',
    'fe00::1\tip6-allnodes\n',
    'fe00::2\tip6-allrouters\n',
    ...podIPs.map((ip) => (domain === '' ? `${ip}\t${hostname}\n` : `${ip}\t${hostname}.${domain}\t${hostname}\n`)),
  ];
  return lines.join('') + added;
}

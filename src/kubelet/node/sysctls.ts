/** Kernel parameters that a pod may set: those that its own namespaces keep apart. Source: pkg/kubelet/sysctl/{safe_sysctls,allowlist}.go. */
import type { Pod } from '../../api/types/core-v1.ts';

/** On by default: changing them in one pod disturbs no other. */
const safe: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

/** @param allowedUnsafe of the kubelet's configuration. @returns why the pod's sysctls are refused, in upstream's words; undefined when they are fine. */
export function refusedSysctl(pod: Pod, allowedUnsafe: readonly string[] = []): string | undefined {
  for (const { name } of pod.spec?.securityContext?.sysctls ?? []) {
    const dotted = name.replaceAll('/', '.');
    if (!safe.has(dotted) && !allowedUnsafe.some((pattern) => matches(pattern, dotted)))
      return `forbidden sysctl: ${JSON.stringify(name)} not allowlisted`;
    if (dotted.startsWith('net.') && pod.spec?.hostNetwork)
      return `forbidden sysctl: ${JSON.stringify(name)} not allowed with host net enabled`;
    if (dotted.startsWith('kernel.shm') && pod.spec?.hostIPC)
      return `forbidden sysctl: ${JSON.stringify(name)} not allowed with host ipc enabled`;
  }
  return undefined;
}

/** A name, or a prefix that ends in `*`. */
function matches(pattern: string, name: string): boolean {
  const dotted = pattern.replaceAll('/', '.');
  return dotted.endsWith('*') ? name.startsWith(dotted.slice(0, -1)) : name === dotted;
}

/** `bireme proxy`: kube-proxy on nftables alone, for any v1.36 API server. Upstream: cmd/kube-proxy. */
import type { FlagSpecs } from '../../base/flags.ts';
import { type DefaultTrafficDistribution, removeProxyRules, runProxy } from '../../proxy/index.ts';
import { ClusterError } from '../cluster-error.ts';
import { createComponent } from '../component.ts';
import { type ComponentFlagTable, helpText, readComponentFlags } from './component-flags.ts';
import {
  type ComponentIo,
  logLevelOf,
  machineName,
  transportFromKubeconfig,
  userAgentOf,
  versionText,
} from './run-component.ts';

const name = 'kube-proxy';
const distributions: readonly string[] = ['PreferSameNode', 'PreferSameZone', 'Spread'];
const own: FlagSpecs = {
  // Alone it is upstream's stand-in, so it spreads as upstream does unless told otherwise.
  'default-traffic-distribution': { type: 'string', default: 'Spread' },
};
const table: ComponentFlagTable = {
  component: name,
  own,
  effective: ['cleanup', 'cluster-cidr', 'hostname-override', 'kubeconfig', 'master', 'proxy-mode'],
  accepted: [
    'bind-address',
    'bind-address-hard-fail',
    'boot-id-file',
    'config-sync-period',
    'conntrack-max-per-core',
    'conntrack-min',
    'conntrack-tcp-be-liberal',
    'conntrack-tcp-timeout-close-wait',
    'conntrack-tcp-timeout-established',
    'conntrack-udp-timeout',
    'conntrack-udp-timeout-stream',
    'detect-local-mode',
    'iptables-min-sync-period',
    'iptables-sync-period',
    'machine-id-file',
    'oom-score-adj',
  ],
};

/** Runs until `signal` aborts; the rules stay, as upstream's. @throws ClusterError for what a person must mend. */
export async function runProxyCommand(args: readonly string[], io: ComponentIo, signal: AbortSignal): Promise<void> {
  const flags = readComponentFlags(table, args);
  if (flags.bool('help')) return io.print(helpText(table));
  if (flags.isGiven('version')) return io.print(versionText);
  const mode = flags.optional('proxy-mode') ?? 'nftables';
  if (mode !== 'nftables')
    throw new ClusterError(
      `--proxy-mode=${mode} is not there: Bireme's proxy works with nftables`,
      'use --proxy-mode=nftables',
    );
  const distribution = flags.text('default-traffic-distribution');
  if (!distributions.includes(distribution))
    throw new ClusterError(
      `--default-traffic-distribution=${distribution} is unknown`,
      `use one of ${distributions.join(', ')}`,
    );
  const spawner = await io.spawner();
  try {
    const log = io.logger(logLevelOf(flags)).with({ component: name });
    if (flags.bool('cleanup')) {
      await removeProxyRules(spawner);
      return;
    }
    const kubeconfig = flags.optional('kubeconfig');
    if (kubeconfig === undefined)
      throw new ClusterError('The proxy does not know the API server', 'name a kubeconfig with --kubeconfig');
    const transport = transportFromKubeconfig(
      'kubeconfig',
      kubeconfig,
      io,
      userAgentOf(name),
      flags.optional('master'),
    );
    const nodeName = machineName(flags);
    const component = createComponent(transport, name, { ...io, log }, { host: nodeName });
    try {
      await runProxy(
        {
          ...component,
          spawner,
          nodeName,
          clusterCidr: flags.text('cluster-cidr'),
          defaultTrafficDistribution: distribution as DefaultTrafficDistribution,
        },
        signal,
      );
    } finally {
      await component.stop();
      await transport.close();
    }
  } finally {
    await spawner.close();
  }
}

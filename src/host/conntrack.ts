/** The kernel's connection tracking, by the `conntrack` program: flows that must not go on as they are. */
import { HostError } from './host-error.ts';
import type { Spawner } from './spawner.ts';

export interface FlowFilter {
  readonly protocol: 'udp' | 'sctp' | 'tcp';
  readonly family: 'ipv4' | 'ipv6';
  /** Where the client sends to. */
  readonly originalDestination?: { readonly ip?: string; readonly port: number };
  /** Where answers come from: the endpoint that the flow was given. */
  readonly replySource?: { readonly ip: string; readonly port?: number };
}

export interface Conntrack {
  /** Forgets matching flows: their next packet is looked at afresh. None is success. @throws HostError when there is no such program. */
  forget(filter: FlowFilter): Promise<void>;
}

const timeoutMs = 30_000;

export function createConntrack(spawner: Spawner): Conntrack {
  return {
    async forget({ protocol, family, originalDestination, replySource }) {
      const args = ['-D', '-f', family, '-p', protocol];
      if (originalDestination?.ip !== undefined) args.push('--orig-dst', originalDestination.ip);
      if (originalDestination) args.push('--orig-port-dst', String(originalDestination.port));
      if (replySource) args.push('--reply-src', replySource.ip);
      if (replySource?.port !== undefined) args.push('--reply-port-src', String(replySource.port));
      const { code, stderr } = await spawner.run('conntrack', args, { timeoutMs });
      const text = stderr.toString();
      if (code === 0 || /0 flow entries have been deleted/.test(text)) return;
      throw new HostError(`Cannot forget flows: conntrack ${args.join(' ')}: ${text.trim()}`, {
        remedy: 'Run as root, with nf_conntrack in the kernel',
      });
    },
  };
}

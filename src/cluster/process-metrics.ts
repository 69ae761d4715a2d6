/** The process in Prometheus' usual names. For the programs of `cli/`: in a test several clusters share a process. */
import { readdirSync, readFileSync } from 'node:fs';
import { followedVersion } from '../api/followed-version.ts';
import { registerComponentMetrics } from '../base/component-metrics.ts';
import { createMetricsRegistry, type MetricsRegistry } from '../base/metrics.ts';

type None = Record<never, string>;
const none: None = {};

/** A registry that tells of the process, too. */
export function createProcessRegistry(): MetricsRegistry {
  const metrics = createMetricsRegistry();
  registerProcessMetrics(metrics);
  registerComponentMetrics(metrics, followedVersion);
  return metrics;
}

function registerProcessMetrics(metrics: MetricsRegistry): void {
  const counter = (name: string, help: string): ((total: number) => void) => {
    const series = metrics.tallies<never>({ name, help, labels: [] }).child(none);
    let counted = 0;
    return (total) => {
      if (total > counted) series.add(total - counted);
      counted = Math.max(counted, total);
    };
  };
  const gauge = (name: string, help: string): ((value: number) => void) => {
    const series = metrics.gauge<never>({ name, help });
    return (value) => series.set(none, value);
  };
  const cpu = counter('process_cpu_seconds_total', 'Processor time of this process, in seconds.');
  const resident = gauge('process_resident_memory_bytes', 'Resident memory, in bytes.');
  gauge(
    'process_start_time_seconds',
    'When this process started, in seconds since the epoch.',
  )(performance.timeOrigin / 1000);
  const linux = process.platform === 'linux' ? linuxSeries(counter, gauge) : undefined;
  metrics.onScrape(() => {
    const { user, system } = process.cpuUsage();
    cpu((user + system) / 1e6);
    resident(process.memoryUsage.rss());
    linux?.();
  });
}

type Series = (name: string, help: string) => (value: number) => void;

/** What /proc says of this process. */
function linuxSeries(counter: Series, gauge: Series): () => void {
  const openFiles = gauge('process_open_fds', 'Open file descriptors.');
  const filesMax = gauge('process_max_fds', 'File descriptors this process may have open.');
  const virtual = gauge('process_virtual_memory_bytes', 'Virtual memory, in bytes.');
  const virtualMax = gauge('process_virtual_memory_max_bytes', 'Virtual memory this process may have, -1 when all.');
  const received = counter('process_network_receive_bytes_total', "Bytes that came into this process's network.");
  const sent = counter('process_network_transmit_bytes_total', "Bytes that left this process's network.");
  return () => {
    try {
      const limits = readFileSync('/proc/self/limits', 'utf8');
      const limit = (name: string): number => {
        const soft = new RegExp(`^${name} +(\\S+)`, 'm').exec(limits)?.[1];
        return soft === undefined || soft === 'unlimited' ? -1 : Number(soft);
      };
      openFiles(readdirSync('/proc/self/fd').length);
      filesMax(limit('Max open files'));
      virtualMax(limit('Max address space'));
      virtual(Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) * 1024);
      const traffic = octetsOf(readFileSync('/proc/self/net/netstat', 'utf8'));
      received(traffic.in);
      sent(traffic.out);
    } catch (error) {
      // Where /proc is hidden, what it would say stays as it was.
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  };
}

/** `IpExt` of /proc/net/netstat: a line of names, a line of values. */
function octetsOf(text: string): { in: number; out: number } {
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('IpExt:'));
  const at = names.split(' ');
  const of = values.split(' ');
  const value = (name: string): number => Number(of[at.indexOf(name)] ?? 0);
  return { in: value('InOctets'), out: value('OutOctets') };
}

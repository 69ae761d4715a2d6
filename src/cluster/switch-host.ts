/** Switching a simulated host off and on, as somebody would a server: off is at once, with everything in it. */
import type { Clock } from '../base/clock.ts';
import { isAlive, signalProcess } from '../host/process-table.ts';
import { ClusterError } from './cluster-error.ts';
import { dataDirAt } from './data-dir.ts';
import { type HostRecord, isSwitchedOff, readHostsRecord, setSwitch } from './hosts-record.ts';
import { isRunning, readRunRecord } from './run-record.ts';

export interface HostState extends Pick<HostRecord, 'name' | 'address'> {
  readonly state: 'on' | 'off' | 'down';
}

/** @throws ClusterError when the cluster has no hosts of its own. */
export function listHosts(dataDir: string): readonly HostState[] {
  const dir = dataDirAt(dataDir);
  return hostsOf(dataDir).map(({ name, address, init }) => ({
    name,
    address,
    state: init !== undefined && isAlive(init) ? 'on' : isSwitchedOff(dir, name) ? 'off' : 'down',
  }));
}

/** Resolves when it is off, or when its first process runs. @throws ClusterError for a host that is not there. */
export async function switchHost(
  { dataDir, name, to }: { readonly dataDir: string; readonly name: string; readonly to: 'on' | 'off' },
  clock: Clock,
): Promise<void> {
  const dir = dataDirAt(dataDir);
  const find = (): HostRecord => {
    const hosts = hostsOf(dataDir);
    const host = hosts.find((one) => one.name === name);
    if (!host)
      throw new ClusterError(
        `There is no host "${name}" in this cluster`,
        `choose one of ${hosts.map((one) => one.name).join(', ')}`,
      );
    return host;
  };
  const { init } = find();
  setSwitch(dir, name, to);
  if (to === 'off') {
    if (init) signalProcess(init, 'SIGKILL');
    while (init && isAlive(init)) await clock.sleep(10);
    return;
  }
  if (!isRunning(readRunRecord(dir))) return;
  const deadline = clock.monotonic() + startTimeoutMs;
  for (let now = find(); !now.init || !isAlive(now.init); now = find()) {
    if (clock.monotonic() > deadline)
      throw new ClusterError(
        `Host "${name}" has not started within ${startTimeoutMs / 1000} seconds`,
        'look into logs/control-plane.log in the data directory',
      );
    await clock.sleep(20);
  }
}

const startTimeoutMs = 30_000;

function hostsOf(dataDir: string): readonly HostRecord[] {
  const record = readHostsRecord(dataDirAt(dataDir));
  if (!record)
    throw new ClusterError(
      `The cluster in "${dataDirAt(dataDir).path}" has no hosts of its own`,
      'start it with "bireme up --workers 3"',
    );
  return record.hosts;
}

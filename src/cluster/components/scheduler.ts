/** `bireme scheduler`: the scheduler alone, for any v1.36 API server. Upstream: cmd/kube-scheduler. */
import { LeaderHealth, runLeaderElection } from '../../client/leader-election.ts';
import { createScheduler, type SchedulerConfig } from '../../scheduler/index.ts';
import { ClusterError } from '../cluster-error.ts';
import { createComponent } from '../component.ts';
import { type ComponentFlagTable, helpText, readComponentFlags } from './component-flags.ts';
import {
  type ComponentIo,
  electionOf,
  leaderElectionFlags,
  logLevelOf,
  readFlagFile,
  servingFlags,
  startComponentPort,
  transportFromKubeconfig,
  userAgentOf,
  versionText,
} from './run-component.ts';
import { parseSchedulerConfiguration, type SchedulerConfiguration } from './scheduler-configuration.ts';

const name = 'kube-scheduler';
const table: ComponentFlagTable = {
  component: name,
  effective: [...servingFlags.effective, ...leaderElectionFlags, 'config', 'kubeconfig', 'master'],
  accepted: [...servingFlags.accepted, 'pod-max-in-unschedulable-pods-duration'],
};
const scoring = [
  'TaintToleration',
  'NodeAffinity',
  'NodeResourcesFit',
  'PodTopologySpread',
  'InterPodAffinity',
  'NodeResourcesBalancedAllocation',
  'ImageLocality',
];

/** Runs until `signal` aborts. @throws ClusterError for what a person must mend; LeadershipLost. */
export async function runSchedulerCommand(
  args: readonly string[],
  io: ComponentIo,
  signal: AbortSignal,
): Promise<void> {
  const flags = readComponentFlags(table, args);
  if (flags.bool('help')) return io.print(helpText(table));
  if (flags.isGiven('version')) return io.print(versionText);
  const file = flags.optional('config');
  const configuration: SchedulerConfiguration =
    file === undefined
      ? { scheduler: {}, leaderElection: {} }
      : parseSchedulerConfiguration(readFlagFile('config', file), file, scoring);
  // As upstream: with a file, the flags for what the file says too do not count.
  const kubeconfig =
    file === undefined ? flags.optional('kubeconfig') : (configuration.kubeconfig ?? flags.optional('kubeconfig'));
  if (kubeconfig === undefined)
    throw new ClusterError('The scheduler does not know the API server', 'name a kubeconfig with --kubeconfig');
  const surroundings = { ...io, log: io.logger(logLevelOf(flags)).with({ component: name }) };
  const transport = transportFromKubeconfig('kubeconfig', kubeconfig, io, userAgentOf(name), flags.optional('master'));
  const component = createComponent(transport, name, surroundings, { eventSource: 'default-scheduler' });
  const config: SchedulerConfig = configuration.scheduler;
  const leader = new LeaderHealth(io.clock);
  let scheduling = false;
  const port = await startComponentPort(
    flags,
    {
      component: name,
      checks: [
        { name: 'ping', on: ['livez'], check: () => undefined },
        { name: 'leaderElection', on: ['healthz', 'readyz'], check: () => leader.check() },
        { name: 'shutdown', on: ['readyz'], check: () => (signal.aborted ? 'process is shutting down' : undefined) },
        {
          name: 'sched-handler-sync',
          on: ['readyz'],
          // Who does not lead has nothing to sync.
          check: () => (scheduling && !component.informers.synced ? 'handlers are not fully synchronized' : undefined),
        },
      ],
      configz: () => ({ componentconfig: { ...config } as never }),
    },
    surroundings,
  );
  const lead = async (leading: AbortSignal): Promise<void> => {
    scheduling = true;
    try {
      await createScheduler({ ...component, config }).run(leading);
    } finally {
      scheduling = false;
    }
  };
  const { leaderElect, resourceName, resourceNamespace, ...durations } = configuration.leaderElection;
  const election = leaderElect === false ? undefined : electionOf(flags, io);
  try {
    if (!election) await lead(signal);
    else
      await runLeaderElection(
        {
          ...component,
          ...election,
          health: leader,
          ...durations,
          ...(resourceName === undefined ? {} : { name: resourceName }),
          ...(resourceNamespace === undefined ? {} : { namespace: resourceNamespace }),
        },
        lead,
        signal,
      );
  } finally {
    await port?.stop({ graceMs: 1000 });
    await component.stop();
    await transport.close();
  }
}

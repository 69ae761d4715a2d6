/** `bireme apiserver | controller-manager | scheduler | kubelet | proxy`: one component in this process, with upstream's flags. */
import { createLineWriter, createLogger } from '../base/console-log.ts';
import type { LogLevel } from '../base/log.ts';
import { createRealRandom } from '../base/real-random.ts';
import type { ComponentIo } from '../cluster/components/run-component.ts';
import { createForkedSpawner } from '../cluster/host-spawner.ts';
import { createProcessRegistry } from '../cluster/process-metrics.ts';
import { clock, selfCommand } from './defaults.ts';

export type ComponentCommand = 'apiserver' | 'controller-manager' | 'scheduler' | 'kubelet' | 'proxy';

export async function component(command: ComponentCommand, args: readonly string[]): Promise<void> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const io: ComponentIo = {
    clock,
    random: createRealRandom(),
    metrics: createProcessRegistry(),
    logger: (level: LogLevel) => createLogger({ clock, level, ...createLineWriter(process.stderr, clock) }),
    print: (text) => void process.stdout.write(text),
    spawner: () => createForkedSpawner({ command: selfCommand('spawner') }),
  };
  const run = await load(command);
  try {
    await run(args, io, stopping.signal);
  } catch (error) {
    // What fails because it is told to stop has stopped.
    if (!stopping.signal.aborted) throw error;
  }
}

async function load(command: ComponentCommand) {
  switch (command) {
    case 'apiserver':
      return (await import('../cluster/components/api-server.ts')).runApiServerCommand;
    case 'controller-manager':
      return (await import('../cluster/components/controller-manager.ts')).runControllerManagerCommand;
    case 'scheduler':
      return (await import('../cluster/components/scheduler.ts')).runSchedulerCommand;
    case 'kubelet':
      return (await import('../cluster/components/kubelet.ts')).runKubeletCommand;
    case 'proxy':
      return (await import('../cluster/components/proxy.ts')).runProxyCommand;
  }
}

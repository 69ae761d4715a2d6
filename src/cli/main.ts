/**
 * The `bireme` command: parses, composes, prints. The only room that touches process-wide things. Each subcommand's code is loaded when it
 * is called, so that `bireme --version` does not pay for a cluster.
 * Exit codes: 0, 1 failure, 2 usage.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { ClusterError } from '../cluster/cluster-error.ts';
import { version } from '../cluster/version.ts';
import { nodeFlags } from './node-flags.ts';
import { addServerCommands } from './server-commands.ts';

const outputFormats = ['text', 'json', 'yaml', 'name'] as const;

/** Parses `process.argv` and runs the command; sets the exit code. */
export async function main(): Promise<void> {
  const program = new Command('bireme')
    .description('Kubernetes, whole, in TypeScript')
    .version(`bireme ${version.bireme} (Kubernetes ${version.kubernetes})`, '--version')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text) })
    .enablePositionalOptions();

  nodeFlags(program.command('up').description('start a cluster on this machine: a control plane and a node'))
    .option('--detach', 'return when the cluster is ready; it goes on in the background', false)
    .option('--data-dir <path>', 'where all state lives (default: /var/lib/bireme as root, else the XDG data folder)')
    .option('--port <number>', 'port of the API server', port, 6443)
    .option('--listen-address <address>', 'address the API server listens on', '0.0.0.0')
    .option('--hollow-nodes <count>', 'nodes that run pods in memory only', count)
    .option(
      '--control-planes <count>',
      'control-plane hosts of their own with etcd, made by "init" and "join", instead of one in this process',
      count,
    )
    .option('--etcd-witness', 'with --control-planes: a host that only votes in etcd', false)
    .option(
      '--workers <count>',
      'hosts of their own for pods, each with its own network, containerd and kubelet',
      count,
    )
    .addOption(
      new Option('--runtime <name>', 'where containers run').choices(['auto', 'containerd', 'hollow']).default('auto'),
    )
    .option(
      '--snapshot-every <duration>',
      'save snapshots of what the cluster stores (default: none; with --control-planes as "init": 12h)',
    )
    .option('--snapshot-keep <count>', 'how many of them stay', count, 5)
    .option('--node-name <name>', 'name of the real node (default: the host name)')
    .option('--kubeconfig <path>', 'kubeconfig that gets the context "bireme" (default: $KUBECONFIG or ~/.kube/config)')
    .addOption(
      new Option('--log-level <level>', 'lowest level that is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .action(async (options) => (await import('./up.ts')).up(options));
  program
    .command('down')
    .description('stop the cluster on this machine and remove all that it made')
    .option('--data-dir <path>', 'where all state lives')
    .action(async (options) => (await import('./down.ts')).down(options));
  program
    .command('status')
    .description('say what runs and how it is')
    .option('--data-dir <path>', 'where all state lives')
    .addOption(new Option('-o, --output <format>', 'output format').choices(outputFormats).default('text'))
    .action(async (options) => (await import('./status.ts')).status(options));
  const host = program.command('host').description('the hosts of "up --workers": list them, switch one off and on');
  host
    .command('list')
    .description('name, address and state of each')
    .option('--data-dir <path>', 'where all state lives')
    .addOption(new Option('-o, --output <format>', 'output format').choices(outputFormats).default('text'))
    .action(async (options) => (await import('./host.ts')).hostList(options));
  for (const [command, to, what] of [
    ['stop', 'off', 'switch it off at once, with everything in it, as if its power failed'],
    ['start', 'on', 'switch it on again'],
  ] as const)
    host
      .command(command)
      .description(what)
      .argument('<name>', 'name of the host')
      .option('--data-dir <path>', 'where all state lives')
      .action(async (name, options) => (await import('./host.ts')).hostSwitch(name, to, options));
  addServerCommands(program);
  const image = program.command('image').description("container images on this machine's node");
  image
    .command('import')
    .description("put the images of an archive (docker save or OCI layout, plain or gzip) into the node's runtime")
    .argument('<archive>', 'path of the archive')
    .option('--data-dir <path>', 'where all state lives')
    .addOption(new Option('-o, --output <format>', 'output format').choices(outputFormats).default('text'))
    .action(async (archive, options) => (await import('./image.ts')).imageImport(archive, options));
  program
    .command('node', { hidden: true })
    .description('the node process: kubelet and proxy of one host (started by "up")')
    .requiredOption('--data-dir <path>', 'where all state lives')
    .action(async (options) => (await import('./node.ts')).node(options));

  for (const [name, what] of [
    ['apiserver', 'the API server'],
    ['controller-manager', 'the controllers'],
    ['scheduler', 'the scheduler'],
    ['kubelet', "a node's agent"],
    ['proxy', "a node's proxy"],
  ] as const)
    program
      .command(name)
      .description(`${what} alone, with the flags of ${name === 'kubelet' ? '' : 'kube-'}${name}`)
      .helpOption(false)
      .allowUnknownOption()
      .argument('[flags...]')
      .passThroughOptions()
      .action(async (flags) => (await import('./component.ts')).component(name, flags));

  program
    .command('spawner', { hidden: true })
    .description('starts programs for the node process')
    .action(async () => (await import('./spawner.ts')).spawner());

  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ClusterError) {
    console.error(`Error: ${error.message}.\n${error.remedy.charAt(0).toUpperCase()}${error.remedy.slice(1)}.`);
    if (process.env.BIREME_DEBUG && error.cause) console.error(error.cause);
    return 1;
  }
  // A programming error: the stack is what helps.
  console.error(error);
  return 1;
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65535)
    throw new InvalidArgumentError('a port is a number from 1 to 65535');
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 10_000) throw new InvalidArgumentError('a number of nodes from 0 to 10000');
  return value;
}

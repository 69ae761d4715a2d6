/** The commands of servers, as kubeadm names them and their flags where it has them. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { NodeTaint } from '../cluster/node-config.ts';

import { nodeFlags } from './node-flags.ts';

const dataDir = ['--data-dir <path>', 'where all state lives (default: /var/lib/bireme)'] as const;

export function addServerCommands(program: Command): void {
  const init = serverFlags(
    program.command('init').description('make this host the first control-plane host of a cluster'),
  )
    .option('--apiserver-bind-port <number>', 'port of the API server', port, 6443)
    .option('--pod-network-cidr <range>', 'addresses of pods (default: 10.244.0.0/16)')
    .option('--service-cidr <range>', 'addresses of Services (default: 10.96.0.0/12)')
    .option('--service-dns-domain <name>', 'domain of Services (default: cluster.local)')
    .option('--control-plane-endpoint <host>', 'a name or address that stands for all control-plane hosts')
    .option('--upload-certs', 'upload the certificates that further control-plane hosts need', false)
    .option('--certificate-key <hex>', 'key to encrypt them with (default: a new one)')
    .option('--token <token>', 'first bootstrap token (default: a new one)')
    .option('--token-ttl <duration>', 'how long it is good for; 0: for ever', '24h0m0s')
    .option('--migrate-to-etcd', 'take over the stopped cluster that "bireme up" made in this data directory', false)
    .option('--from-snapshot <path>', 'begin with what a snapshot holds')
    .option('--snapshot-every <duration>', 'save snapshots of etcd; 0: none', '12h')
    .option('--snapshot-keep <count>', 'how many of them stay', Number, 5)
    .option('--config <file>', "kubeadm's configuration file (kubeadm.k8s.io/v1beta4)")
    .action(async (options, command) => {
      const { init, withConfig } = await import('./servers.ts');
      await init(withConfig(options, 'init', givenOptions(command)));
    });
  init
    .command('phase')
    .description('one step of init alone')
    .command('upload-certs')
    .description('upload the certificates that further control-plane hosts need, and print their key')
    .option(...dataDir)
    .option('--certificate-key <hex>', 'key to encrypt them with (default: a new one)')
    .option('--upload-certs', 'accepted and needless: that is what this does', false)
    .action(async (options) => (await import('./tokens.ts')).uploadCerts(options));
  serverFlags(program.command('join').description('make this host a server of a cluster'))
    .argument('[server]', 'address of an API server, for example 10.0.0.1:6443')
    .option('--token <token>', 'bootstrap token')
    .option('--config <file>', "kubeadm's configuration file (kubeadm.k8s.io/v1beta4)")
    .option('--discovery-token-ca-cert-hash <hash>', "hash of the cluster's authority; may be repeated", collect, [])
    .option('--discovery-token-unsafe-skip-ca-verification', 'believe whoever knows the token', false)
    .option('--control-plane', 'as a further control-plane host', false)
    .option('--etcd-witness', 'only for a vote in etcd: a third for two control-plane hosts', false)
    .option('--certificate-key <hex>', 'key of the uploaded certificates, for --control-plane and --etcd-witness')
    .action(async (server, options, command) => {
      const { join, withConfig } = await import('./servers.ts');
      const given = [...(server === undefined ? [] : ['server']), ...givenOptions(command)];
      await join(withConfig({ ...options, ...(server === undefined ? {} : { server }) }, 'join', given));
    });
  program
    .command('reset')
    .description('take this server out of its cluster and remove all that made it one')
    .option(...dataDir)
    .option('--force', 'also when the others then have no majority', false)
    .action(async (options) => (await import('./server.ts')).reset(options));
  const snapshot = program.command('snapshot').description('backups of what the cluster stores');
  snapshot
    .command('save')
    .argument('[path]', 'file (default: a name of its time under snapshots/ in the data directory)')
    .description('save what etcd or the embedded store holds, and the authorities beside it')
    .option(...dataDir)
    .option(
      '--keep <count>',
      'of the cluster of "bireme up": of the snapshots with a name of their time so many stay',
      Number,
    )
    .action(async (path, options) => (await import('./snapshots.ts')).snapshotSave(path, options));
  snapshot
    .command('list')
    .description('show those of this host')
    .option(...dataDir)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json', 'name']).default('text'))
    .action(async (options) => (await import('./snapshots.ts')).snapshotList(options));
  snapshot
    .command('restore')
    .argument('<snapshot>', 'a name from the list, or a path')
    .description('begin anew on this control-plane host with what a snapshot holds')
    .option(...dataDir)
    .action(async (name, options) => (await import('./snapshots.ts')).snapshotRestore(name, options));
  const certs = program.command('certs').description("this server's certificates");
  certs
    .command('check')
    .description('say when each ends')
    .option(...dataDir)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .action(async (options) => (await import('./certificates.ts')).certsCheck(options));
  certs
    .command('renew')
    .description('make new ones for all that the authorities on this host sign')
    .option(...dataDir)
    .action(async (options) => (await import('./certificates.ts')).certsRenew(options));
  program
    .command('start')
    .description('start this server of a cluster again')
    .option(...dataDir)
    .action(async (options) => (await import('./server.ts')).start(options));
  program
    .command('server', { hidden: true })
    .description('the process of a server (started by "init", "join" and "start", or by systemd)')
    .requiredOption('--data-dir <path>', 'where all state lives')
    .action(async (options) => (await import('./server.ts')).server(options));

  const token = program.command('token').description('bootstrap tokens, with which hosts join');
  token
    .command('create')
    .argument('[token]', 'the token (default: a new one)')
    .description('make a token')
    .option(...dataDir)
    .option('--ttl <duration>', 'how long it is good for; 0: for ever', '24h0m0s')
    .option('--description <text>', 'what it is for')
    .option('--usages <list>', 'signing, authentication', list, ['signing', 'authentication'])
    .option('--groups <list>', 'further groups of its bearer', list, [
      'system:bootstrappers:kubeadm:default-node-token',
    ])
    .option('--print-join-command', 'print the whole command to join with', false)
    .option('--certificate-key <hex>', 'with --print-join-command: for a control-plane host')
    .action(async (given, options) => (await import('./tokens.ts')).tokenCreate(given, options));
  token
    .command('list')
    .description('show all tokens')
    .option(...dataDir)
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json', 'name']).default('text'))
    .action(async (options) => (await import('./tokens.ts')).tokenList(options));
  token
    .command('delete')
    .argument('<tokens...>', 'tokens or their ids')
    .description('delete tokens')
    .option(...dataDir)
    .action(async (given, options) => (await import('./tokens.ts')).tokenDelete(given, options));
  token
    .command('generate')
    .description('make up a token without a cluster')
    .action(async () => (await import('./tokens.ts')).tokenGenerate());
}

function serverFlags(command: Command): Command {
  return nodeFlags(command)
    .option(...dataDir)
    .option('--node-name <name>', 'name of this host in the cluster (default: the host name)')
    .option('--apiserver-advertise-address <ip>', 'address under which other hosts reach this one')
    .addOption(
      new Option('--runtime <name>', 'where containers run')
        .choices(['auto', 'containerd', 'hollow', 'none'])
        .default('auto'),
    )
    .option('--labels <list>', 'labels of the node: key=value,...', labels, {})
    .option('--taints <list>', 'taints of the node: key=value:Effect,...', taints, [])
    .option('--schedulable', 'let pods run on this control-plane host', false)
    .option('--etcd-binary <path>', 'the etcd program', 'etcd')
    .option(
      '--apiserver-cert-extra-sans <list>',
      "further names and addresses of the API server's certificate",
      list,
      [],
    )
    .option('--systemd', 'run as a systemd service, now and at every boot', false);
}

/** Those that somebody wrote on the command line. */
const givenOptions = (command: Command): readonly string[] =>
  Object.keys(command.opts()).filter((name) => command.getOptionValueSource(name) === 'cli');

const list = (text: string): string[] => text.split(',').filter(Boolean);
const collect = (text: string, before: readonly string[]): string[] => [...before, ...list(text)];

function labels(text: string): Record<string, string> {
  return Object.fromEntries(
    list(text).map((entry) => {
      const [key = '', value = ''] = entry.split('=', 2);
      if (key === '') throw new InvalidArgumentError('labels look like key=value,key=value');
      return [key, value];
    }),
  );
}

function taints(text: string): NodeTaint[] {
  return list(text).map((entry) => {
    const [, key, value, effect] = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(entry) ?? [];
    if (key === undefined) throw new InvalidArgumentError('taints look like key=value:NoSchedule');
    return { key, ...(value ? { value } : {}), effect: effect as NodeTaint['effect'] };
  });
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65535)
    throw new InvalidArgumentError('a port is a number from 1 to 65535');
  return value;
}

/** The systemd unit of a server: started at boot, started again when it ends. */
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { ClusterError } from '../cluster-error.ts';
import { writeFileAtomically } from '../data-dir.ts';

const unitName = 'bireme.service';
const unitPath = `/etc/systemd/system/${unitName}`;

/** @param command program and arguments of the host process. */
export function renderUnit(command: readonly string[]): string {
  return `[Unit]
Description=Bireme: a server of a Kubernetes cluster
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=${command.map(quoted).join(' ')}
Restart=always
RestartSec=2
# The process ends its own children in order; containers outlive it, with what watches over them, and are adopted by the next start.
KillMode=process
TimeoutStopSec=60
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
`;
}

/** systemd's own quoting: percent signs are its specifiers, dollars its variables. */
const quoted = (word: string): string =>
  /^[\w@/.:=+-]+$/.test(word)
    ? word
    : `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;

/** Writes the unit, enables it and starts it. @throws ClusterError on a machine without systemd. */
export function installUnit(command: readonly string[]): void {
  if (!existsSync('/run/systemd/system'))
    throw new ClusterError('This machine was not booted with systemd', 'leave out --systemd');
  writeFileAtomically(unitPath, renderUnit(command), 0o644);
  systemctl('daemon-reload');
  systemctl('enable', '--now', unitName);
}

/** Stops and removes it; does nothing where there is none. */
export function removeUnit(): void {
  if (!existsSync(unitPath) || !existsSync('/run/systemd/system')) return;
  systemctl('disable', '--now', unitName);
  rmSync(unitPath, { force: true });
  systemctl('daemon-reload');
}

function systemctl(...args: readonly string[]): void {
  try {
    execFileSync('systemctl', [...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim() ?? '';
    throw new ClusterError(
      `systemctl ${args.join(' ')} failed${said ? `: ${said}` : ''}`,
      'see "systemctl status bireme"',
      {
        cause: error,
      },
    );
  }
}

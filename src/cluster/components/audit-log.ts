/** The audit flags of the API server: a policy and the file that events go to. */
import type { AuditOptions } from '../../apiserver/audit/index.ts';
import type { Flags } from '../../base/flags.ts';
import { openRotatingFile } from '../../host/rotating-file.ts';
import { ClusterError } from '../cluster-error.ts';
import type { Surroundings } from '../component.ts';
import { readConfigFile } from './config-file.ts';

export interface AuditLog {
  readonly options: AuditOptions;
  close(): Promise<void>;
}

const modes: ReadonlySet<string> = new Set<AuditOptions['mode']>(['blocking', 'blocking-strict', 'batch']);
const mebibyte = 1024 * 1024;

/** @param print for `--audit-log-path=-` @returns undefined when nothing is recorded @throws ClusterError */
export async function openAuditLog(
  flags: Flags,
  { clock, log }: Surroundings,
  print: (text: string) => void,
): Promise<AuditLog | undefined> {
  const [policyFile, path] = [flags.optional('audit-policy-file'), flags.optional('audit-log-path')];
  if (policyFile === undefined || path === undefined) {
    if (path !== undefined) log.info('No audit policy file provided, no events will be recorded for log backend');
    if (policyFile !== undefined) log.info('No audit backend is configured: the audit policy is not used');
    return undefined;
  }
  const mode = flags.text('audit-log-mode');
  if (!modes.has(mode))
    throw new ClusterError(
      `invalid audit log mode ${mode}, allowed modes are "batch,blocking,blocking-strict"`,
      'choose one of them with --audit-log-mode',
    );
  const { AuditPolicyError, readAuditPolicy } = await import('../../apiserver/audit/index.ts');
  const policy = await readConfigFile(flags, 'audit-policy-file', readAuditPolicy, AuditPolicyError);
  const file =
    path === '-'
      ? undefined
      : openRotatingFile({
          path,
          now: () => clock.now(),
          sizeMax: (flags.number('audit-log-maxsize') || 100) * mebibyte,
          backupsMax: flags.number('audit-log-maxbackup'),
          ageDaysMax: flags.number('audit-log-maxage'),
          compress: flags.bool('audit-log-compress'),
          onTidyError: (error) => log.warn('Cannot tidy up old audit logs', { error }),
        });
  try {
    // Told now, not with the first request.
    await file?.write('');
  } catch (error) {
    throw new ClusterError(
      `ensureLogFile: cannot write "${path}": ${error instanceof Error ? error.message : String(error)}`,
      'name a file that can be written with --audit-log-path',
      { cause: error },
    );
  }
  return {
    options: {
      policy,
      mode: mode as AuditOptions['mode'],
      sink: file ?? { write: async (lines) => print(lines.replace(/\n$/, '')) },
      batch: {
        bufferMax: flags.number('audit-log-batch-buffer-size'),
        sizeMax: flags.number('audit-log-batch-max-size'),
        maxWaitMs: flags.duration('audit-log-batch-max-wait'),
      },
    },
    close: async () => file?.close(),
  };
}

/** `bireme certs check | renew`. */
import { dataDirAt } from '../cluster/data-dir.ts';
import { defaultNodeSettings } from '../cluster/node-config.ts';
import { checkCertificates, renewCertificates } from '../cluster/servers/certificate-check.ts';
import { readHostConfig } from '../cluster/servers/host-config.ts';
import { clock, defaultDataDir } from './defaults.ts';
import { progressOf, serverOptions } from './servers.ts';
import { columns } from './tokens.ts';

const dayMs = 86_400_000;

/** Exit code 1 when one has ended. */
export function certsCheck(options: { readonly dataDir?: string; readonly output: string }): void {
  const found = checkCertificates(dataDirAt(options.dataDir ?? defaultDataDir()), clock.now());
  if (found.some(({ leftMs }) => leftMs <= 0)) process.exitCode = 1;
  if (options.output === 'json') {
    console.log(JSON.stringify(found, null, 2));
    return;
  }
  const rows = found.map(({ name, expires, leftMs, authority, subject }) => [
    name,
    expires,
    leftMs > 0 ? `${Math.floor(leftMs / dayMs)}d` : 'expired',
    authority ? 'yes' : 'no',
    subject,
  ]);
  console.log(columns([['CERTIFICATE', 'EXPIRES', 'RESIDUAL TIME', 'AUTHORITY', 'SUBJECT'], ...rows]));
}

export async function certsRenew(options: { readonly dataDir?: string }): Promise<void> {
  const dir = dataDirAt(options.dataDir ?? defaultDataDir());
  const config = readHostConfig(dir);
  const renewed = await renewCertificates(
    dir,
    serverOptions(
      {
        dataDir: dir.path,
        ...(config ? { nodeName: config.nodeName, apiserverAdvertiseAddress: config.address } : {}),
        runtime: config?.runtime ?? 'auto',
        systemd: false,
        labels: {},
        taints: [],
        etcdBinary: 'etcd',
        apiserverCertExtraSans: [],
        schedulable: false,
        defaultTrafficDistribution: defaultNodeSettings.trafficDistribution,
        podNetwork: defaultNodeSettings.podNetwork,
        podRouting: defaultNodeSettings.podRouting,
      },
      progressOf(),
    ),
  );
  for (const name of renewed) console.log(`certificate ${name} renewed`);
  console.log('They are used from the next start on: bireme start, or systemctl restart bireme.');
}

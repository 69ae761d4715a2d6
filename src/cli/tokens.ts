/** `bireme token create | list | delete` and `bireme init phase upload-certs`. On a control-plane host, with its administrator's kubeconfig. */
import { createRealRandom } from '../base/real-random.ts';
import type { Client } from '../client/client.ts';
import { caCertHash } from '../cluster/certificates.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import { type DataDir, dataDirAt, readFileIfPresent } from '../cluster/data-dir.ts';
import { generateCertificateKey, uploadCertificates } from '../cluster/servers/certificate-upload.ts';
import { bracketed, readHostConfig } from '../cluster/servers/host-config.ts';
import { adminClient } from '../cluster/servers/init.ts';
import { createToken, deleteToken, generateToken, listTokens } from '../cluster/servers/tokens.ts';
import { clock, defaultDataDir, durationMs } from './defaults.ts';
import { joinCommand } from './servers.ts';

interface Common {
  readonly dataDir?: string;
}

export async function tokenCreate(
  token: string | undefined,
  options: Common & {
    readonly ttl: string;
    readonly description?: string;
    readonly usages: readonly ('signing' | 'authentication')[];
    readonly groups: readonly string[];
    readonly printJoinCommand: boolean;
    readonly certificateKey?: string;
  },
): Promise<void> {
  await withAdmin(options, async (client, dir) => {
    const made = await createToken(
      client,
      {
        ttlMs: durationMs(options.ttl),
        usages: options.usages,
        groups: options.groups,
        ...(token === undefined ? {} : { token }),
        ...(options.description === undefined ? {} : { description: options.description }),
      },
      { clock, random: createRealRandom() },
    );
    if (!options.printJoinCommand) {
      console.log(made.token);
      return;
    }
    const command = joinCommand({ address: addressOf(dir), token: made.token, caCertHash: caCertHash(authority(dir)) });
    const more =
      options.certificateKey === undefined ? '' : ` --control-plane --certificate-key ${options.certificateKey}`;
    console.log(`${command.replace(/ \\\n\s*/g, ' ')}${more}`);
  });
}

export async function tokenList(options: Common & { readonly output: string }): Promise<void> {
  await withAdmin(options, async (client) => {
    const tokens = await listTokens(client, clock.now());
    if (options.output === 'json') {
      console.log(JSON.stringify(tokens, null, 2));
      return;
    }
    if (options.output === 'name') {
      for (const { token } of tokens) console.log(token.slice(0, 6));
      return;
    }
    const rows = tokens.map((t) => [
      t.token,
      t.ttl,
      t.expires,
      t.usages.join(','),
      t.description || '<none>',
      t.extraGroups.join(',') || '<none>',
    ]);
    console.log(columns([['TOKEN', 'TTL', 'EXPIRES', 'USAGES', 'DESCRIPTION', 'EXTRA GROUPS'], ...rows]));
  });
}

export async function tokenDelete(tokens: readonly string[], options: Common): Promise<void> {
  await withAdmin(options, async (client) => {
    for (const token of tokens) console.log(`bootstrap token "${await deleteToken(client, token)}" deleted`);
  });
}

export function tokenGenerate(): void {
  const { id, secret } = generateToken(createRealRandom());
  console.log(`${id}.${secret}`);
}

export async function uploadCerts(options: Common & { readonly certificateKey?: string }): Promise<void> {
  await withAdmin(options, async (client, dir) => {
    const random = createRealRandom();
    const certificateKey = options.certificateKey ?? generateCertificateKey(random);
    await uploadCertificates(client, { pkiDir: dir.pki, certificateKey, clock, random });
    console.log(`The certificates are in the Secret "kubeadm-certs" for two hours. Their key:\n${certificateKey}`);
  });
}

export const columns = (rows: readonly (readonly string[])[]): string => {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
};

async function withAdmin(options: Common, run: (client: Client, dir: DataDir) => Promise<unknown>): Promise<void> {
  const dir = dataDirAt(options.dataDir ?? defaultDataDir());
  if (readFileIfPresent(dir.adminKubeconfig) === undefined)
    throw new ClusterError(
      `The administrator's kubeconfig "${dir.adminKubeconfig}" is not on this host`,
      'run this on a control-plane host',
    );
  const { client, close } = adminClient(dir, { clock });
  try {
    await run(client, dir);
  } finally {
    await close();
  }
}

function authority(dir: DataDir): string {
  const text = readFileIfPresent(`${dir.pki}/ca.crt`);
  if (text === undefined)
    throw new ClusterError(`The file "${dir.pki}/ca.crt" is missing`, 'put it back from a backup');
  return text;
}

function addressOf(dir: DataDir): string {
  const config = readHostConfig(dir);
  if (!config)
    throw new ClusterError(
      'This cluster was made with "bireme up": other hosts cannot join it',
      'make one with "bireme init"',
    );
  return `${bracketed(config.address)}:${config.port}`;
}

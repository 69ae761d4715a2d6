/**
 * The user's kubeconfig: `bireme up` merges a context into it and `bireme down` takes it out again, under kubectl's own lock file, leaving
 * everything else in the file as it was.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { parse, parseDocument, stringify, YAMLMap, YAMLSeq } from 'yaml';
import type { Clock } from '../base/clock.ts';
import { ClusterError } from './cluster-error.ts';
import { readFileIfPresent, writeFileAtomically } from './data-dir.ts';

export interface KubeconfigEntry {
  /** Name of cluster, user and context alike. */
  readonly name: string;
  readonly server: string;
  /** PEM. */
  readonly certificateAuthority: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
}

/** Who owns a file that we create: the person behind sudo. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function parts(entry: KubeconfigEntry): { cluster: object; user: object; context: object } {
  return {
    cluster: {
      name: entry.name,
      cluster: { 'certificate-authority-data': base64(entry.certificateAuthority), server: entry.server },
    },
    user: {
      name: entry.name,
      user: { 'client-certificate-data': base64(entry.clientCertificate), 'client-key-data': base64(entry.clientKey) },
    },
    context: { name: entry.name, context: { cluster: entry.name, user: entry.name } },
  };
}

/** A kubeconfig of its own with this one entry. */
export function renderKubeconfig(entry: KubeconfigEntry): string {
  const { cluster, user, context } = parts(entry);
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [cluster],
    users: [user],
    contexts: [context],
    'current-context': entry.name,
    preferences: {},
  });
}

/**
 * Pure: the file's text with the entry put in and made current. Comments and unknown fields stay.
 * @returns the new text and the context that was current before, which `removeEntry` restores.
 */
export function addEntry(
  text: string,
  entry: KubeconfigEntry,
): { readonly text: string; readonly previousContext: string } {
  if (text.trim() === '') return { text: renderKubeconfig(entry), previousContext: '' };
  const document = parseDocument(text);
  if (document.errors.length > 0 || !(document.contents instanceof YAMLMap))
    throw new Error('it is not a YAML mapping');
  const { cluster, user, context } = parts(entry);
  for (const [section, value] of [
    ['clusters', cluster],
    ['users', user],
    ['contexts', context],
  ] as const) {
    const list = document.get(section);
    const node = document.createNode(value);
    if (!(list instanceof YAMLSeq)) document.set(section, document.createNode([value]));
    else {
      const index = indexOf(list, entry.name);
      if (index >= 0) list.set(index, node);
      else {
        list.flow = false;
        list.add(node);
      }
    }
  }
  const current = document.get('current-context');
  const previousContext = typeof current === 'string' && current !== entry.name ? current : '';
  document.set('current-context', entry.name);
  return { text: String(document), previousContext };
}

/** Pure: the file's text without the entry. @returns undefined when nothing is left that somebody else put there. */
export function removeEntry(text: string, name: string, previousContext: string): string | undefined {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !(document.contents instanceof YAMLMap)) return text;
  for (const section of ['clusters', 'users', 'contexts']) {
    const list = document.get(section);
    if (!(list instanceof YAMLSeq)) continue;
    const index = indexOf(list, name);
    if (index >= 0) list.delete(index);
  }
  if (document.get('current-context') === name)
    document.set('current-context', hasContext(document.toJS(), previousContext) ? previousContext : '');
  const rest = document.toJS() as { clusters?: unknown[]; users?: unknown[]; contexts?: unknown[] };
  const empty = [rest.clusters, rest.users, rest.contexts].every((list) => !list || list.length === 0);
  return empty ? undefined : String(document);
}

function indexOf(list: YAMLSeq, name: string): number {
  return list.items.findIndex((item) => item instanceof YAMLMap && item.get('name') === name);
}

function hasContext(config: { contexts?: { name?: string }[] | null }, name: string): boolean {
  return (config.contexts ?? []).some((context) => context.name === name);
}

/** What `down` needs to put the file back as it was. */
export interface KubeconfigChange {
  readonly path: string;
  readonly name: string;
  readonly previousContext: string;
  /** The file did not exist before. */
  readonly created: boolean;
  readonly createdFolder: boolean;
  /** The text before, to be put back letter by letter as long as nobody has changed what we wrote. */
  readonly before?: string;
  /** Digest of the text that we wrote. */
  readonly written: string;
}

/** After a second start: what the file was like before the first one still counts, if only we have written to it since. */
export function laterChange(first: KubeconfigChange, now: KubeconfigChange): KubeconfigChange {
  const { before, ...rest } = first;
  return now.before !== undefined && digest(now.before) === first.written
    ? { ...first, written: now.written }
    : { ...rest, written: now.written };
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** @throws ClusterError when the file cannot be read, parsed, locked or written. */
export async function mergeUserKubeconfig(
  path: string,
  entry: KubeconfigEntry,
  options: { readonly clock: Clock; readonly owner?: FileOwner },
): Promise<KubeconfigChange> {
  const createdFolder = !existsSync(dirname(path));
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    if (createdFolder && options.owner) chownSync(dirname(path), options.owner.uid, options.owner.gid);
    return await underLock(path, options.clock, () => {
      const before = readFileIfPresent(path);
      const { text, previousContext } = addEntry(before ?? '', entry);
      const owner = before === undefined ? options.owner : statSync(path);
      const target = followLink(path);
      writeFileAtomically(target, text, 0o600);
      chmodSync(target, 0o600);
      if (owner) chownSync(target, owner.uid, owner.gid);
      return {
        path,
        name: entry.name,
        previousContext,
        created: before === undefined,
        createdFolder,
        ...(before === undefined ? {} : { before }),
        written: digest(text),
      };
    });
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw new ClusterError(
      `Cannot write the kubeconfig "${path}": ${(error as Error).message}`,
      'mend or move that file, or set KUBECONFIG to another one',
      { cause: error },
    );
  }
}

/** Takes the entry out again; a file or folder that we made and that holds nothing else is removed. Idempotent. */
export async function cleanUserKubeconfig(change: KubeconfigChange, clock: Clock): Promise<void> {
  if (readFileIfPresent(change.path) === undefined) return;
  await underLock(change.path, clock, () => {
    const before = readFileIfPresent(change.path);
    if (before === undefined) return;
    const ours = digest(before) === change.written;
    const after =
      ours && change.before !== undefined ? change.before : removeEntry(before, change.name, change.previousContext);
    const target = followLink(change.path);
    if (after === undefined && change.created) unlinkSync(target);
    else {
      const owner = statSync(target);
      writeFileAtomically(
        target,
        after ??
          stringify({ ...(parse(before) as object), clusters: [], users: [], contexts: [], 'current-context': '' }),
        0o600,
      );
      chownSync(target, owner.uid, owner.gid);
    }
  });
  if (change.createdFolder && existsSync(dirname(change.path)) && readdirSync(dirname(change.path)).length === 0)
    rmdirSync(dirname(change.path));
}

const lockTries = 100;
const lockWaitMs = 50;

/** kubectl's own protocol: the file `PATH.lock`, created exclusively. Source: client-go tools/clientcmd. */
async function underLock<T>(path: string, clock: Clock, action: () => T): Promise<T> {
  const lock = `${path}.lock`;
  for (let i = 0; ; i++) {
    try {
      closeSync(openSync(lock, 'wx', 0o600));
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (i === lockTries)
        throw new ClusterError(
          `The kubeconfig "${path}" is locked by another program`,
          `if none is running, remove "${lock}"`,
        );
      await clock.sleep(lockWaitMs);
    }
  }
  try {
    return action();
  } finally {
    unlinkSync(lock);
  }
}

const followLink = (path: string): string =>
  existsSync(path) && lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;

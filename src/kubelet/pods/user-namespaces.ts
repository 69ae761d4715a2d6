/**
 * Which range of the machine's users a pod with its own user namespace (hostUsers: false) has. No two pods share a user, and none has one of
 * the first 65536. What a pod was given stands in its folder, so a restarted kubelet goes on with it. Source: pkg/kubelet/userns.
 */
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../host/host-error.ts';
import type { UserNamespace } from '../../runtime/cri-types.ts';

export interface UserNamespaces {
  /** The same range at every call for one pod. @throws Error: the runtime cannot, or all ranges are taken */
  of(uid: string, handler: string): Promise<UserNamespace>;
  /** The pod is gone, its folder too. */
  release(uid: string): void;
}

interface Options {
  readonly podsFolder: string;
  readonly maxPods: number;
  readonly idsPerPod: number;
  /** undefined: the runtime says nothing of that handler. */
  supported(handler: string): boolean | undefined;
}

/** The file's name and form are upstream's. */
const fileName = 'userns';
interface Mappings {
  readonly uidMappings: readonly { readonly hostId: number; readonly containerId: number; readonly length: number }[];
  readonly gidMappings: Mappings['uidMappings'];
}

export function createUserNamespaces({ podsFolder, maxPods, idsPerPod, supported }: Options): UserNamespaces {
  /** uid -> first user. */
  const taken = new Map<string, number>();
  let remembering: Promise<void> | undefined;

  const remember = async (): Promise<void> => {
    let uids: readonly string[] = [];
    try {
      uids = await readdir(podsFolder);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    for (const uid of uids) {
      const first = await readFirst(join(podsFolder, uid, fileName));
      if (first !== undefined) taken.set(uid, first);
    }
  };

  const allocate = (): number => {
    const used = new Set(taken.values());
    for (let slot = 1; slot <= maxPods; slot++) if (!used.has(slot * idsPerPod)) return slot * idsPerPod;
    throw refused('create user namespace: could not find an empty slot to allocate a user namespace');
  };

  return {
    async of(uid, handler) {
      const able = supported(handler);
      if (able !== true) {
        const who = handler === '' ? 'runtime' : `RuntimeClass handler ${JSON.stringify(handler)}`;
        const why = able === undefined ? `: the handler ${JSON.stringify(handler)} is not known` : '';
        throw refused(`can't set \`spec.hostUsers: false\`, ${who} does not support user namespaces${why}`);
      }
      remembering ??= remember();
      await remembering;
      let first = taken.get(uid);
      if (first === undefined) {
        first = allocate();
        // Taken before the file is written: another pod may ask meanwhile.
        taken.set(uid, first);
        const mapping = [{ hostId: first, containerId: 0, length: idsPerPod }];
        const text = JSON.stringify({ uidMappings: mapping, gidMappings: mapping } satisfies Mappings);
        const path = join(podsFolder, uid, fileName);
        await writeFile(`${path}.new`, text, { mode: 0o600 });
        await rename(`${path}.new`, path);
      }
      const ids = [{ hostId: first, containerId: 0, length: idsPerPod }];
      return { mode: 'POD', uids: ids, gids: ids };
    },
    release(uid) {
      taken.delete(uid);
    },
  };
}

const refused = (message: string): Error => new Error(message);

async function readFirst(path: string): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  const first = (JSON.parse(text) as Partial<Mappings>).uidMappings?.[0]?.hostId;
  if (first === undefined) throw new Error(`${path} names no users`);
  return first;
}

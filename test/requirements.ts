/**
 * The one way to skip a test: it names what is missing, and the list is printed at the end. On CI nothing that CI installs may be skipped:
 * there a missing requirement is a failure.
 */
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

export interface Requirements {
  /** The effective user must be root. */
  readonly root?: boolean;
  /** Programs on the PATH, or absolute paths. */
  readonly commands?: readonly string[];
  readonly linux?: boolean;
  /** Folders or files that must exist, e.g. `/usr/lib/cni/bridge`. */
  readonly files?: readonly string[];
  /** Programs as in `commands` that CI does not install: without them the test is skipped there too. */
  readonly optional?: readonly string[];
  /** What the caller itself found missing, in words; skipped on CI too. */
  readonly found?: readonly string[];
}

/**
 * Call first in a test: `if (!requires(t, { commands: ['etcd'] })) return;`.
 * @returns false when the test has been marked as skipped. @throws on CI, naming what CI should have installed.
 */
export function requires(t: TestContext, needs: Requirements): boolean {
  const missing: string[] = [];
  if (needs.linux && process.platform !== 'linux') missing.push('Linux');
  if (needs.root && process.getuid?.() !== 0) missing.push('root');
  for (const command of needs.commands ?? []) if (!findCommand(command)) missing.push(`command ${command}`);
  for (const file of needs.files ?? []) if (!readable(file)) missing.push(`file ${file}`);
  const absent = (needs.optional ?? []).filter((command) => !findCommand(command));
  const without = [...missing, ...absent.map((command) => `command ${command}`), ...(needs.found ?? [])];
  if (without.length === 0) return true;
  const text = `missing: ${without.join(', ')}`;
  if (process.env.CI && missing.length > 0)
    throw new Error(`${t.fullName}: ${text}; CI installs these, so this may not be skipped`);
  skipped.push(`${t.fullName}: ${text}`);
  t.skip(text);
  return false;
}

/** Full path of a program, or undefined. Searches the sbin folders too: they are often not on a user's PATH. */
export function findCommand(command: string): string | undefined {
  if (command.startsWith('/')) return readable(command) ? command : undefined;
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']) {
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
  return undefined;
}

/**
 * @returns the path of `kubectl` in that version, or `kubectl.1.33`, which is then missing. Looked for in the folder `KUBECTL_VERSIONS` and beside
 * what `kubectl` on the PATH links to.
 */
export function kubectlVersion(version: string): string {
  const name = `kubectl.${version}`;
  const { KUBECTL_VERSIONS: given } = process.env;
  const any = findCommand('kubectl');
  for (const folder of [given, any && dirname(realpathSync(any))]) {
    const path = folder && findCommand(join(folder, name));
    if (path) return path;
  }
  return name;
}

const skipped: string[] = [];
process.on('exit', () => {
  if (skipped.length > 0)
    console.log(`Skipped for want of something on this machine:\n${skipped.map((s) => `  ${s}`).join('\n')}`);
});

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return false;
  }
}

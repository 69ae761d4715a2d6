/** Kernel parameters by their dotted names. */
import { readFileSync, writeFileSync } from 'node:fs';
import { errorCode, HostError } from './host-error.ts';

const pathOf = (name: string): string => `/proc/sys/${name.replaceAll('.', '/')}`;

/** @returns undefined when the kernel has no such parameter. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(pathOf(name), 'utf8').trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Does nothing when the value is the same already. @throws HostError when it may not be set. */
export function writeSysctl(name: string, value: string): void {
  if (readSysctl(name) === value) return;
  try {
    writeFileSync(pathOf(name), value);
  } catch (cause) {
    throw new HostError(`Cannot set ${name} to ${value}`, {
      remedy:
        errorCode(cause) === 'ENOENT'
          ? 'Load the kernel module that has it'
          : 'Run as root, outside of containers that forbid it',
      cause,
    });
  }
}

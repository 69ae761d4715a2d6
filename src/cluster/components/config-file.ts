/** A configuration file that a flag names, JSON or YAML. */
import type { JsonValue } from '../../api/json.ts';
import type { Flags } from '../../base/flags.ts';
import { ClusterError } from '../cluster-error.ts';
import { readFlagFile } from './run-component.ts';

/**
 * @param read throws `Refusal` for what is wrong with the contents
 * @throws ClusterError that names the flag and the file
 */
export async function readConfigFile<T>(
  flags: Flags,
  flag: string,
  read: (root: JsonValue) => T,
  Refusal: new (message: string) => Error,
): Promise<T> {
  const path = flags.text(flag);
  const text = readFlagFile(flag, path);
  const { parseYaml, YamlError } = await import('../../api/codec/yaml.ts');
  try {
    return read(parseYaml(Buffer.from(text)).value);
  } catch (error) {
    if (!(error instanceof Refusal) && !(error instanceof YamlError)) throw error;
    throw new ClusterError(`--${flag}: "${path}": ${error.message}`, 'mend the file', { cause: error });
  }
}

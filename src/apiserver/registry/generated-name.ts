/** Names for `generateName`: the prefix and five characters of an alphabet without vowels. Source: apiserver storage/names, util/rand. */
import type { Random } from '../../base/random.ts';

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
const suffixLength = 5;
const nameMax = 63;

export function generatedName(prefix: string, random: Random): string {
  const base = prefix.length > nameMax - suffixLength ? prefix.slice(0, nameMax - suffixLength) : prefix;
  let suffix = '';
  for (let i = 0; i < suffixLength; i++) suffix += alphabet[random.below(alphabet.length)];
  return base + suffix;
}

/** The manager of a request that names none. Source: k8s.io/apiserver/pkg/endpoints/handlers.managerOrUserAgent. */

/** Bytes of a manager's name. */
const managerLengthMax = 128;

/** `fieldManager` if given, else what stands before the first `/` of the user agent, printable, within 128 bytes; possibly empty. */
export function managerName(fieldManager: string, userAgent: string): string {
  return fieldManager !== '' ? fieldManager : managerFromUserAgent(userAgent);
}

export function managerFromUserAgent(userAgent: string): string {
  const slash = userAgent.indexOf('/');
  const prefix = slash < 0 ? userAgent : userAgent.slice(0, slash);
  if (prefix.length <= managerLengthMax && /^[\x20-\x7e]*$/.test(prefix)) return prefix;
  let name = '';
  let bytes = 0;
  for (const character of prefix) {
    // Letters, marks, numbers, punctuation, symbols and the plain space are printable to Go.
    if (!/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character)) continue;
    const code = character.codePointAt(0)!;
    const width = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes + width > managerLengthMax) break;
    bytes += width;
    name += character;
  }
  return name;
}

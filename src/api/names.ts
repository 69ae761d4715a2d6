/**
 * Names and their rules. Each check returns upstream's messages, empty when the value is fine.
 * Source: k8s.io/apimachinery/pkg/api/validate/content and util/validation. Lengths are counted in UTF-8 bytes as Go does.
 */
import type { Random } from '../base/random.ts';

export type NameCheck = (value: string) => readonly string[];

const ok: readonly string[] = [];

const dns1123Label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const dns1123Subdomain = `${dns1123Label}(\\.${dns1123Label})*`;
const dns1035Label = '[a-z]([-a-z0-9]*[a-z0-9])?';
const labelName = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelValue = `(${labelName})?`;
const cIdentifier = '[A-Za-z_][A-Za-z0-9_]*';
const envVarName = '[-._a-zA-Z][-._a-zA-Z0-9]*';
const configMapKey = '[-._a-zA-Z0-9]+';
const percent = '[0-9]+%';
const httpHeaderName = '[-A-Za-z0-9]+';
const wildcardSubdomain = `\\*\\.${dns1123Subdomain}`;

const whole = (pattern: string): RegExp => new RegExp(`^${pattern}$`);
const patterns = {
  dns1123Label: whole(dns1123Label),
  dns1123Subdomain: whole(dns1123Subdomain),
  dns1035Label: whole(dns1035Label),
  labelName: whole(labelName),
  labelValue: whole(labelValue),
  cIdentifier: whole(cIdentifier),
  envVarName: whole(envVarName),
  configMapKey: whole(configMapKey),
  percent: whole(percent),
  httpHeaderName: whole(httpHeaderName),
  wildcardSubdomain: whole(wildcardSubdomain),
} as const;

const labelMessage =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const labelNameMessage = regexMessage(labelMessage, labelName, ['MyName', 'my.name', '123-abc']);

/** UTF-8 length; ASCII, the usual case, without encoding anything. */
function byteLength(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    bytes += code < 0x800 ? 1 : code >= 0xd800 && code < 0xe000 ? 1 : 2;
  }
  return bytes;
}

export const maxLengthMessage = (length: number): string => `must be no more than ${length} characters`;
/** The same in the newer checks' words. Source: api/validate/content. */
const maxBytesMessage = (length: number): string => `must be no more than ${length} bytes`;
export const rangeMessage = (min: number, max: number): string => `must be between ${min} and ${max}, inclusive`;
export function regexMessage(message: string, pattern: string, examples: readonly string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  const shown = examples.map((example) => `'${example}', `).join(' or ');
  return `${message} (e.g. ${shown}regex used for validation is '${pattern}')`;
}

/** Container names, namespaces: lower case letters, digits, `-`, up to 63. */
export function checkDns1123Label(value: string): readonly string[] {
  const tooLong = byteLength(value) > 63;
  if (patterns.dns1123Label.test(value)) return tooLong ? [maxLengthMessage(63)] : ok;
  const bad = patterns.dns1123Subdomain.test(value)
    ? 'must not contain dots'
    : regexMessage(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
        dns1123Label,
        ['my-name', '123-abc'],
      );
  return tooLong ? [maxLengthMessage(63), bad] : [bad];
}

/** Most object names: DNS labels joined by dots, up to 253. */
export function checkDns1123Subdomain(value: string): readonly string[] {
  return check(value, 253, patterns.dns1123Subdomain, () =>
    regexMessage(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
      dns1123Subdomain,
      ['example.com'],
    ),
  );
}

/** Like a label, but starting with a letter. */
export function checkDns1035Label(value: string): readonly string[] {
  return check(value, 63, patterns.dns1035Label, () =>
    regexMessage(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
      dns1035Label,
      ['my-name', 'abc-123'],
    ),
  );
}

/** `*.example.com` */
export function checkWildcardSubdomain(value: string): readonly string[] {
  return check(value, 253, patterns.wildcardSubdomain, () =>
    regexMessage(
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
      wildcardSubdomain,
      ['*.example.com'],
    ),
  );
}

/** Label and annotation keys, finalizers, condition types, extended resources: `name` or `example.com/name`. */
export function checkQualifiedName(value: string): readonly string[] {
  const slash = value.indexOf('/');
  if (slash >= 0 && value.indexOf('/', slash + 1) >= 0)
    return [
      `${`a valid label key ${labelNameMessage}`} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  const name = slash < 0 ? value : value.slice(slash + 1);
  if (slash < 0 && name.length <= 63 && patterns.labelName.test(name)) return ok;
  const messages: string[] = [];
  if (slash === 0) messages.push('prefix part must be non-empty');
  else if (slash > 0)
    for (const message of checkDns1123Subdomain(value.slice(0, slash)))
      messages.push(`prefix part ${message.replace(/ characters$/, ' bytes')}`);
  if (name === '') messages.push('name part must be non-empty');
  else if (byteLength(name) > 63) messages.push(`name part ${maxBytesMessage(63)}`);
  if (!patterns.labelName.test(name)) messages.push(`name part ${labelNameMessage}`);
  return messages;
}

export function checkLabelValue(value: string): readonly string[] {
  if (value.length <= 63 && patterns.labelValue.test(value)) return ok;
  const messages = byteLength(value) > 63 ? [maxBytesMessage(63)] : [];
  if (!patterns.labelValue.test(value))
    messages.push(
      regexMessage(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        labelValue,
        ['MyValue', 'my_value', '12345'],
      ),
    );
  return messages;
}

export function checkCIdentifier(value: string): readonly string[] {
  return patterns.cIdentifier.test(value)
    ? ok
    : [
        regexMessage(
          "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
          cIdentifier,
          ['my_name', 'MY_NAME', 'MyName'],
        ),
      ];
}

/** IANA service name: up to 15 of a-z, 0-9 and single hyphens, at least one letter. */
export function checkPortName(value: string): readonly string[] {
  const messages: string[] = [];
  if (byteLength(value) > 15) messages.push(maxLengthMessage(15));
  if (!/^[-a-z0-9]+$/.test(value))
    messages.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) messages.push('must contain at least one letter (a-z)');
  if (value.includes('--')) messages.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) messages.push('must not begin or end with a hyphen');
  return messages;
}

export function checkPortNumber(port: number): readonly string[] {
  return port >= 1 && port <= 65535 ? ok : [rangeMessage(1, 65535)];
}

/** Names that travel as a URL path segment and a store key: RBAC names and the like. Empty names and lengths are not its business. */
export function checkPathSegmentName(value: string, options: { readonly prefix?: boolean } = {}): readonly string[] {
  if (!options.prefix && (value === '.' || value === '..')) return [`may not be '${value}'`];
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
}

/** Environment variables of a container: any printable ASCII except `=` (upstream's relaxed rule, default since v1.34). */
export function checkEnvVarName(value: string): readonly string[] {
  if (value === '') return ['environment variable name must be non-empty'];
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(value)
    ? ok
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** The stricter rule for keys that become variables through `envFrom`. */
export function checkStrictEnvVarName(value: string): readonly string[] {
  const messages: string[] = [];
  if (!patterns.envVarName.test(value))
    messages.push(
      regexMessage(
        "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
        envVarName,
        ['my.env-name', 'MY_ENV.NAME', 'MyEnvName1'],
      ),
    );
  return [...messages, ...parentDirectoryMessages(value)];
}

export function checkConfigMapKey(value: string): readonly string[] {
  return [
    ...check(value, 253, patterns.configMapKey, () =>
      regexMessage("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", configMapKey, [
        'key.name',
        'KEY_NAME',
        'key-name',
      ]),
    ),
    ...parentDirectoryMessages(value),
  ];
}

function parentDirectoryMessages(value: string): readonly string[] {
  if (value === '.') return ["must not be '.'"];
  if (value === '..') return ["must not be '..'"];
  return value.startsWith('..') ? ["must not start with '..'"] : ok;
}

/** `25%` */
export function checkPercent(value: string): readonly string[] {
  return patterns.percent.test(value)
    ? ok
    : [
        regexMessage("a valid percent string must be a numeric string followed by an ending '%'", percent, [
          '1%',
          '93%',
        ]),
      ];
}

export function checkHttpHeaderName(value: string): readonly string[] {
  return patterns.httpHeaderName.test(value)
    ? ok
    : [
        regexMessage("a valid HTTP header must consist of alphanumeric characters or '-'", httpHeaderName, [
          'X-Header-Name',
        ]),
      ];
}

function check(value: string, lengthMax: number, pattern: RegExp, describe: () => string): readonly string[] {
  const tooLong = byteLength(value) > lengthMax;
  if (pattern.test(value)) return tooLong ? [maxLengthMessage(lengthMax)] : ok;
  return tooLong ? [maxLengthMessage(lengthMax), describe()] : [describe()];
}

/** What a name becomes before it is checked as a generateName: a trailing `-` is fine there. Source: names.maskTrailingDash. */
export function maskTrailingDash(prefix: string): string {
  return prefix.length > 1 && prefix.endsWith('-') ? `${prefix.slice(0, -2)}a` : prefix;
}

/** No vowels and nothing easily confused. Source: k8s.io/apimachinery/pkg/util/rand. */
export const safeAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** `length` random characters of upstream's alphabet. */
export function randomSuffix(random: Random, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += safeAlphabet[random.below(safeAlphabet.length)];
  return text;
}

/** A name from `metadata.generateName`: at most 58 characters of it and 5 random ones. Source: storage/names.SimpleNameGenerator. */
export function generateName(prefix: string, random: Random): string {
  return (prefix.length > 58 ? prefix.slice(0, 58) : prefix) + randomSuffix(random, 5);
}

/** Maps each character into the safe alphabet, so that a hash looks like a random suffix. Source: rand.SafeEncodeString. */
export function safeEncode(text: string): string {
  let encoded = '';
  for (let i = 0; i < text.length; i++) encoded += safeAlphabet[text.charCodeAt(i) % safeAlphabet.length];
  return encoded;
}

/** Random values, good and bad: what clients send, what nobody should. Everything comes from one Random, so a seed replays. */
import type { TypeRef } from '../../src/api/schema/model.ts';
import type { Random } from '../../src/base/random.ts';

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;
export const chance = (random: Random, probability: number): boolean => random.float() < probability;

const words = [
  'a',
  'app',
  'web',
  'default',
  'kube-system',
  'x',
  'example.com/y',
  'tcp',
  'TCP',
  'metadata.name',
  '10.0.0.1',
  '80',
  'http',
  'Always',
  'key=value',
] as const;
const nastyTexts = [
  '',
  ' ',
  '.',
  '..',
  '/',
  '%',
  '%2f',
  '%00',
  '\0',
  '\u202e',
  '\ud800',
  '\ufeff',
  'é'.repeat(10),
  '__proto__',
  'constructor',
  'toString',
  '-1',
  '1e400',
  'NaN',
  'null',
  '{}',
  '[]',
  'a'.repeat(300),
  'A',
  'a_b',
  '-a',
  'a-',
  '<script>',
  "'",
  '"',
  '\\',
  '\n',
  '\t',
  '٣',
  '9223372036854775808',
  '0001-01-01T00:00:00Z',
  '9999-99-99T99:99:99Z',
  '999999999999999h',
  '1Ei',
  '-0',
  '+1',
  '0x10',
  '256.256.256.256',
  '::ffff:1.2.3.4',
  'a,b',
  '!a',
  'a in (',
  '(((',
  '$(',
  '{{',
] as const;
const nastyNumbers = [
  0,
  -0,
  1,
  -1,
  2 ** 31,
  2 ** 31 - 1,
  -(2 ** 31) - 1,
  2 ** 53,
  2 ** 63,
  -(2 ** 63),
  1e308,
  0.5,
  -0.1,
  65_535,
  65_536,
  101,
  1e21,
] as const;

export const text = (random: Random): string =>
  chance(random, 0.6)
    ? pick(random, words)
    : chance(random, 0.8)
      ? pick(random, nastyTexts)
      : String.fromCodePoint(random.below(0xd7ff)).repeat(1 + random.below(4));
export const number = (random: Random): number =>
  chance(random, 0.6) ? random.below(100) : pick(random, nastyNumbers);

/** Anything JSON can say, and a little more. */
export function anything(random: Random, depth: number): unknown {
  switch (random.below(depth > 0 ? 8 : 5)) {
    case 0:
      return null;
    case 1:
      return chance(random, 0.5);
    case 2:
      return number(random);
    case 3:
    case 4:
      return text(random);
    case 5:
      return Array.from({ length: random.below(3) }, () => anything(random, depth - 1));
    case 6: {
      let value: unknown = text(random);
      const levels = 1 + random.below(chance(random, 0.02) ? 1_200 : 6);
      for (let i = 0; i < levels; i++) value = chance(random, 0.5) ? [value] : { a: value };
      return value;
    }
    default: {
      const object: Record<string, unknown> = {};
      for (let i = random.below(4); i > 0; i--)
        Object.defineProperty(object, text(random), {
          value: anything(random, depth - 1),
          enumerable: true,
          configurable: true,
          writable: true,
        });
      return object;
    }
  }
}

/** A value of a type, mostly well formed. */
export function valueOfType(type: TypeRef, random: Random, depth: number): unknown {
  switch (type.kind) {
    case 'scalar':
      switch (type.scalar) {
        case 'string':
          return text(random);
        case 'boolean':
          return chance(random, 0.5);
        case 'bytes':
          return Buffer.from(random.bytes(random.below(20))).toString('base64');
        case 'double':
          return chance(random, 0.5) ? random.float() : number(random);
        default:
          return Math.trunc(number(random));
      }
    case 'special':
      switch (type.special) {
        case 'Quantity':
          return pick(random, ['1', '100m', '1Gi', '1e3', '-1', '', '0.1', '1.5Ki', 5, '1e-9', '99999999999999999999']);
        case 'Time':
        case 'MicroTime':
          return pick(random, [
            '2026-01-01T00:00:00Z',
            '2026-01-01T00:00:00.000001Z',
            '',
            '0001-01-01T00:00:00Z',
            null,
          ]);
        case 'Duration':
          return pick(random, ['1s', '5m0s', '-1h', '', '1x']);
        case 'IntOrString':
          return pick(random, [1, 80, '25%', 'http', '', -1, '100%', '1000%']);
        default:
          return anything(random, 3);
      }
    case 'list':
      return Array.from({ length: random.below(3) }, () => valueOfType(type.element, random, depth - 1));
    case 'map': {
      const map: Record<string, unknown> = {};
      for (let i = random.below(3); i > 0; i--)
        Object.defineProperty(map, text(random), {
          value: valueOfType(type.value, random, depth - 1),
          enumerable: true,
          configurable: true,
          writable: true,
        });
      return map;
    }
    case 'struct': {
      const struct: Record<string, unknown> = {};
      if (depth <= 0) return struct;
      for (const field of type.type.fields) {
        if (field.name === 'kind' || field.name === 'apiVersion') continue;
        if (!field.required && !chance(random, 0.25)) continue;
        struct[field.name] =
          field.enum && chance(random, 0.7) ? pick(random, field.enum) : valueOfType(field.type, random, depth - 1);
      }
      return struct;
    }
  }
}

/** A few changes anywhere in a tree. @returns a new tree */
export function mutated(value: unknown, random: Random): unknown {
  let result = structuredClone(value);
  for (let i = 1 + random.below(3); i > 0; i--) result = mutatedOnce(result, random);
  return result;
}

function mutatedOnce(value: unknown, random: Random): unknown {
  const places: { readonly holder: Record<string, unknown> | unknown[]; readonly key: string | number }[] = [];
  const walk = (at: unknown, depth: number): void => {
    if (typeof at !== 'object' || at === null || depth > 40) return;
    for (const key of Array.isArray(at) ? at.keys() : Object.keys(at)) {
      const holder = at as Record<string, unknown>;
      places.push({ holder, key });
      walk(holder[key as string], depth + 1);
    }
  };
  walk(value, 0);
  if (places.length === 0) return anything(random, 3);
  const { holder, key } = pick(random, places);
  const target = holder as Record<string | number, unknown>;
  switch (random.below(6)) {
    case 0:
      delete target[key];
      break;
    case 1:
      target[key] = anything(random, 3);
      break;
    case 2:
      target[key] = pick(random, [null, '', 0, false, [], {}]);
      break;
    case 3:
      if (Array.isArray(holder)) holder.push(structuredClone(holder[key as number]));
      else target[text(random) || 'x'] = structuredClone(target[key]);
      break;
    case 4: {
      const other = pick(random, places);
      target[key] = structuredClone((other.holder as Record<string | number, unknown>)[other.key]);
      break;
    }
    default:
      target[key] = typeof target[key] === 'number' ? number(random) : text(random);
  }
  return value;
}

/** Bytes changed where it hurts. */
export function mutatedBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = Buffer.from(bytes);
  switch (random.below(6)) {
    case 0:
      return copy.subarray(0, random.below(copy.length + 1));
    case 1:
      return Buffer.concat([copy, random.bytes(1 + random.below(8))]);
    case 2: {
      const at = random.below(copy.length + 1);
      return Buffer.concat([copy.subarray(0, at), random.bytes(1 + random.below(4)), copy.subarray(at)]);
    }
    case 3: {
      const [from, to] = [random.below(copy.length + 1), random.below(copy.length + 1)].sort((a, b) => a - b) as [
        number,
        number,
      ];
      return Buffer.concat([copy.subarray(0, from), copy.subarray(to)]);
    }
    case 4: {
      const [from, to] = [random.below(copy.length + 1), random.below(copy.length + 1)].sort((a, b) => a - b) as [
        number,
        number,
      ];
      return Buffer.concat([copy.subarray(0, to), copy.subarray(from)]);
    }
    default:
      for (let i = 1 + random.below(4); i > 0 && copy.length > 0; i--)
        copy[random.below(copy.length)] = random.below(256);
      return copy;
  }
}

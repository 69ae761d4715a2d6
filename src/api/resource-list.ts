/** Resource name -> Quantity, and how such lists are added and compared. Source: k8s.io/apiserver/pkg/quota/v1/resources.go. */
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantities,
} from './quantity.ts';

export type ResourceList = ReadonlyMap<string, Quantity>;
/** As objects carry it. */
export type QuantityTexts = Readonly<Record<string, string>>;

export const noResources: ResourceList = new Map();
export const zero: Quantity = Object.freeze(parseQuantity('0'));
export const wholeNumber = (value: number): Quantity => ({ digits: BigInt(value), exponent: 0, format: 'DecimalSI' });

/** @throws QuantityError */
export function readResources(texts: QuantityTexts | undefined): ResourceList {
  if (texts === undefined || texts === null) return noResources;
  const list = new Map<string, Quantity>();
  for (const name in texts) list.set(name, parseQuantity(texts[name]!));
  return list;
}

/** Sorted by name, as maps are encoded. */
export function writeResources(list: ResourceList): QuantityTexts {
  const texts: Record<string, string> = {};
  for (const name of [...list.keys()].sort()) texts[name] = formatQuantity(list.get(name)!);
  return Object.freeze(texts);
}

export function addResources(a: ResourceList, b: ResourceList): ResourceList {
  if (b.size === 0) return a;
  if (a.size === 0) return b;
  const sum = new Map(a);
  for (const [name, quantity] of b) {
    const own = a.get(name);
    sum.set(name, own ? addQuantities(own, quantity) : quantity);
  }
  return sum;
}

/** `a - b`, nothing below zero; what only `b` has is zero. */
export function growth(a: ResourceList, b: ResourceList): ResourceList {
  const result = new Map<string, Quantity>();
  for (const [name, quantity] of a) {
    const before = b.get(name);
    const difference = before ? subtractQuantities(quantity, before) : quantity;
    result.set(name, difference.digits > 0n ? difference : zero);
  }
  for (const name of b.keys()) if (!result.has(name)) result.set(name, zero);
  return result;
}

/** The larger of both, name by name. */
export function largerResources(a: ResourceList, b: ResourceList): ResourceList {
  const result = new Map(a);
  for (const [name, quantity] of b) {
    const own = a.get(name);
    if (!own || compareQuantities(quantity, own) > 0) result.set(name, quantity);
  }
  return result;
}

export function onlyResources(list: ResourceList, has: (name: string) => boolean): ResourceList {
  const result = new Map<string, Quantity>();
  for (const [name, quantity] of list) if (has(name)) result.set(name, quantity);
  return result;
}

/** Names and amounts are the same, however they are written. */
export function sameResources(a: ResourceList, b: ResourceList): boolean {
  if (a.size !== b.size) return false;
  for (const [name, quantity] of a) {
    const other = b.get(name);
    if (!other || compareQuantities(quantity, other) !== 0) return false;
  }
  return true;
}

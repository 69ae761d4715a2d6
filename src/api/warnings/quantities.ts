/** Amounts of bytes that are no whole number. */
import { canonicalQuantity, milliValue, parseQuantity } from '../quantity.ts';

/** @param amounts a resource list; its names are looked up in `names`. @param field the list's path. */
export function fractionWarnings(
  out: string[],
  field: string,
  amounts: Readonly<Record<string, string>> | undefined,
  names: readonly string[],
): void {
  for (let i = 0; i < names.length; i++) fractionWarning(out, field, amounts, names[i]!);
}

export function fractionWarning(
  out: string[],
  field: string,
  amounts: Readonly<Record<string, string>> | undefined,
  name: string,
): void {
  const amount = amounts?.[name];
  // Only these forms can have a fraction.
  if (amount === undefined || !/[munp.eE]/.test(amount)) return;
  if (milliValue(parseQuantity(amount)) % 1000 !== 0)
    out.push(
      `${field}[${name}]: fractional byte value ${JSON.stringify(canonicalQuantity(amount))} is invalid, must be an integer`,
    );
}

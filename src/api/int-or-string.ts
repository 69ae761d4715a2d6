/** IntOrString fields: a number, or a text such as `25%` or a port's name. Source: k8s.io/apimachinery/pkg/util/intstr. */
export type IntOrString = number | string;

/**
 * The number itself, or the percentage of `total`. @throws Error with upstream's message for a text without a percent sign.
 */
export function scaledValue(value: IntOrString, total: number, options: { readonly roundUp: boolean }): number {
  if (typeof value === 'number') return value;
  if (!value.endsWith('%')) throw new Error('invalid value for IntOrString: invalid type: string is not a percentage');
  const digits = value.slice(0, -1);
  if (!/^[+-]?[0-9]+$/.test(digits))
    throw new Error(
      `invalid value for IntOrString: invalid value ${JSON.stringify(value)}: strconv.Atoi: parsing ${JSON.stringify(digits)}: invalid syntax`,
    );
  const exact = (Number(digits) * total) / 100;
  return options.roundUp ? Math.ceil(exact) : Math.floor(exact);
}

/** The number; a text is read as one, 0 when it is none. */
export function intValue(value: IntOrString): number {
  if (typeof value === 'number') return value;
  return /^[+-]?[0-9]+$/.test(value) ? Number(value) : 0;
}

export const isPercent = (value: IntOrString): value is string => typeof value === 'string' && /^[0-9]+%$/.test(value);

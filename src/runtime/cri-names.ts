/** `created_at` -> `createdAt`, `CDI_devices` -> `cdiDevices`: one rule for the generated types and for the client's descriptor. */
export function criFieldName(name: string): string {
  const [first = '', ...rest] = name.split('_');
  const head = first === first.toUpperCase() ? first.toLowerCase() : first;
  return head + rest.map((part) => part[0]?.toUpperCase() + part.slice(1)).join('');
}

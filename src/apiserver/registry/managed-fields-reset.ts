/** A client that sends `metadata.managedFields: []` asks to forget all managers. Decoding drops empty lists, so the raw body is looked at. */
import type { ApiRequest } from '../../api/exchange.ts';

const member = Buffer.from('"managedFields"');
const emptied = /"managedFields"\s*:\s*\[\s*\]/;

export function clearsManagers(body: ApiRequest['body']): boolean {
  if (body === undefined) return false;
  if ('value' in body) {
    const value = body.value as { readonly metadata?: { readonly managedFields?: unknown } } | null;
    const entries = typeof value === 'object' ? value?.metadata?.managedFields : undefined;
    return Array.isArray(entries) && entries.length === 0;
  }
  const { bytes } = body;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = buffer.indexOf(member);
  return at >= 0 && emptied.test(buffer.toString('latin1', at, at + 64));
}

/**
 * The hash by which a running container is recognised as made from this spec; written as an annotation (hex). As upstream, only name and
 * image count: everything else of a container is immutable or changed in place. FNV-1a of 32 bits over their JSON in Go's form.
 */
import type { Container } from '../../api/types/core-v1.ts';

export function containerHash(container: Pick<Container, 'name' | 'image'>): string {
  const text = JSON.stringify({ name: container.name, ...(container.image ? { image: container.image } : {}) });
  const bytes = Buffer.from(
    text.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return (hash >>> 0).toString(16);
}

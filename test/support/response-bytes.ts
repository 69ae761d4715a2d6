/** What an answer of the handler chain would be on the wire, as one buffer. */
import type { ApiResponse } from '../../src/api/exchange.ts';

/** @throws Error for an answer that hands the connection over to another protocol. */
export async function responseBytes({ body }: ApiResponse): Promise<Buffer> {
  switch (body.kind) {
    case 'empty':
      return Buffer.alloc(0);
    case 'bytes':
      return Buffer.from(body.bytes);
    case 'object':
      return Buffer.from(body.object.bytes());
    case 'list':
      return Buffer.concat([...body.chunks()]);
    case 'stream': {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body.stream) chunks.push(chunk);
      return Buffer.concat(chunks);
    }
    case 'upgrade':
      throw new Error('No case asks for another protocol');
    case 'watch': {
      const chunks: Uint8Array[] = [];
      for (;;) {
        const frames = body.stream.take();
        if (frames === undefined) return Buffer.concat(chunks);
        for (const frame of frames) chunks.push(frame.bytes());
        if (frames.length === 0) await body.stream.ready();
      }
    }
  }
}

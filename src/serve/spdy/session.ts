/**
 * A SPDY/3.1 session over any connection, as client or server: what kubectl up to 1.29, client-go and the runtimes' streaming servers speak after an
 * HTTP upgrade. Streams carry any headers (Kubernetes' have none of HTTP's), data, half-close, reset; ping and goaway.
 *
 * Invariants:
 * 1. Bytes of a stream are read in order, and reading the connection waits for a slow reader, unless the peer keeps to windows: Go's spdystream does not,
 *    so for it the connection itself is the only brake (as in upstream, where a stuck stream holds its neighbours).
 * 2. Windows hold from the moment the peer shows that it knows them (SETTINGS or WINDOW_UPDATE); sending limits and updates start then.
 * 3. After the end no stream waits: all are ended, all opens and pings rejected.
 */
import type { Duplex } from 'node:stream';
import {
  controlFrame,
  dataHead,
  FrameParser,
  flagFin,
  flagUnidirectional,
  frameTypes,
  resetCodes,
  type SpdyFrame,
  settingInitialWindow,
} from './frames.ts';
import { HeaderBlockReader, HeaderBlockWriter, type SpdyHeaders } from './header-block.ts';
import { SpdyError } from './spdy-error.ts';
import { SpdyStream, type StreamCarrier } from './spdy-stream.ts';

export interface SpdySessionOptions {
  readonly side: 'client' | 'server';
  /** What was read behind the upgrade already. */
  readonly head?: Uint8Array;
  /** A stream the peer opened; it has been answered. Destroying it resets it. */
  readonly onStream?: (stream: SpdyStream) => void;
  /** Streams that the peer may have open; more are refused. */
  readonly streamsMax?: number;
}

export interface SpdySession {
  /** Resolves when the peer has taken the stream. @throws SpdyError */
  open(headers: SpdyHeaders): Promise<SpdyStream>;
  /** Resolves with the peer's echo. @throws SpdyError closed */
  ping(): Promise<void>;
  /** Resets what is open, says goodbye and ends the connection. Idempotent. */
  close(): void;
  /** Resolves when the session is over: with the reason when it broke. */
  readonly closed: Promise<SpdyError | undefined>;
}

const windowBytes = 64 * 1024;
const streamsMaxDefault = 1000;
const streamIdMax = 0x7fffffff;

interface Opening {
  readonly stream: SpdyStream;
  readonly resolve: (stream: SpdyStream) => void;
  readonly reject: (error: SpdyError) => void;
}

export function createSpdySession(socket: Duplex, options: SpdySessionOptions): SpdySession {
  return new Session(socket, options);
}

class Session implements SpdySession, StreamCarrier {
  readonly closed: Promise<SpdyError | undefined>;
  readonly #socket: Duplex;
  readonly #options: SpdySessionOptions;
  readonly #parser = new FrameParser();
  readonly #reader = new HeaderBlockReader();
  readonly #writer = new HeaderBlockWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #opening = new Map<number, Opening>();
  readonly #pings = new Map<number, { resolve: () => void; reject: (error: SpdyError) => void }>();
  readonly #end: (reason: SpdyError | undefined) => void;
  #nextId: number;
  #nextPing: number;
  #lastPeerId = 0;
  #ended = false;
  #goingAway = false;
  #peerHasWindows = false;
  #peerStreamWindow = windowBytes;
  /** What may still go out on the whole connection, once the peer has windows. */
  #connectionRoom = windowBytes;
  #connectionUnacknowledged = 0;

  constructor(socket: Duplex, options: SpdySessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#nextId = options.side === 'client' ? 1 : 2;
    this.#nextPing = this.#nextId;
    const { promise, resolve } = Promise.withResolvers<SpdyError | undefined>();
    this.closed = promise;
    this.#end = resolve;
    socket.on('error', (cause) => this.#over(new SpdyError('closed', 'The connection broke', { cause })));
    socket.on('close', () => this.#over(undefined));
    this.#write(controlFrame(frameTypes.settings, 0, 1, settingInitialWindow, windowBytes));
    void this.#run(); // never rejects; `closed` tells of its end
  }

  open(headers: SpdyHeaders): Promise<SpdyStream> {
    if (this.#ended) return Promise.reject(new SpdyError('closed', 'The connection is closed'));
    if (this.#goingAway || this.#nextId > streamIdMax)
      return Promise.reject(new SpdyError('refused', 'The peer takes no more streams'));
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = this.#stream(id, headers);
    return new Promise((resolve, reject) => {
      this.#opening.set(id, { stream, resolve, reject });
      this.#write(controlFrame(frameTypes.synStream, 0, id, 0, noPriority, this.#writer.encode(headers)));
    });
  }

  ping(): Promise<void> {
    if (this.#ended) return Promise.reject(new SpdyError('closed', 'The connection is closed'));
    const id = this.#nextPing;
    this.#nextPing = id > streamIdMax - 2 ? ((id & 1) === 1 ? 1 : 2) : id + 2;
    return new Promise((resolve, reject) => {
      this.#pings.set(id, { resolve, reject });
      this.#write(controlFrame(frameTypes.ping, 0, id));
    });
  }

  close(): void {
    if (this.#ended) return;
    for (const stream of [...this.#streams.values()]) stream.destroy();
    this.#write(controlFrame(frameTypes.goAway, 0, this.#lastPeerId, 0));
    this.#over(undefined);
  }

  // What streams ask for.

  room(stream: SpdyStream): number {
    if (!this.#peerHasWindows) return Number.POSITIVE_INFINITY;
    return Math.min(this.#peerStreamWindow - stream.sent, this.#connectionRoom);
  }
  data(stream: SpdyStream, bytes: Uint8Array, fin: boolean, written: (error?: Error | null) => void): void {
    stream.sent += bytes.length;
    this.#connectionRoom -= bytes.length;
    if (this.#ended) {
      written();
      return;
    }
    this.#socket.cork();
    // A connection that breaks ends the session; the stream is told by that, not by each write.
    this.#socket.write(dataHead(stream.id, fin, bytes.length), bytes.length === 0 ? () => written() : undefined);
    if (bytes.length > 0) this.#socket.write(bytes, () => written());
    this.#socket.uncork();
  }
  cancel(stream: SpdyStream): void {
    if (!this.#ended) this.#write(controlFrame(frameTypes.rstStream, 0, stream.id, resetCodes.cancel));
    this.finished(stream);
  }
  consumed(stream: SpdyStream, bytes: number): void {
    if (!this.#peerHasWindows || this.#ended) return;
    if (!stream.remoteFinished) this.#write(controlFrame(frameTypes.windowUpdate, 0, stream.id, bytes));
  }
  finished(stream: SpdyStream): void {
    this.#streams.delete(stream.id);
    this.#opening.get(stream.id)?.reject(new SpdyError('closed', 'The stream was given up'));
    this.#opening.delete(stream.id);
    if (this.#goingAway && this.#streams.size === 0) this.#over(undefined);
  }

  // What comes in.

  async #run(): Promise<void> {
    try {
      if (this.#options.head?.length) await this.#feed(Buffer.from(this.#options.head));
      for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
        await this.#feed(chunk as Buffer);
        if (this.#ended) return;
      }
      this.#over(undefined);
    } catch (error) {
      if (error instanceof SpdyError && error.code === 'protocol')
        this.#write(controlFrame(frameTypes.goAway, 0, this.#lastPeerId, 1));
      this.#over(
        error instanceof SpdyError ? error : new SpdyError('closed', 'The connection broke', { cause: error }),
      );
    }
  }

  async #feed(chunk: Buffer): Promise<void> {
    for (const frame of this.#parser.feed(chunk)) {
      const wait = frame.kind === 'data' ? this.#onData(frame) : this.#onControl(frame);
      if (wait) await wait;
      if (this.#ended) return;
    }
  }

  #onData({ streamId, fin, bytes }: Extract<SpdyFrame, { kind: 'data' }>): Promise<void> | undefined {
    this.#creditConnection(bytes.length);
    const stream = this.#streams.get(streamId);
    if (!stream) {
      // Late data of a stream that is over is expected; data of one that never was is not.
      if (!this.#known(streamId))
        this.#write(controlFrame(frameTypes.rstStream, 0, streamId, resetCodes.invalidStream));
      return undefined;
    }
    if (this.#peerHasWindows && stream.unacknowledged + bytes.length > windowBytes) {
      this.#write(controlFrame(frameTypes.rstStream, 0, streamId, resetCodes.flowControlError));
      stream.receiveReset();
      this.finished(stream);
      return undefined;
    }
    const behind = bytes.length > 0 ? stream.receive(bytes) : undefined;
    if (fin) stream.receiveEnd();
    return this.#peerHasWindows ? undefined : behind;
  }

  /** Streams have windows of their own; the connection's is given back at once. */
  #creditConnection(bytes: number): void {
    if (!this.#peerHasWindows) return;
    this.#connectionUnacknowledged += bytes;
    if (this.#connectionUnacknowledged < windowBytes / 2) return;
    this.#write(controlFrame(frameTypes.windowUpdate, 0, 0, this.#connectionUnacknowledged));
    this.#connectionUnacknowledged = 0;
  }

  #onControl({ type, flags, payload }: Extract<SpdyFrame, { kind: 'control' }>): Promise<void> | undefined {
    switch (type) {
      case frameTypes.synStream:
        return this.#onSynStream(flags, need(payload, 10));
      case frameTypes.synReply:
        return this.#onSynReply(flags, need(payload, 4));
      case frameTypes.headers:
        return this.#onHeaders(flags, need(payload, 4));
      case frameTypes.rstStream:
        this.#onReset(need(payload, 8).readUInt32BE(0) & streamIdMax);
        return undefined;
      case frameTypes.settings:
        this.#onSettings(need(payload, 4));
        return undefined;
      case frameTypes.ping:
        this.#onPing(need(payload, 4).readUInt32BE(0));
        return undefined;
      case frameTypes.goAway:
        this.#goingAway = true;
        if (this.#streams.size === 0) this.#over(undefined);
        return undefined;
      case frameTypes.windowUpdate:
        this.#onWindowUpdate(need(payload, 8).readUInt32BE(0) & streamIdMax, payload.readUInt32BE(4) & streamIdMax);
        return undefined;
      default:
        // Unknown control frames are ignored (section 2.2.1).
        return undefined;
    }
  }

  async #onSynStream(flags: number, payload: Buffer): Promise<void> {
    const id = payload.readUInt32BE(0) & streamIdMax;
    // The block must be read in any case: its direction is one zlib stream.
    const headers = await this.#reader.decode(payload.subarray(10));
    const parity = this.#options.side === 'client' ? 0 : 1;
    if (id === 0 || (id & 1) !== parity || id <= this.#lastPeerId) {
      this.#write(controlFrame(frameTypes.rstStream, 0, id, resetCodes.protocolError));
      return;
    }
    this.#lastPeerId = id;
    if (
      this.#goingAway ||
      !this.#options.onStream ||
      this.#streams.size >= (this.#options.streamsMax ?? streamsMaxDefault)
    ) {
      this.#write(controlFrame(frameTypes.rstStream, 0, id, resetCodes.refusedStream));
      return;
    }
    const stream = this.#stream(id, headers);
    if ((flags & flagUnidirectional) !== 0) stream.localFinished = true;
    else this.#write(controlFrame(frameTypes.synReply, 0, id, this.#writer.encode({})));
    if ((flags & flagFin) !== 0) stream.receiveEnd();
    this.#options.onStream(stream);
  }

  async #onSynReply(flags: number, payload: Buffer): Promise<void> {
    const id = payload.readUInt32BE(0) & streamIdMax;
    await this.#reader.decode(payload.subarray(4));
    const opening = this.#opening.get(id);
    if (!opening) return;
    this.#opening.delete(id);
    if ((flags & flagFin) !== 0) opening.stream.receiveEnd();
    opening.resolve(opening.stream);
  }

  async #onHeaders(flags: number, payload: Buffer): Promise<void> {
    await this.#reader.decode(payload.subarray(4));
    if ((flags & flagFin) !== 0) this.#streams.get(payload.readUInt32BE(0) & streamIdMax)?.receiveEnd();
  }

  #onReset(id: number): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#opening.get(id)?.reject(new SpdyError('refused', 'The peer refused the stream'));
    this.#opening.delete(id);
    stream.receiveReset();
    this.finished(stream);
  }

  #onSettings(payload: Buffer): void {
    const count = payload.readUInt32BE(0);
    if (payload.length !== 4 + count * 8) throw new SpdyError('protocol', 'A SETTINGS frame has the wrong length');
    for (let i = 0; i < count; i++) {
      if ((payload.readUInt32BE(4 + i * 8) & 0xffffff) !== settingInitialWindow) continue;
      this.#peerStreamWindow = payload.readUInt32BE(8 + i * 8) & streamIdMax;
      this.#peerHasWindows = true;
      for (const stream of this.#streams.values()) stream.flush();
    }
  }

  #onWindowUpdate(id: number, delta: number): void {
    this.#peerHasWindows = true;
    if (id === 0) {
      this.#connectionRoom += delta;
      for (const stream of this.#streams.values()) stream.flush();
      return;
    }
    const stream = this.#streams.get(id);
    if (!stream) return;
    stream.sent -= delta;
    stream.flush();
  }

  #onPing(id: number): void {
    if ((id & 1) !== (this.#nextPing & 1)) {
      this.#write(controlFrame(frameTypes.ping, 0, id));
      return;
    }
    this.#pings.get(id)?.resolve();
    this.#pings.delete(id);
  }

  #stream(id: number, headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(id, headers, this, windowBytes);
    this.#streams.set(id, stream);
    return stream;
  }

  #known(id: number): boolean {
    return (id & 1) === (this.#nextId & 1) ? id < this.#nextId : id <= this.#lastPeerId;
  }

  #write(frame: Buffer): void {
    if (!this.#ended && this.#socket.writable) this.#socket.write(frame);
  }

  #over(reason: SpdyError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const gone = reason ?? new SpdyError('closed', 'The connection is closed');
    for (const { reject } of this.#opening.values()) reject(gone);
    for (const { reject } of this.#pings.values()) reject(gone);
    this.#opening.clear();
    this.#pings.clear();
    for (const stream of [...this.#streams.values()]) stream.receiveReset();
    this.#streams.clear();
    this.#reader.close();
    if (this.#socket.writable) this.#socket.end(() => this.#socket.destroy());
    else this.#socket.destroy();
    this.#end(reason);
  }
}

/** Priority 0, credential slot 0. */
const noPriority = Buffer.alloc(2);

/** @throws SpdyError when the frame is shorter than its fixed part */
function need(payload: Buffer, bytes: number): Buffer {
  if (payload.length < bytes) throw new SpdyError('protocol', 'A control frame is cut off');
  return payload;
}

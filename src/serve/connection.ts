/** What the server knows of one TLS connection. */
import type { TLSSocket } from 'node:tls';
import type { PeerCertificate } from '../api/exchange.ts';
import type { Clock } from '../base/clock.ts';
import { type ConnectionPeer, type PeerAuthorities, readPeer } from './peer.ts';

export class Connection {
  readonly remoteAddress: string;
  readonly #peer: ConnectionPeer | undefined;
  readonly #clock: Clock;

  constructor(socket: TLSSocket, authorities: PeerAuthorities | undefined, clock: Clock) {
    this.remoteAddress = socket.remoteAddress ?? '';
    this.#peer = authorities ? readPeer(socket, authorities) : undefined;
    this.#clock = clock;
  }

  /** The same object for each request, so that authenticators can remember what they made of it. */
  peer(): PeerCertificate | undefined {
    if (this.#peer === undefined) return undefined;
    return this.#clock.now() > this.#peer.notAfterMs ? this.#peer.expired : this.#peer.peer;
  }
}

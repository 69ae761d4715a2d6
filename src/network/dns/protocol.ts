/** Numbers of the protocol (RFC 1035, 2782, 3596, 6891). */
export const recordType = Object.freeze({
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
});

export const rcode = Object.freeze({
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  /** Above 15: its upper bits travel in the OPT record. */
  badVersion: 16,
});

export const classInternet = 1;

export const flag = Object.freeze({
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
});

export const headerLength = 12;
/** An OPT record without options. */
export const optLength = 11;
/** What a client without EDNS takes over UDP (RFC 1035 4.2.1). */
export const plainPayloadBytes = 512;
/** What we send over UDP at most, and say that we take: no fragments on common links (DNS flag day 2020). */
export const ednsPayloadBytes = 1232;
export const messageLengthMax = 65_535;

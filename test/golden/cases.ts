/**
 * The golden cases in our own form: what was asked of a v1.36.3 API server, and what it answered. One file for each group in `data/`, one case on a line.
 * Strings may hold placeholders (`<uid>`, `<rv>`, ...), see `match.ts`.
 */
import { readFileSync } from 'node:fs';

export interface Send {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** A body that is not JSON. */
  readonly text?: string;
  /** Default `admin`; `''` is nobody. */
  readonly user?: string;
  /** A preparation that may fail. */
  readonly allow?: boolean;
}

export type Preparation =
  | Send
  /** Remembers the present revision under this name. */
  | { readonly save: string }
  /** Remembers a continue token of this list that a later compaction makes old, and a revision. */
  | { readonly 'save-expired': string }
  | { readonly compact: true };

export interface Case {
  readonly name: string;
  readonly prepare?: readonly Preparation[];
  readonly send: Send;
  /** While a watch is open. */
  readonly during?: readonly Send[];
  readonly expect: {
    readonly code: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly warnings?: readonly string[];
    readonly body?: unknown;
    readonly text?: string;
    readonly events?: readonly { readonly type: string; readonly object: unknown }[];
    /** Names of the items. */
    readonly names?: readonly string[];
    readonly prefixHex?: string;
  };
}

/** `generated`: exact answers of the differential runner, seed 21 (`test/differential/`). */
export const groups = ['defaults', 'invalid', 'patch', 'protocol', 'discovery', 'generated'] as const;
export type Group = (typeof groups)[number];

export const loadCases = (group: Group): readonly Case[] =>
  JSON.parse(readFileSync(new URL(`data/${group}.json`, import.meta.url), 'utf8')) as readonly Case[];

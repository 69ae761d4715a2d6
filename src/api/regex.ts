/**
 * Users' regular expressions: Go's syntax on a linear-time engine (decision 11), so that no pattern can block the loop.
 * Loaded with the rooms that need it, never at start.
 */
import { RE2JS } from 're2js';

export interface Regex {
  /** Whether it matches anywhere in the text. */
  test(text: string): boolean;
  /** Every match, at most `limit` of them; below zero: all. */
  findAll(text: string, limit: number): string[];
}

export class RegexError extends Error {
  override readonly name = 'RegexError';
}

/** @throws RegexError with Go's words: `error parsing regexp: missing closing ): `...`` */
export function compileRegex(pattern: string): Regex {
  try {
    const compiled = RE2JS.compile(pattern);
    return {
      test: (text) => compiled.matcher(text).find(),
      findAll(text, limit) {
        const matcher = compiled.matcher(text);
        const found: string[] = [];
        while ((limit < 0 || found.length < limit) && matcher.find()) found.push(matcher.group() ?? '');
        return found;
      },
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RegexError(message, { cause: error });
  }
}

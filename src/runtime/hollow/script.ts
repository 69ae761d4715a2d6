/**
 * What a hollow container does, scripted by annotations of its pod. A key may end in `.<container>` to mean that container only.
 *
 * | annotation | meaning |
 * |---|---|
 * | `hollow.bireme.dev/run-seconds` | the container exits by itself after so long; absent: runs until stopped |
 * | `hollow.bireme.dev/exit-code` | its exit code then; default 0 |
 * | `hollow.bireme.dev/start-seconds` | how long starting takes |
 * | `hollow.bireme.dev/start-error` | starting fails with this text |
 * | `hollow.bireme.dev/stop-seconds` | how long it takes to end after SIGTERM; beyond the grace period it is killed (137) |
 * | `hollow.bireme.dev/pull-seconds`, `.../pull-error` | how long pulling its image takes, or fails with |
 * | `hollow.bireme.dev/sandbox-error` | creating the sandbox fails with this text |
 * | `hollow.bireme.dev/termination-message` | what the container leaves as its termination message |
 * | `hollow.bireme.dev/cpu-milli`, `.../memory-mebi` | what the running container uses, for metrics; default 0 |
 */
export const scriptPrefix = 'hollow.bireme.dev/';

export interface Script {
  /** The value of `key`, the container's own first. */
  text(key: string, container?: string): string | undefined;
  /** A non-negative number; @throws Error naming the annotation when it is not one. */
  number(key: string, container?: string): number | undefined;
}

export function readScript(annotations: Readonly<Record<string, string>> | undefined): Script {
  const text = (key: string, container?: string): string | undefined =>
    annotations === undefined
      ? undefined
      : ((container === undefined ? undefined : annotations[`${scriptPrefix}${key}.${container}`]) ??
        annotations[scriptPrefix + key]);
  return {
    text,
    number(key, container) {
      const value = text(key, container);
      if (value === undefined) return undefined;
      const number = Number(value);
      if (value.trim() === '' || !Number.isFinite(number) || number < 0)
        throw new Error(`Annotation ${scriptPrefix}${key}: ${JSON.stringify(value)} is not a number of 0 or more`);
      return number;
    },
  };
}

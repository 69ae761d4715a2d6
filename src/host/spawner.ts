/**
 * Starting programs (decision 10). The spawner is a small process forked before the heap grows, because forking a large one blocks the
 * loop for milliseconds; the same interface is served in-process for tools that run once.
 */
export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Output beyond this many bytes per stream fails the run. Default 4 MiB. */
  readonly maxOutputBytes?: number;
}

export interface RunResult {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Files that stdout and stderr are appended to. */
  readonly logFile: string;
  /** The kernel ends the child when its parent dies (PR_SET_PDEATHSIG), or it outlives us and is adopted at the next start. */
  readonly onParentDeath: 'die' | 'survive';
  /** Namespace files to enter first, e.g. `/run/netns/worker-1`. */
  readonly namespaces?: { readonly net?: string; readonly mnt?: string; readonly pid?: string; readonly uts?: string };
}

/** Identity of a process across pid reuse: recorded in the state folder so that the next start adopts or ends it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly startTime: string;
  readonly bootId: string;
}

export interface Child {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  kill(signal: NodeJS.Signals): void;
}

export interface Spawner {
  /** Runs to the end. Rejects when the program cannot be started (`HostError` naming it and the remedy), times out or is aborted; a non-zero exit is a result. */
  run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult>;
  /** Starts a long-running child. */
  start(program: string, args: readonly string[], options: ChildOptions): Promise<Child>;
  close(): Promise<void>;
}

/**
 * Times admission under upstream's names. A clock read costs more than most plugins do, so plugins that do not wait are timed together, stretch by stretch:
 * a stretch shorter than the first bucket puts each of them where it belongs; its time is shared out evenly among their sums.
 * Source: apiserver/pkg/admission/metrics.
 */
import type { Clock } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Timing, Timings } from '../../base/timings.ts';
import type { AdmissionOperation, AdmissionPlugin } from './admission.ts';

export type AdmissionStep = 'admit' | 'validate';

/** The plugins in their order, and who times them. */
export type AdmissionChain = readonly AdmissionPlugin[] & { readonly meter?: AdmissionMeter };

export const measuredAdmission = (
  plugins: readonly AdmissionPlugin[],
  metrics: MetricsRegistry,
  clock: Clock,
): AdmissionChain => Object.assign([...plugins], { meter: new AdmissionMeter(plugins, metrics, clock) });

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
type StepLabel = 'type' | 'operation' | 'rejected';

export class AdmissionMeter {
  readonly clock: Clock;
  readonly #names: readonly string[];
  readonly #plugins: Timings<'name' | StepLabel>;
  readonly #steps: Timings<StepLabel>;
  readonly #cells = new Map<string, StepCells>();

  constructor(plugins: readonly AdmissionPlugin[], metrics: MetricsRegistry, clock: Clock) {
    this.clock = clock;
    this.#names = plugins.map(({ name }) => name);
    this.#plugins = metrics.timings({
      name: 'apiserver_admission_controller_admission_duration_seconds',
      help: 'Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
      labels: ['name', 'operation', 'rejected', 'type'],
      buckets,
    });
    this.#steps = metrics.timings({
      name: 'apiserver_admission_step_admission_duration_seconds',
      help: 'Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).',
      labels: ['operation', 'rejected', 'type'],
      buckets,
    });
  }

  start(step: AdmissionStep, operation: AdmissionOperation): StepRun {
    const key = step === 'admit' ? operation : `validate ${operation}`;
    let cells = this.#cells.get(key);
    if (!cells) {
      const make = (rejected: string): Cells => ({
        step: undefined,
        makeStep: () => this.#steps.child({ type: step, operation, rejected }),
        plugin: (i) => this.#plugins.child({ name: this.#names[i] ?? '', type: step, operation, rejected }),
        known: [],
      });
      this.#cells.set(key, (cells = { passed: make('false'), refused: make('true') }));
    }
    return new StepRun(this.clock, cells);
  }
}

interface Cells {
  step: Timing | undefined;
  makeStep(): Timing;
  plugin(index: number): Timing;
  readonly known: (Timing | undefined)[];
}
interface StepCells {
  readonly passed: Cells;
  readonly refused: Cells;
}

const timingOf = (cells: Cells, index: number): Timing => (cells.known[index] ??= cells.plugin(index));

const stepOf = (cells: Cells): Timing => (cells.step ??= cells.makeStep());

/** One step of one request. */
export class StepRun {
  readonly #clock: Clock;
  readonly #cells: StepCells;
  readonly #startMs: number;
  #sliceMs: number;
  readonly #slice: number[] = [];

  constructor(clock: Clock, cells: StepCells) {
    this.#clock = clock;
    this.#cells = cells;
    this.#startMs = clock.monotonic();
    this.#sliceMs = this.#startMs;
  }

  /** A plugin answered at once. */
  ran(index: number): void {
    this.#slice.push(index);
  }

  /** A plugin has to wait: what ran before it ends here. */
  waits(): void {
    if (this.#slice.length > 0) this.#flush(undefined);
  }

  waited(index: number): void {
    const now = this.#clock.monotonic();
    timingOf(this.#cells.passed, index).observe((now - this.#sliceMs) / 1000);
    this.#sliceMs = now;
  }

  refused(index: number): void {
    this.#slice.push(index);
    const now = this.#flush(index);
    stepOf(this.#cells.refused).observe((now - this.#startMs) / 1000);
  }

  end(): void {
    const now = this.#slice.length > 0 ? this.#flush(undefined) : this.#sliceMs;
    stepOf(this.#cells.passed).observe((now - this.#startMs) / 1000);
  }

  #flush(refused: number | undefined): number {
    const now = this.#clock.monotonic();
    const each = (now - this.#sliceMs) / 1000 / this.#slice.length;
    const { passed, refused: no } = this.#cells;
    for (let i = 0; i < this.#slice.length; i++) {
      const index = this.#slice[i]!;
      timingOf(index === refused ? no : passed, index).observe(each);
    }
    this.#slice.length = 0;
    this.#sliceMs = now;
    return now;
  }
}

/** What the node reports of its machine. The host room reads it from the kernel; hollow nodes are told. */
export interface Machine {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly ephemeralStorageBytes: number;
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly operatingSystem: string;
  /** As Go names it: amd64, arm64. */
  readonly architecture: string;
  readonly hostname: string;
}

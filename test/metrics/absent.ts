/** Names of upstream's that are not served here, and why. */
type Reasons = Readonly<Record<string, string>>;
export const absent: Readonly<
  Record<'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubelet', Reasons>
> = {
  'kube-apiserver': {},
  'kube-controller-manager': {},
  'kube-scheduler': {},
  kubelet: {},
};

/** Of `/metrics/cadvisor`. */
export const absentFromCadvisor: Reasons = {
  container_cpu_load_average_10s: "0 at upstream's kubelet, which does not read the load of groups",
  container_cpu_load_d_average_10s: "0 at upstream's kubelet, as above",
  container_tasks_state: "0 at upstream's kubelet, as above",
  container_health_state: '-1 for whatever Docker did not start',
  machine_cpu_books: 'of IBM Z',
  machine_cpu_drawers: 'of IBM Z',
  machine_cpu_physical_cores: 'the topology of the processor is not read',
  machine_cpu_sockets: 'the topology of the processor is not read',
  machine_nvm_avg_power_budget_watts: 'persistent memory is not looked for',
  machine_nvm_capacity: 'persistent memory is not looked for',
};

/** Names that upstream shows only where there is something to count: not among what was recorded. */
export const shownWhenCounted = {
  cadvisor: ['container_fs_reads_bytes_total', 'container_fs_writes_bytes_total'],
} as const;

/** The configuration of a containerd of our own. Pure; TOML of version 2. Source: containerd 1.6 docs/cri/config.md. */
export interface ContainerdPaths {
  /** Persistent: images, snapshots, metadata. */
  readonly root: string;
  /** For this boot: sockets, bundles, network namespaces. */
  readonly state: string;
  readonly socket: string;
}

export interface ContainerdConfigOptions {
  readonly paths: ContainerdPaths;
  readonly sandboxImage: string;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  readonly snapshotter: 'overlayfs' | 'native';
  /** Folder with a `hosts.toml` for each registry (mirrors, certificates of their own). */
  readonly registryConfigPath?: string;
  /** Without CAP_SYS_RESOURCE a lower oom_score_adj than our own cannot be set, and every sandbox would fail. */
  readonly restrictOomScores: boolean;
}

/** Where people put it for any containerd. Read at each pull; that it is not there is no error. */
const defaultRegistryConfigPath = '/etc/containerd/certs.d';

export function renderContainerdConfig(options: ContainerdConfigOptions): string {
  const { paths } = options;
  const text = JSON.stringify;
  return `version = 2
root = ${text(paths.root)}
state = ${text(paths.state)}
# Nothing here needs them: other snapshotters probe file systems, the rest serves other clients.
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
  "io.containerd.internal.v1.opt",
]

[grpc]
  address = ${text(paths.socket)}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${text(options.sandboxImage)}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = ${options.restrictOomScores}
  # Network namespaces belong to this containerd and go away with its state folder.
  netns_mounts_under_state_dir = true
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
  # As container runtimes do by default today: unprivileged ports and ping for every container.
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${text(options.cniBinDir)}
    conf_dir = ${text(options.cniConfDir)}
    max_conf_num = 1

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = ${text(options.registryConfigPath ?? defaultRegistryConfigPath)}

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = ${text(options.snapshotter)}
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = ${text(`${paths.state}/runc`)}

# containerd from 2.1 on pulls through a service that unpacks for overlayfs only, and takes one folder of registries; older ones know no such plugin.
[plugins."io.containerd.cri.v1.images"]
  use_local_image_pull = true
`;
}

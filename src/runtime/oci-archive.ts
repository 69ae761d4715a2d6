/** Makes an OCI image archive (image layout in a tar), as `ctr images import` and `bireme image import` take it. */
import { createHash } from 'node:crypto';
import { type TarEntry, writeTar } from './tar.ts';

export interface OciImage {
  /** Full reference, e.g. `localhost/pause:1`. */
  readonly name: string;
  readonly layers: readonly (readonly TarEntry[])[];
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  /** `KEY=value`. */
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly exposedPorts?: readonly string[];
  /** As Go names it; the machine's own by default. */
  readonly architecture?: string;
}

/** Several images share their blobs. Deterministic: the same images give the same bytes. */
export function writeOciArchive(images: readonly OciImage[]): Buffer {
  const blobs = new Map<string, Buffer>();
  const add = (bytes: Buffer): { readonly digest: string; readonly size: number } => {
    const digest = createHash('sha256').update(bytes).digest('hex');
    blobs.set(digest, bytes);
    return { digest: `sha256:${digest}`, size: bytes.length };
  };
  const addJson = (value: object) => add(Buffer.from(JSON.stringify(value)));
  const manifests = images.map((image) => {
    const layers = image.layers.map((entries) => add(writeTar(entries)));
    const config = addJson({
      created: '1970-01-01T00:00:00Z',
      architecture: image.architecture ?? goArchitecture(process.arch),
      os: 'linux',
      config: {
        ...(image.user ? { User: image.user } : {}),
        ...(image.exposedPorts
          ? { ExposedPorts: Object.fromEntries(image.exposedPorts.map((port) => [port, {}])) }
          : {}),
        Env: image.env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        ...(image.entrypoint ? { Entrypoint: image.entrypoint } : {}),
        ...(image.command ? { Cmd: image.command } : {}),
        ...(image.workingDir ? { WorkingDir: image.workingDir } : {}),
        ...(image.labels ? { Labels: image.labels } : {}),
      },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
      history: layers.map(() => ({ created: '1970-01-01T00:00:00Z' })),
    });
    const manifest = addJson({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: layers.map((layer) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer })),
    });
    return {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      ...manifest,
      annotations: {
        'io.containerd.image.name': image.name,
        'org.opencontainers.image.ref.name': image.name.slice(image.name.lastIndexOf(':') + 1),
      },
      platform: { architecture: image.architecture ?? goArchitecture(process.arch), os: 'linux' },
    };
  });
  const file = (path: string, bytes: Uint8Array): TarEntry => ({ kind: 'file', path, mode: 0o644, bytes });
  return writeTar([
    file('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')),
    file('index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))),
    { kind: 'folder', path: 'blobs/', mode: 0o755 },
    { kind: 'folder', path: 'blobs/sha256/', mode: 0o755 },
    ...[...blobs].map(([digest, bytes]) => file(`blobs/sha256/${digest}`, bytes)),
  ]);
}

const goArchitecture = (arch: string): string => ({ x64: 'amd64', ia32: '386' })[arch] ?? arch;

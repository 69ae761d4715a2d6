/**
 * Writes `schema/internal-types.json`: the shape of the types upstream validates, which its messages print (`Invalid value: {"Name":"",...}`, diffs of
 * pod specs). Field names only; JSON names are those of the served types, found without regard to case.
 *
 *   node scripts/generate-internal-types.ts DIR   # DIR holds pkg/apis of the kubernetes version that is followed
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Types that messages print whole; what they contain comes along. */
const roots = [
  'core.PodSpec',
  'core.EphemeralContainer',
  'core.ServicePort',
  'core.PersistentVolumeSource',
  'core.PersistentVolumeClaimSpec',
  'core.VolumeNodeAffinity',
  'core.Taint',
  'core.NodeAddress',
  'core.NodeConfigSource',
  'core.ScopeSelector',
  'core.PodResourceClaim',
  'core.PodTemplateSpec',
  'core.PodIP',
  'core.HostIP',
  'apps.DaemonSetUpdateStrategy',
  'apps.StatefulSetSpec',
  'apps.StatefulSetUpdateStrategy',
  'batch.JobSpec',
  'policy.PodDisruptionBudgetSpec',
  'networking.IngressSpec',
  'networking.IngressTLS',
  'networking.IngressClassSpec',
  'networking.IPAddressSpec',
  'rbac.RoleRef',
  'resource.ResourceClaimSpec',
  'resource.ResourceClaimStatus',
  'resource.ResourceSliceSpec',
  'storage.VolumeAttachmentSpec',
  'storage.CSINodeDriver',
  'certificates.CertificateSigningRequestCondition',
  'flowcontrol.PriorityLevelConfigurationSpec',
  'flowcontrol.FlowSchemaSpec',
];

/** Fields whose served name differs in more than case. */
const renamed: Readonly<Record<string, string>> = {
  'core.RBDVolumeSource.CephMonitors': 'monitors',
  'core.RBDVolumeSource.RBDImage': 'image',
  'core.RBDVolumeSource.RBDPool': 'pool',
  'core.RBDVolumeSource.RadosUser': 'user',
  'core.RBDPersistentVolumeSource.CephMonitors': 'monitors',
  'core.RBDPersistentVolumeSource.RBDImage': 'image',
  'core.RBDPersistentVolumeSource.RBDPool': 'pool',
  'core.RBDPersistentVolumeSource.RadosUser': 'user',
  'core.AzureDiskVolumeSource.DataDiskURI': 'diskURI',
  'core.GlusterfsVolumeSource.EndpointsName': 'endpoints',
  'core.GlusterfsPersistentVolumeSource.EndpointsName': 'endpoints',
  'networking.IngressSpec.TLS': 'tls',
};

type Field = readonly [name: string, type: string, servedName?: string];
const root = process.argv[2];
if (root === undefined) throw new Error('Usage: generate-internal-types.ts DIR');
const structs = new Map<string, Field[]>();
const aliases = new Map<string, string>();
const groups = readdirSync(join(root, 'pkg/apis'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);
for (const group of groups)
  for (const file of readdirSync(join(root, 'pkg/apis', group)))
    if (/^types.*\.go$/.test(file)) parse(group, readFileSync(join(root, 'pkg/apis', group, file), 'utf8'));

// Names that stand for a scalar, a list or a map are replaced by it.
for (const fields of structs.values())
  for (let i = 0; i < fields.length; i++) {
    const [name, type, served] = fields[i]!;
    const resolved = type.replace(/[a-z]+\.[A-Za-z0-9]+/g, (part) => resolve(part));
    fields[i] = served === undefined ? [name, resolved] : [name, resolved, served];
  }

const out: Record<string, readonly Field[]> = {};
const reach = (name: string): void => {
  const fields = structs.get(name);
  if (out[name] || !fields) return;
  out[name] = fields;
  for (const [, type] of fields) for (const part of type.match(/[a-z]+\.[A-Za-z0-9]+/g) ?? []) reach(part);
};
for (const name of roots) {
  if (!structs.has(name)) throw new Error(`No type ${name}`);
  reach(name);
}
const lines = Object.keys(out)
  .sort()
  .map((name) => `${JSON.stringify(name)}: ${JSON.stringify(out[name])}`);
writeFileSync(new URL('../schema/internal-types.json', import.meta.url), `{\n${lines.join(',\n')}\n}\n`);

function parse(group: string, text: string): void {
  const imports = new Map(
    [...text.matchAll(/^\s*(?:(\w+)\s+)?"k8s\.io\/kubernetes\/pkg\/apis\/(\w+)"$/gm)].map((m) => [
      m[1] ?? m[2]!,
      m[2]!,
    ]),
  );
  for (const [, name, target] of text.matchAll(/^type (\w+) ([\w.[\]*]+)$/gm))
    if (target !== 'struct') aliases.set(`${group}.${name}`, target!);
  for (const [, name, body] of text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)) {
    const fields: Field[] = [];
    for (const line of body!.replace(/\/\*[\s\S]*?\*\//g, '').split('\n')) {
      const code = line
        .replace(/\/\/.*$/, '')
        .replace(/`.*`/, '')
        .trim();
      if (code === '') continue;
      const embedded = /^\*?([\w.]+)$/.exec(code);
      if (embedded) {
        fields.push([
          '',
          embedded[1]! === 'metav1.ObjectMeta'
            ? 'meta'
            : embedded[1]! === 'metav1.TypeMeta'
              ? 'none'
              : named(group, imports, embedded[1]!),
        ]);
        continue;
      }
      const match = /^([\w, ]+?)\s+(\S.*)$/.exec(code);
      if (!match) throw new Error(`${group}.${name}: cannot read "${line}"`);
      for (const field of match[1]!.split(',').map((n) => n.trim())) {
        const served = renamed[`${group}.${name}.${field}`];
        fields.push(
          served === undefined
            ? [field, typeOf(group, imports, match[2]!)]
            : [field, typeOf(group, imports, match[2]!), served],
        );
      }
    }
    structs.set(`${group}.${name}`, fields);
  }
}

/** `*T` pointer, `[T` list, `{T` map, a struct's name, or a letter: string, number, boolean, quantity, int-or-string, time, bytes, versioned. */
function typeOf(group: string, imports: ReadonlyMap<string, string>, text: string): string {
  if (text.startsWith('*')) return `*${typeOf(group, imports, text.slice(1))}`;
  if (text === '[]byte') return 'B';
  if (text.startsWith('[]')) return `[${typeOf(group, imports, text.slice(2))}`;
  const map = /^map\[[\w.]+\](.*)$/.exec(text);
  if (map) return `{${typeOf(group, imports, map[1]!)}`;
  return named(group, imports, text);
}

function named(group: string, imports: ReadonlyMap<string, string>, text: string): string {
  switch (text) {
    case 'string':
    case 'types.UID':
    case 'types.NodeName':
      return 's';
    case 'bool':
      return 'b';
    case 'int':
    case 'int16':
    case 'int32':
    case 'int64':
    case 'uint16':
    case 'uint32':
    case 'uint64':
      return 'n';
    case 'resource.Quantity':
      return 'q';
    case 'intstr.IntOrString':
      return 'i';
    case 'metav1.Time':
    case 'metav1.MicroTime':
    case 'metav1.Duration':
      return 't';
    default: {
      const [prefix, type] = text.includes('.') ? text.split('.') : [group, text];
      const target = text.includes('.') ? imports.get(prefix!) : group;
      return target === undefined ? 'v' : `${target}.${type}`;
    }
  }
}

function resolve(name: string): string {
  const target = aliases.get(name);
  if (target === undefined) return name;
  return typeOf(name.split('.')[0]!, new Map(), target).replace(/[a-z]+\.[A-Za-z0-9]+/g, (part) => resolve(part));
}

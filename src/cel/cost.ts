/** What a call costs when it runs. Source: cel-go/interpreter/runtimecost.go, apiserver/pkg/cel/library/cost.go. */
import { ListValue, MapValue, Opaque, type Value } from './values.ts';

const traversal = 0.1;
const regexLength = 0.25;

/** Length of texts, lists and maps; 1 for everything else. */
export function sizeOf(value: Value | undefined): number {
  if (typeof value === 'string') return value.length < 64 ? [...value].length : value.length;
  if (value instanceof Uint8Array) return value.length;
  if (value instanceof ListValue || value instanceof MapValue) return value.size;
  if (value instanceof Opaque && 'costSize' in value) return Number(value.costSize);
  return 1;
}

const scan = (value: Value | undefined, factor = 1): number => Math.ceil(sizeOf(value) * factor * traversal);

/** The whole tree of a list. */
function traversalCost(value: Value | undefined): number {
  if (value instanceof ListValue) {
    let cost = 0;
    for (const item of value) cost += traversalCost(item);
    return cost;
  }
  if (typeof value === 'string' || value instanceof Uint8Array) return Math.ceil(sizeOf(value) * traversal);
  return 1;
}

const matchCost = (text: Value | undefined, patternSize: number): number =>
  Math.ceil((1 + sizeOf(text)) * traversal) * Math.ceil(patternSize * regexLength);

const nominal: ReadonlySet<string> = new Set(
  'serviceAccount path group resource subresource namespace name allowed reason error errored masked prefixLength family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast format.named sign asInteger isInteger asApproximateFloat isGreaterThan isLessThan compareTo add sub major minor patch getScheme getHostname getHost getPort getEscapedPath getQuery'.split(
    ' ',
  ),
);

export function callCost(name: string, overloads: readonly string[], args: readonly Value[], result: Value): number {
  if (nominal.has(name)) return 1;
  const [a, b] = args;
  switch (name) {
    case 'check':
      return 350_000;
    case 'fieldSelector':
    case 'labelSelector': {
      const length = sizeOf(b);
      return 10 + Math.ceil(length * traversal) + Math.ceil(Math.ceil(length * 0.5) * 50);
    }
    case 'isSorted':
    case 'sum':
    case 'max':
    case 'min':
    case 'indexOf':
    case 'lastIndexOf':
      return traversalCost(a);
    case 'url':
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim':
    case 'jsonpatch.escapeKey':
    case 'cidr':
    case 'isIP':
    case 'isCIDR':
    case 'quantity':
    case 'isQuantity':
    case 'semver':
    case 'isSemver':
    case 'startsWith':
    case 'endsWith':
      return scan(a);
    case 'ip':
      return overloads.includes('cidr_ip') ? 1 : scan(a);
    case 'ip.isCanonical':
    case 'replace':
    case 'split':
      return scan(a, 2);
    case 'join':
      return scan(result, 2);
    case 'find':
    case 'findAll':
      return matchCost(a, sizeOf(b));
    case 'matches':
      return matchCost(a, sizeOf(b));
    case 'validate':
      return matchCost(b, a instanceof Opaque && 'patternSize' in a ? Number(a.patternSize) : 1);
    case 'containsIP':
      return Math.ceil(sizeOf(a) * 2 * traversal) + (typeof b === 'string' ? scan(b) : 0);
    case 'containsCIDR':
      return (
        Math.ceil(sizeOf(a) * 2 * traversal) +
        Math.ceil(sizeOf(a) * traversal) +
        1 +
        (typeof b === 'string' ? scan(b) : 0)
      );
    case 'contains':
      return scan(a) * scan(b);
    case '_==_':
    case '_!=_':
      if (a instanceof Opaque) return 1;
      return Math.ceil(Math.min(sizeOf(a), sizeOf(b)) * traversal);
    case '_<_':
    case '_<=_':
    case '_>_':
    case '_>=_':
      if (typeof a === 'string' || a instanceof Uint8Array)
        return Math.ceil(Math.min(sizeOf(a), sizeOf(b)) * traversal);
      return 1;
    case '_+_':
      if (typeof a === 'string' || a instanceof Uint8Array) return Math.ceil((sizeOf(a) + sizeOf(b)) * traversal);
      return 1;
    case '@in':
      return b instanceof ListValue ? sizeOf(b) : 1;
    case 'bytes':
    case 'string':
      return (typeof a === 'string' && name === 'bytes') || (a instanceof Uint8Array && name === 'string')
        ? scan(a)
        : 1;
    case 'sets.contains':
    case 'sets.intersects':
      return sizeOf(a) * sizeOf(b);
    case 'sets.equivalent':
      return sizeOf(a) * sizeOf(b) * 2;
    default:
      return 1;
  }
}

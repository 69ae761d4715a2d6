import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostRecord } from './hosts-record.ts';
import { renderUplink, withAddresses, workerNames } from './simulated-hosts.ts';

const host = (name: string, last: number): HostRecord => ({ name, address: `10.190.3.${last}` });
const cases: readonly {
  readonly name: string;
  readonly wanted: readonly string[];
  readonly known: readonly HostRecord[];
  readonly want: readonly string[];
}[] = [
  { name: 'new hosts get addresses in their order', wanted: ['a', 'b'], known: [], want: ['11', '12'] },
  { name: 'a known host keeps its own', wanted: ['a', 'b'], known: [host('b', 40)], want: ['11', '40'] },
  { name: 'nobody gets the address of another', wanted: ['a', 'b'], known: [host('b', 11)], want: ['12', '11'] },
  { name: 'one that is no longer wanted keeps others off', wanted: ['a'], known: [host('z', 11)], want: ['12'] },
];
for (const c of cases)
  test(`host addresses: ${c.name}`, () => {
    const found = withAddresses(
      c.wanted.map((name) => ({ name })),
      c.known,
      '10.190.3.0/24',
    );
    assert.deepEqual(
      found.map(({ name, address }) => [name, address]),
      c.wanted.map((name, i) => [name, `10.190.3.${c.want[i]}`]),
    );
  });

test('host addresses: workers are numbered from 1', () =>
  assert.deepEqual(
    workerNames(2).map(({ name }) => name),
    ['worker-1', 'worker-2'],
  ));

test('uplink: what leaves the segment is masqueraded, what stays on it is not', () =>
  assert.match(
    renderUplink('12345678', {
      keeper: { pid: 1, startTime: '', bootId: '' },
      linkName: 'bireme-12345678',
      cidr: '10.190.3.0/24',
      gateway: '10.190.3.1',
      mtu: 1500,
    }),
    /ip saddr 10\.190\.3\.0\/24 oifname != "bireme-12345678" masquerade/,
  ));

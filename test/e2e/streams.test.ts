/** What needs a node, with the kubectl of several versions: exec, attach, port-forward, cp, logs, debug, top, cordon, taint, drain. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxArchive } from '../images.ts';
import { findCommand, kubectlVersion, requires } from '../requirements.ts';
import { containerdNeeds, type Machine, startMachine } from './machine.ts';

// Of each protocol one: SPDY (1.20 and 1.27), WebSocket for exec (1.30), WebSocket for all (1.33).
const versions = ['1.20', '1.27', '1.30', '1.33'];
/** What differs from version to version; the rest is asked with the newest kubectl only. */
const isVersioned =
  /^(exec tells|100 MB of standard input|a terminal|attach|cp|port-forward|logs: the last|debug|top|cordon|taint|drain)/;
const image = 'localhost/test/busybox:1';
const bytes = 100_000_000;

test('streams: exec, attach, port-forward, cp, logs, debug and top with several kubectls', async (t) => {
  const all = versions.map(kubectlVersion);
  const usable = all.filter((program) => findCommand(program));
  const commands = [...(containerdNeeds.commands ?? []), 'curl'];
  if (!requires(t, { ...containerdNeeds, commands, optional: usable.length > 0 ? usable : all })) return;
  const machine = await startMachine(t);
  const archive = join(machine.folder, 'busybox.tar');
  writeFileSync(archive, busyboxArchive(image));
  const config = join(machine.folder, 'kubelet.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      kind: 'KubeletConfiguration',
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      containerLogMaxSize: '200Ki',
      containerLogMaxFiles: 3,
      containerLogMonitorInterval: '3s',
    }),
  );
  const up = await machine.bireme('up', '--kubelet-config', config);
  assert.equal(up.code, 0, up.stderr);
  t.after(() => machine.bireme('down'));
  assert.equal((await machine.bireme('image import', archive)).code, 0);
  for (const name of ['s', 'talker', 'quitter'])
    writeFileSync(join(machine.folder, `${name}.json`), JSON.stringify(pods[name]));
  for (const program of usable) {
    await t.test(program.replace(/.*kubectl/, 'kubectl'), async (t) => {
      const shell = shellOf(machine, program);
      for (const name of ['s', 'talker', 'quitter']) await shell(`$K apply -f $F/${name}.json`);
      await shell('$K wait --for=condition=Ready pod/s pod/talker --timeout=60s');
      for (const [name, script, want] of casesFor(program, program === usable.at(-1)))
        await t.test(name, async () => {
          const { code, stdout, stderr } = await machine.run('sh', '-c', prepared(machine, program, script));
          const got = `${stdout.trim()}|${code}`;
          if (typeof want === 'string') assert.equal(got, want, stderr);
          else assert.match(got, want, `${got}\n${stderr}`);
        });
      await shell('$K delete pod s talker quitter --grace-period=1 --wait=true');
    });
  }
});

/** name, script, standard output and exit code. */
type Case = readonly [string, string, string | RegExp];
const cases: readonly Case[] = [
  ['exec tells the exit code', '$K exec s -c c -- sh -c "echo out; echo err >&2; exit 7" 2>/dev/null', 'out|7'],
  [
    'exec keeps standard output and error apart',
    '$K exec s -c c -- sh -c "echo out; echo err >&2" 2>&1 >/dev/null',
    'err|0',
  ],
  ['a command that is not there', '$K exec s -c c -- nosuch 2>&1 | grep -c "executable file not found"', '1|0'],
  ['100 MB of standard input, then its end', `head -c ${bytes} /dev/zero | $K exec -i s -c c -- wc -c`, `${bytes}|0`],
  ['100 MB of standard output', `$K exec s -c c -- head -c ${bytes} /dev/zero | wc -c`, `${bytes}|0`],
  [
    'a terminal, its size and the exit code',
    // The terminal's input stays open: at its end "script" types an end-of-file, which the container's terminal may echo into the answer.
    `rm -f $F/in; mkfifo $F/in; exec 3<>$F/in; script -qec "stty rows 40 cols 100; $K exec -it s -c c -- sh -c 'until stty size 2>/dev/null | grep -x \\"40 100\\"; do sleep 0.05; done; tty; exit 5'" /dev/null <&3 | tr -d '\\r' | head -2; script -qec "$K exec -it s -c c -- sh -c 'exit 5'" /dev/null <&3 >/dev/null; echo $?`,
    /^40 100\n\/dev\/pts\/\d+\n5\|0$/,
  ],
  [
    'attach speaks with the container',
    // The input stays open until the answer is there: containerd ends the outputs with it.
    'rm -f $F/said; mkfifo $F/said; exec 3<>$F/said; timeout 60 $K attach -i s -c cat <&3 >$F/heard 2>/dev/null & p=$!; echo hello >$F/said; for i in $(seq 300); do grep -q hello $F/heard && break; sleep 0.1; done; kill $p; head -1 $F/heard',
    'hello|0',
  ],
  [
    'cp there and back is the same',
    'head -c 5000000 /dev/urandom > $F/f; $K cp $F/f s:/tmp/f -c c 2>/dev/null; $K cp s:/tmp/f $F/g -c c 2>/dev/null; cmp $F/f $F/g && echo same',
    /same\|0/,
  ],
  [
    'port-forward takes twenty requests at once',
    '$K port-forward pod/s 18080:8080 >/dev/null 2>&1 & p=$!; for i in 1 2 3 4 5 6 7 8; do sleep 0.5; curl -sf http://127.0.0.1:18080/ >/dev/null && break; done; for i in $(seq 20); do curl -s http://127.0.0.1:18080/ & done | grep -c page; kill $p',
    '20|0',
  ],
  ['logs: the last lines', '$K logs talker --tail=2 | wc -l', '2|0'],
  ['logs: with stamps', '$K logs talker --tail=1 --timestamps | grep -cE "^20[0-9-]+T[0-9:.]+Z line"', '1|0'],
  ['logs: since a moment ago', '$K logs talker --since=1h --limit-bytes=10 | wc -c', '10|0'],
  ['logs: since the future', '$K logs talker --since-time=2099-01-01T00:00:00Z | wc -c', '0|0'],
  [
    'logs: of the container before',
    'for i in $(seq 40); do [ "$($K get pod quitter -o jsonpath={.status.containerStatuses[0].restartCount})" != 0 ] && break; sleep 0.5; done; $K logs quitter --previous',
    'bye|0',
  ],
  [
    'logs: followed over rotations, no line is missing',
    '$K exec talker -- sh -c "rm -f /tmp/go; touch /tmp/burst" ; timeout 25 $K logs -f talker --tail=1 | grep -m1 -c "line 6000$"',
    '1|0',
  ],
  [
    'debug: a copy of a pod with another container',
    '$K debug quitter --copy-to=copy --image=localhost/test/busybox:1 --attach=false -c dbg -- sleep 1000 >/dev/null 2>&1; $K get pod copy -o jsonpath="{.spec.containers[*].name}"; $K delete pod copy --grace-period=1 >/dev/null',
    'main dbg|0',
  ],
  [
    'debug: an ephemeral container sees the processes of its target',
    '$K debug s --image=localhost/test/busybox:1 --image-pull-policy=IfNotPresent --target=c --attach=false -c dbg -- sleep 1000 >/dev/null 2>&1; for i in $(seq 60); do sleep 0.5; $K exec s -c dbg -- ps 2>$F/why | grep "httpd -p" >$F/seen && break; done; [ -s $F/seen ] || cat $F/why >&2; grep -c . $F/seen',
    /^[1-9]\d*\|0/,
  ],
  [
    'top: what pods use',
    'for i in $(seq 80); do $K top pod talker >/dev/null 2>&1 && break; sleep 0.5; done; $K top pod talker --no-headers | grep -cE "talker +[0-9]+m +[0-9]+Mi"',
    '1|0',
  ],
  ['top: what nodes use', '$K top node --no-headers | grep -cE "[0-9]+m +[0-9]+% +[0-9]+Mi"', '1|0'],
  [
    'cordon and uncordon',
    '$K cordon machine >/dev/null; $K get node machine --no-headers | grep -c SchedulingDisabled; $K uncordon machine',
    '1\nnode/machine uncordoned|0',
  ],
  [
    'taint, and away with it',
    '$K taint node machine a=b:NoSchedule >/dev/null; $K get node machine -o jsonpath="{.spec.taints[*].key}"; $K taint node machine a- >/dev/null; $K get node machine -o jsonpath="{.spec.taints}"',
    'a|0',
  ],
  [
    'drain evicts what it is told to',
    '$K run drained --image=localhost/test/busybox:1 --labels=drain=me -- sleep 1000 >/dev/null; $K wait --for=condition=Ready pod/drained --timeout=60s; $K drain machine --pod-selector=drain=me --force --grace-period=1 --timeout=60s 2>/dev/null | grep -E "evict|drained"; $K get pod drained --ignore-not-found; $K uncordon machine',
    /evicting pod default\/drained\npod\/drained evicted\nnode\/machine (drained|evicted)\nnode\/machine uncordoned\|0$/,
  ],
];

/** The ephemeral containers that kubectl 1.20 writes are of a kind that came and went before v1.23. */
const casesFor = (program: string, isNewest: boolean): readonly Case[] =>
  cases.filter(
    ([name]) =>
      (isNewest || isVersioned.test(name)) && !(program.endsWith('1.20') && name.startsWith('debug: an ephemeral')),
  );

const container = (name: string, script: string, more: object = {}) => ({
  name,
  image,
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', script],
  ...more,
});
const pod = (name: string, ...containers: readonly object[]) => ({
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name },
  spec: { terminationGracePeriodSeconds: 1, containers },
});
const pods: Readonly<Record<string, object>> = {
  s: pod(
    's',
    container('c', 'mkdir /www; echo page > /www/index.html; httpd -p 8080 -h /www; exec sleep 100000'),
    container('cat', 'exec cat', { stdin: true }),
  ),
  talker: pod(
    'talker',
    container(
      'main',
      'i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; while [ ! -e /tmp/burst ]; do sleep 0.2; done; while [ $i -lt 6000 ]; do i=$((i+1)); [ $((i % 500)) = 0 ] && sleep 1; echo "a line that is long enough to fill files soon, number $i, so that they are rotated: line $i"; done; exec sleep 100000',
    ),
  ),
  quitter: pod('quitter', container('main', 'echo bye; sleep 1; exit 1')),
};

const prepared = (machine: Machine, program: string, script: string): string =>
  `cd ${machine.folder}; export K=${program} F=${machine.folder}; ${script.replaceAll('$K', program).replaceAll('$F', machine.folder)}`;
const shellOf =
  (machine: Machine, program: string) =>
  async (script: string): Promise<string> =>
    machine.ok('sh', '-c', prepared(machine, program, script));

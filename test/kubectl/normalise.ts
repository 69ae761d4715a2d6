/** Masks what differs between any two runs of a command: times, ages, ids, numbers the server or the machine chose, column widths. */

import { stripVTControlCharacters } from 'node:util';

/** Of these a map's order, another each time, is the order of lines: in upstream's server or in kubectl. */
const unordered = /--list|^get (cs|componentstatuses)|^describe (configmap|secret)/;

/** @param command descriptions of `explain` go, as ours are in words of our own. */
export function normalise(output: string, command: string): string {
  const lines = withoutOpenShift(stripVTControlCharacters(output)).split('\n').filter(isKept).map(cleanLine);
  if (command.startsWith('explain')) return lines.filter((line) => line !== '' && !/^ {4}/.test(line)).join('\n');
  if (unordered.test(command))
    return lines
      .filter((line) => line !== '')
      .sort()
      .join('\n');
  return lines.join('\n').trimEnd();
}

/** Not: what the client logs, with its time, process and line; what a build knows of itself. */
const isKept = (line: string): boolean =>
  !/^Kustomize Version/i.test(line) &&
  !/^[EWI]\d{4} /.test(line) &&
  !/"?(gitCommit|gitTreeState|buildDate|goVersion|compiler|platform)"?:/.test(line);

/** The lab's upstream is built from OpenShift's tree, whose pods get one more certificate. */
const withoutOpenShift = (output: string): string =>
  output
    .replace(
      / +- configMap:\n +items:\n +- key: service-ca\.crt\n +path: service-ca\.crt\n +name: openshift-service-ca\.crt\n/g,
      '',
    )
    .replace(
      /,\n-\s+\{\n-\s+"Secret": null,\n-\s+"DownwardAPI": null,\n-\s+"ConfigMap": \{\n-\s+"Name": "openshift-service-ca[\s\S]*?"PodCertificate": null\n-\s+\}/g,
      '',
    )
    .replace(/ +ConfigMapName: +openshift-service-ca\.crt\n( +(ConfigMapOptional|Optional): .*\n)?/g, '')
    .replace(
      /,\n +\{\n +"configMap": \{\n +"items": \[\n +\{\n +"key": "service-ca\.crt",\n.*\n +\}\n +\],\n.*\n +\}\n +\}/g,
      '',
    )
    .replace(/^ +\[\/\.well-known(\/\*)?\] .*\n/gm, '');

const rules: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID'],
  [/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, 'TIME'],
  [/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, 'TIME'],
  [/(resourceVersion"?: ?"?)\d+/g, '$1N'],
  [/(uid"?: ?"?)[\w-]+/g, '$1UID'],
  [/10\.\d+\.(?!0\.1\b)\d+\.\d+/g, 'CLUSTERIP'],
  [/\b3[0-2]\d{3}\b(?!")/g, 'NODEPORT'],
  [/(127\.0\.0\.1|localhost):\d+/g, 'SERVER'],
  [/debugger-\w{5}\b/g, 'debugger-SUFFIX'],
  [/kube-api-access-\w{5}\b/g, 'kube-api-access-SUFFIX'],
  [/(Resource Version: +)\d+/, '$1N'],
  [/(targetPort":)\d+/, '$1PORT'],
  [/(serverAddress":")[^"]+/, '$1ADDRESS'],
  [/--cache-dir=\S+/, '--cache-dir=DIR'],
  [/, GitCommit:.*/, ''],
  [/(v1\.(20|27|30|33))\.\d+/g, '$1.PATCH'],
  [/\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \w+/g, 'TIME'],
  [/(kubernetes|lab)-admin/g, 'ADMIN'],
  [/X509SHA256=[0-9a-f]+/g, 'X509SHA256=DIGEST'],
  [/^@@ -\d.*/, '@@'],
  [/\b(\d+[ydhms]){1,2}( ago)?\)?$/, 'AGE'],
  [/^(\d+[ydhms]){1,2}(?= {2}| \()/, 'AGE'],
  [/(x\d+ over )(\d+[ydhms]){1,2}/, '$1AGE'],
  [/^(\S.*) {2,}(\d+[ydhms]){1,2}\b/, '$1  AGE'],
];

/** Column widths follow ages; indentation stays. */
function cleanLine(line: string): string {
  let text = line.trimEnd();
  for (const [pattern, by] of rules) text = text.replace(pattern, by);
  const indent = /^ */.exec(text)![0];
  return indent + text.slice(indent.length).replace(/ {2,}/g, '  ');
}

/**
 * `$(VAR)` in command, args and env values: known names are replaced, unknown ones stay as written, `$$(VAR)` is an escaped `$(VAR)`.
 * Source: k8s.io/kubernetes/third_party/forked/golang/expansion.
 */
export function expand(input: string, lookup: (name: string) => string | undefined): string {
  let dollar = input.indexOf('$');
  if (dollar < 0) return input;
  let out = '';
  let done = 0;
  while (dollar >= 0 && dollar + 1 < input.length) {
    out += input.slice(done, dollar);
    const next = input[dollar + 1];
    if (next === '$') {
      out += '$';
      done = dollar + 2;
    } else if (next === '(') {
      const end = input.indexOf(')', dollar + 2);
      if (end < 0) {
        // An unclosed reference is plain text.
        out += '$(';
        done = dollar + 2;
      } else {
        const name = input.slice(dollar + 2, end);
        out += lookup(name) ?? `$(${name})`;
        done = end + 1;
      }
    } else {
      out += `$${next}`;
      done = dollar + 2;
    }
    dollar = input.indexOf('$', done);
  }
  return out + input.slice(done);
}

/** Names of fields as expressions write them: `my-field` is `my__dash__field`. Source: apiserver/pkg/cel/escaping.go. */

const keywords: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

const escapes: Readonly<Record<string, string>> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__',
};

/** @returns undefined for a name that cannot be written. */
export function escapeField(name: string): string | undefined {
  if (name === '' || /^\d/.test(name)) return undefined;
  if (keywords.has(name)) return `__${name}__`;
  const text = name.replace(/__|[.\-/]/g, (part) => escapes[part]!);
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text) ? text : undefined;
}

export function unescapeField(text: string): string {
  if (!text.includes('__')) return text;
  const keyword = /^__([a-z]+)__$/.exec(text)?.[1];
  if (keyword !== undefined && keywords.has(keyword)) return keyword;
  return text.replace(
    /__(underscores|dot|dash|slash)__/g,
    (_all, part: string) => ({ underscores: '__', dot: '.', dash: '-', slash: '/' })[part]!,
  );
}

/**
 * The exports of a CommonJS module that was imported late. Node gives them by name and as the default; a bundle gives the default alone, so
 * whoever writes `(await import('x')).name` works from the sources and fails in the published package.
 */
export function commonJs<T extends object>(module: T): T {
  return ('default' in module ? module.default : module) as T;
}

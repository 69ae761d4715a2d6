/**
 * The forms an answer can have (decision 5): one per (served version, media type, full | metadata | table). Made on demand, interned, shared by all requests and
 * watchers that ask for the same.
 */
import type { Encodable, ResponseBody, WatchFrame } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { WatchForm } from '../watch-cache/cache-event.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';

/** In struct order: it is written as it stands. */
export interface ListMeta extends JsonObject {
  readonly resourceVersion?: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export interface Form extends WatchForm {
  encodable(object: CachedObject): Encodable;
  /** An object that is in no cache (dry runs): whole, in the served version. */
  encodableValue(value: JsonObject, encode: (value: JsonObject) => Uint8Array): Encodable;
  list(objects: readonly CachedObject[], meta: ListMeta): ResponseBody;
}

/** For streams whose first event differs from the others (tables: only the first names the columns). */
export interface FirstFrameForm extends Form {
  first(frame: WatchFrame): WatchFrame;
}
export const hasFirstFrame = (form: Form): form is FirstFrameForm => 'first' in form;

/**
 * The webhooks that are configured, in the order they are asked: configurations by name, webhooks as written. Made once for each change of a configuration.
 * Source: apiserver/pkg/admission/configuration.
 */
import { type LabelMatcher, labelMatcherFrom, SelectorError } from '../../../api/selectors/label-selector.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
} from '../../../api/types/admissionregistration-v1.ts';
import type { ObjectReader } from '../../registry/object-reader.ts';
import type { CompileMatchConditions, MatchConditions } from './match-conditions.ts';

/** A validating webhook has no reinvocation policy; all else is one. */
export type Webhook = MutatingWebhook | ValidatingWebhook;

export interface Hook {
  /** Configuration, webhook and a number: names may come twice. */
  readonly uid: string;
  readonly configuration: string;
  readonly webhook: Webhook;
  readonly namespaces: Selector;
  readonly objects: Selector;
  readonly conditions: MatchConditions | undefined;
}

/** A selector that could not be read fails each request it would decide about. */
export type Selector =
  | { readonly kind: 'all' }
  | { readonly kind: 'matcher'; readonly matcher: LabelMatcher }
  | { readonly kind: 'broken'; readonly error: Error };

/** @returns asked at each request; the same array until a configuration changes */
export function configuredHooks(
  reader: ObjectReader,
  resource: 'mutatingwebhookconfigurations' | 'validatingwebhookconfigurations',
  compile: CompileMatchConditions | undefined,
): () => readonly Hook[] {
  let hooks: readonly Hook[] | undefined;
  reader.onChange('admissionregistration.k8s.io', resource, () => {
    hooks = undefined;
  });
  return () => {
    hooks ??= (
      reader.list('admissionregistration.k8s.io', resource, '') as unknown as readonly MutatingWebhookConfiguration[]
    )
      .toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
      .flatMap((configuration) => hooksOf(configuration, compile));
    return hooks;
  };
}

function hooksOf(
  { metadata, webhooks = [] }: MutatingWebhookConfiguration,
  compile: CompileMatchConditions | undefined,
): readonly Hook[] {
  const seen = new Map<string, number>();
  const configuration = metadata.name ?? '';
  return webhooks.map((webhook) => {
    const number = seen.get(webhook.name) ?? 0;
    seen.set(webhook.name, number + 1);
    const conditions = webhook.matchConditions ?? [];
    return {
      uid: `${configuration}/${webhook.name}/${number}`,
      configuration,
      webhook,
      namespaces: selectorOf(webhook.namespaceSelector),
      objects: selectorOf(webhook.objectSelector),
      conditions:
        conditions.length === 0
          ? undefined
          : (compile ?? withoutCompiler)(conditions, webhook.failurePolicy === 'Ignore' ? 'Ignore' : 'Fail'),
    };
  });
}

function selectorOf(selector: Webhook['namespaceSelector']): Selector {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  // An absent selector selects everything here, and so does an empty one.
  if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return { kind: 'all' };
  try {
    return { kind: 'matcher', matcher: labelMatcherFrom(selector) };
  } catch (error) {
    if (error instanceof SelectorError) return { kind: 'broken', error };
    throw error;
  }
}

const withoutCompiler: CompileMatchConditions = () => ({
  match: () => ({
    kind: 'error',
    message: 'match conditions cannot be evaluated: this API server was set up without CEL',
  }),
});

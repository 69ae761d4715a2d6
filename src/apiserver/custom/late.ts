/** What custom resources need of expressions and regular expressions, loaded when a definition asks for it (decision 18). */
import type { FieldError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { CustomResourceDefinition } from '../../api/types/apiextensions-v1.ts';
import type { Random } from '../../base/random.ts';
import type { Strategy } from '../strategies/strategy.ts';
import type { WebhookClient } from '../webhook/client.ts';
import { conversionWebhook } from './conversion-webhook.ts';
import type { KindOptions } from './kind.ts';

const id = 'apiextensions.k8s.io/customresourcedefinitions';

/** Definitions are also judged by what only a compiler can tell. */
export function withDefinitionRules(
  strategies: Readonly<Record<string, Strategy>>,
): Readonly<Record<string, Strategy>> {
  const strategy = strategies[id];
  if (strategy === undefined) return strategies;
  let judge: typeof import('./definition-rules.ts') | undefined;
  const more: Strategy = {
    ...strategy,
    load() {
      if (judge !== undefined) return undefined;
      return import('./definition-rules.ts').then((loaded) => {
        judge = loaded;
      });
    },
    validate(object, request) {
      const errors = strategy.validate?.(object, request) ?? [];
      return withSchemas(errors, () => judge!.definitionErrors(object, undefined));
    },
    validateUpdate(next, previous, request) {
      const errors = strategy.validateUpdate?.(next, previous, request) ?? [];
      return withSchemas(errors, () => judge!.definitionErrors(next, previous));
    },
  };
  return { ...strategies, [id]: more };
}

/** What is judged after a definition's schemas. */
const afterSchemas =
  /^(?:spec\.(?:versions\[\d+\]\.)?(?:selectableFields|subresources|additionalPrinterColumns)|spec\.conversion|status)\b/;

/** Schemas that are structural are looked into, whatever else is wrong with the definition. */
function withSchemas(errors: readonly FieldError[], judge: () => readonly FieldError[]): readonly FieldError[] {
  if (errors.length === 0) return judge();
  if (errors.some(({ field }) => !afterSchemas.test(field ?? ''))) return errors;
  return [...judge(), ...errors];
}

export async function kindOptions(
  definition: CustomResourceDefinition,
  { webhooks, random }: { readonly webhooks: WebhookClient; readonly random: Random },
): Promise<Omit<KindOptions, 'objectMeta' | 'listMeta'>> {
  const webhook = conversionWebhook(definition, webhooks, random);
  const conversion = webhook ? { webhook } : {};
  if (!hasRules(definition as unknown as JsonObject)) return { rules: () => undefined, ...conversion };
  const { ruleValidator } = await import('./rules.ts');
  return { rules: (type) => ruleValidator(type.custom?.schema), ...conversion };
}

/** Somewhere in the schemas stands a rule. */
function hasRules(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasRules);
  return Object.entries(value).some(([key, member]) => key === 'x-kubernetes-validations' || hasRules(member));
}

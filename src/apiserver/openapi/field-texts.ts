/**
 * What fields mean, for `kubectl explain`: of the metadata that every kind shares (clients look for how some of these begin), and, from
 * `schema/field-texts.json`, of the kinds people use most. Loaded with OpenAPI, which few processes serve.
 */
import given from '../../../schema/field-texts.json' with { type: 'json' };

export const metadataText =
  "Standard object's metadata: its name, namespace, labels, annotations and what the server keeps about it.";
export const apiVersionText =
  'APIVersion defines the group and version in which this object is written, such as apps/v1.';
export const kindText = 'Kind is what this object is, in CamelCase, such as Deployment. It cannot be changed.';

const objectMeta: Readonly<Record<string, string>> = {
  annotations: 'Annotations are unstructured notes of tools and people. Nothing is selected by them.',
  creationTimestamp:
    'CreationTimestamp is a timestamp of the moment when the server made this object, in UTC. The server sets it; clients cannot.',
  deletionGracePeriodSeconds:
    'DeletionGracePeriodSeconds is how long this object may take to end before it is removed. Set with deletionTimestamp; it can only be shortened.',
  deletionTimestamp:
    'DeletionTimestamp is the moment after which this object is removed, once its finalizers are gone. The server sets it when a deletion is asked for; it cannot be taken back.',
  finalizers:
    'Finalizers must be empty before the object goes. Each names a component that has something to tidy up and takes its entry out afterwards.',
  generateName:
    'GenerateName is the beginning of a name that the server completes when name is empty. A name that is taken is tried again a few times.',
  generation: 'Generation counts the changes of the desired state. The server sets it.',
  labels: 'Labels are names and values by which objects are grouped and selected.',
  managedFields:
    'ManagedFields says which fields were set by whom. Server-side apply keeps it; few people need to read it.',
  name: 'Name is unique among the objects of a kind in a namespace. It cannot be changed.',
  namespace:
    'Namespace is the space within which the name must be unique. Empty for what belongs to the whole cluster.',
  ownerReferences:
    'OwnerReferences are the objects this one depends on. When all of them are gone, it is removed too. At most one is the controller.',
  resourceVersion:
    'ResourceVersion is a value that changes with each change of the object. Compare it for equality only; watches start from it.',
  selfLink: 'SelfLink is no longer set.',
  uid: 'UID tells this object from any other, earlier or later, of the same name. The server sets it.',
};

const texts: Readonly<Record<string, Readonly<Record<string, string | undefined>>>> = {
  ...given,
  'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': objectMeta,
};

const ofKinds: Readonly<Record<string, string>> = {
  apiVersion: apiVersionText,
  kind: kindText,
  metadata: metadataText,
};

/** @param openapiName of the struct. @param isKind it is an object with a kind of its own. @returns undefined where nothing is written yet. */
export const fieldText = (openapiName: string, field: string, isKind: boolean): string | undefined =>
  texts[openapiName]?.[field] ?? (isKind ? ofKinds[field] : undefined);

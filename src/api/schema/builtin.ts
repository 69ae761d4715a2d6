// Generated from schema/ by `npm run update`. Do not edit.
/** The built-in v1.36 schema, assembled once at import from the files in `schema/`; immutable and shared by all instances. */
import admissionregistration_v1 from '../../../schema/types/admissionregistration.v1.json' with { type: 'json' };
import admissionregistration_v1alpha1 from '../../../schema/types/admissionregistration.v1alpha1.json' with { type: 'json' };
import admissionregistration_v1beta1 from '../../../schema/types/admissionregistration.v1beta1.json' with { type: 'json' };
import apiextensions_v1 from '../../../schema/types/apiextensions.v1.json' with { type: 'json' };
import apimachinery from '../../../schema/types/apimachinery.json' with { type: 'json' };
import apiregistration_v1 from '../../../schema/types/apiregistration.v1.json' with { type: 'json' };
import apiserverinternal_v1alpha1 from '../../../schema/types/apiserverinternal.v1alpha1.json' with { type: 'json' };
import apps_v1 from '../../../schema/types/apps.v1.json' with { type: 'json' };
import authentication_v1 from '../../../schema/types/authentication.v1.json' with { type: 'json' };
import authorization_v1 from '../../../schema/types/authorization.v1.json' with { type: 'json' };
import autoscaling_v1 from '../../../schema/types/autoscaling.v1.json' with { type: 'json' };
import autoscaling_v2 from '../../../schema/types/autoscaling.v2.json' with { type: 'json' };
import batch_v1 from '../../../schema/types/batch.v1.json' with { type: 'json' };
import certificates_v1 from '../../../schema/types/certificates.v1.json' with { type: 'json' };
import certificates_v1alpha1 from '../../../schema/types/certificates.v1alpha1.json' with { type: 'json' };
import certificates_v1beta1 from '../../../schema/types/certificates.v1beta1.json' with { type: 'json' };
import coordination_v1 from '../../../schema/types/coordination.v1.json' with { type: 'json' };
import coordination_v1alpha2 from '../../../schema/types/coordination.v1alpha2.json' with { type: 'json' };
import coordination_v1beta1 from '../../../schema/types/coordination.v1beta1.json' with { type: 'json' };
import core_v1 from '../../../schema/types/core.v1.json' with { type: 'json' };
import discovery_v1 from '../../../schema/types/discovery.v1.json' with { type: 'json' };
import events_v1 from '../../../schema/types/events.v1.json' with { type: 'json' };
import flowcontrol_v1 from '../../../schema/types/flowcontrol.v1.json' with { type: 'json' };
import meta_v1 from '../../../schema/types/meta.v1.json' with { type: 'json' };
import networking_v1 from '../../../schema/types/networking.v1.json' with { type: 'json' };
import networking_v1beta1 from '../../../schema/types/networking.v1beta1.json' with { type: 'json' };
import node_v1 from '../../../schema/types/node.v1.json' with { type: 'json' };
import policy_v1 from '../../../schema/types/policy.v1.json' with { type: 'json' };
import rbac_v1 from '../../../schema/types/rbac.v1.json' with { type: 'json' };
import resource_v1 from '../../../schema/types/resource.v1.json' with { type: 'json' };
import resource_v1alpha3 from '../../../schema/types/resource.v1alpha3.json' with { type: 'json' };
import resource_v1beta1 from '../../../schema/types/resource.v1beta1.json' with { type: 'json' };
import resource_v1beta2 from '../../../schema/types/resource.v1beta2.json' with { type: 'json' };
import scheduling_v1 from '../../../schema/types/scheduling.v1.json' with { type: 'json' };
import scheduling_v1alpha2 from '../../../schema/types/scheduling.v1alpha2.json' with { type: 'json' };
import storage_v1 from '../../../schema/types/storage.v1.json' with { type: 'json' };
import storage_v1beta1 from '../../../schema/types/storage.v1beta1.json' with { type: 'json' };
import storagemigration_v1beta1 from '../../../schema/types/storagemigration.v1beta1.json' with { type: 'json' };
import resources from '../../../schema/resources.json' with { type: 'json' };
import { buildSchema, type ResourcesFile, type TypeFile } from './load.ts';
import type { Schema } from './model.ts';

const files: Readonly<Record<string, unknown>> = {
  'admissionregistration.v1': admissionregistration_v1,
  'admissionregistration.v1alpha1': admissionregistration_v1alpha1,
  'admissionregistration.v1beta1': admissionregistration_v1beta1,
  'apiextensions.v1': apiextensions_v1,
  'apimachinery': apimachinery,
  'apiregistration.v1': apiregistration_v1,
  'apiserverinternal.v1alpha1': apiserverinternal_v1alpha1,
  'apps.v1': apps_v1,
  'authentication.v1': authentication_v1,
  'authorization.v1': authorization_v1,
  'autoscaling.v1': autoscaling_v1,
  'autoscaling.v2': autoscaling_v2,
  'batch.v1': batch_v1,
  'certificates.v1': certificates_v1,
  'certificates.v1alpha1': certificates_v1alpha1,
  'certificates.v1beta1': certificates_v1beta1,
  'coordination.v1': coordination_v1,
  'coordination.v1alpha2': coordination_v1alpha2,
  'coordination.v1beta1': coordination_v1beta1,
  'core.v1': core_v1,
  'discovery.v1': discovery_v1,
  'events.v1': events_v1,
  'flowcontrol.v1': flowcontrol_v1,
  'meta.v1': meta_v1,
  'networking.v1': networking_v1,
  'networking.v1beta1': networking_v1beta1,
  'node.v1': node_v1,
  'policy.v1': policy_v1,
  'rbac.v1': rbac_v1,
  'resource.v1': resource_v1,
  'resource.v1alpha3': resource_v1alpha3,
  'resource.v1beta1': resource_v1beta1,
  'resource.v1beta2': resource_v1beta2,
  'scheduling.v1': scheduling_v1,
  'scheduling.v1alpha2': scheduling_v1alpha2,
  'storage.v1': storage_v1,
  'storage.v1beta1': storage_v1beta1,
  'storagemigration.v1beta1': storagemigration_v1beta1,
};

export const builtinSchema: Schema = buildSchema(files as Readonly<Record<string, TypeFile>>, resources as unknown as ResourcesFile);

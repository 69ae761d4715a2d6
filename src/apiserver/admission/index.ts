/** The built-in admission plugins, in upstream's order. Webhooks and policies will stand between them and the last. */
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { CheckEscalation } from '../authorization/escalation.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { StatusWriter } from '../registry/status-writer.ts';
import type { AdmissionPlugin } from './admission.ts';
import { certificateSubjectRestriction, createCertificateApproval, createCertificateSigning } from './certificates.ts';
import { createClaimResize } from './claim-resize.ts';
import { createDefaultIngressClass, createDefaultStorageClass } from './default-classes.ts';
import { createDefaultTolerationSeconds, type DefaultTolerationOptions } from './default-toleration-seconds.ts';
import { createLimitRanger } from './limit-ranger.ts';
import { createNamespaceLifecycle } from './namespace-lifecycle.ts';
import { createNodeRestriction } from './node-restriction.ts';
import { createPodSecurity } from './pod-security.ts';
import { createPodTopologyLabels } from './pod-topology-labels.ts';
import { createPriorityPlugin } from './priority.ts';
import { createRbacEscalationPlugin } from './rbac-escalation.ts';
import { createResourceQuotaPlugin } from './resource-quota.ts';
import { createRuntimeClassPlugin } from './runtime-class.ts';
import { createServiceAccountPlugin } from './service-account.ts';
import { storageObjectInUseProtection } from './storage-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

export type { AdmissionAttributes, AdmissionOperation, AdmissionPlugin } from './admission.ts';

export interface BuiltInAdmissionOptions {
  readonly reader: ObjectReader;
  /** Absent: quotas are not charged. */
  readonly writer?: StatusWriter;
  readonly clock: Clock;
  readonly random: Random;
  /** Absent where RBAC does not decide (`--authorization-mode=AlwaysAllow`). */
  readonly authorizer?: Authorizer;
  readonly checkEscalation?: CheckEscalation;
  readonly tolerations?: DefaultTolerationOptions;
  /** `--disable-admission-plugins` */
  readonly disabled?: readonly string[];
}

/** What `--enable-admission-plugins` and `--disable-admission-plugins` may name: all of them are on. */
export const admissionPluginNames: readonly string[] = Object.freeze([
  'CertificateApproval',
  'CertificateSigning',
  'CertificateSubjectRestriction',
  'DefaultIngressClass',
  'DefaultStorageClass',
  'DefaultTolerationSeconds',
  'LimitRanger',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionWebhook',
  'NamespaceLifecycle',
  'NodeRestriction',
  'PersistentVolumeClaimResize',
  'PodSecurity',
  'PodTopologyLabels',
  'Priority',
  'ResourceQuota',
  'RuntimeClass',
  'ServiceAccount',
  'StorageObjectInUseProtection',
  'TaintNodesByCondition',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionWebhook',
]);

export function createBuiltInAdmission(options: BuiltInAdmissionOptions): readonly AdmissionPlugin[] {
  const { reader, writer, clock, random, authorizer, checkEscalation, tolerations, disabled = [] } = options;
  const plugins: AdmissionPlugin[] = [
    createNamespaceLifecycle(reader, clock),
    createLimitRanger(reader),
    createServiceAccountPlugin({ reader, clock, random }),
    createNodeRestriction({ reader, ...(authorizer ? { authorizer } : {}) }),
    taintNodesByCondition,
    createPodSecurity(reader, clock),
    createPriorityPlugin(reader),
    createDefaultTolerationSeconds(tolerations),
    createDefaultStorageClass(reader),
    storageObjectInUseProtection,
    createClaimResize(reader),
    createRuntimeClassPlugin(reader),
    ...(authorizer ? [createCertificateApproval(authorizer), createCertificateSigning(authorizer)] : []),
    certificateSubjectRestriction,
    createDefaultIngressClass(reader),
    createPodTopologyLabels(reader),
    ...(checkEscalation ? [createRbacEscalationPlugin(checkEscalation)] : []),
    ...(writer ? [createResourceQuotaPlugin({ reader, writer, clock })] : []),
  ];
  return plugins.filter(({ name }) => !disabled.includes(name));
}

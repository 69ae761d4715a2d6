/** Pod specs, alone and in templates. Source of behaviour: pkg/apis/core/validation. */
import { checkDns1123Label, checkDns1123Subdomain, checkLabelValue, checkQualifiedName } from '../names.ts';
import type {
  Affinity,
  Container,
  EphemeralContainer,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodSpec,
  Toleration,
  TopologySpreadConstraint,
  WeightedPodAffinityTerm,
} from '../types/core-v1.ts';
import { checkIp } from './addresses.ts';
import { validateContainer, validateContainerCommon } from './containers.ts';
import { at, type ErrorList, notNegative } from './error-list.ts';
import { validateLabelSelector, validateLabels } from './metadata.ts';
import { validateResourceRequirements } from './resources.ts';
import { validateVolumes } from './volumes.ts';

const restartPolicies = ['Always', 'OnFailure', 'Never'];
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const preemptionPolicies = ['PreemptLowerPriority', 'Never'];
const maxInt32 = 2_147_483_647;

export function validatePodSpec(errors: ErrorList, spec: PodSpec, field: string): void {
  const volumes = validateVolumes(errors, spec.volumes, `${field}.volumes`);
  validateContainers(errors, spec, field, volumes);
  if (!spec.restartPolicy) errors.required(`${field}.restartPolicy`);
  else if (!restartPolicies.includes(spec.restartPolicy))
    errors.notSupported(`${field}.restartPolicy`, spec.restartPolicy, restartPolicies);
  if (!spec.dnsPolicy) errors.required(`${field}.dnsPolicy`);
  else if (!dnsPolicies.includes(spec.dnsPolicy))
    errors.notSupported(`${field}.dnsPolicy`, spec.dnsPolicy, dnsPolicies);
  validateDnsConfig(errors, spec, field);
  validateLabels(errors, spec.nodeSelector, `${field}.nodeSelector`);
  validatePodSecurity(errors, spec, field);
  for (const [i, reference] of (spec.imagePullSecrets ?? []).entries())
    if (!reference.name) errors.required(at(`${field}.imagePullSecrets`, i), 'must have a name');
  validateAffinity(errors, spec.affinity, `${field}.affinity`);
  for (const [i, gate] of (spec.readinessGates ?? []).entries())
    errors.invalidEach(
      `${at(`${field}.readinessGates`, i)}.conditionType`,
      gate.conditionType,
      checkQualifiedName(gate.conditionType),
    );
  validateSchedulingGates(errors, spec, field);
  validateSpread(errors, spec.topologySpreadConstraints, `${field}.topologySpreadConstraints`);
  if (spec.serviceAccountName)
    errors.invalidEach(
      `${field}.serviceAccountName`,
      spec.serviceAccountName,
      checkDns1123Subdomain(spec.serviceAccountName),
    );
  if (spec.nodeName) errors.invalidEach(`${field}.nodeName`, spec.nodeName, checkDns1123Subdomain(spec.nodeName));
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > maxInt32))
    errors.invalid(`${field}.activeDeadlineSeconds`, deadline, `must be between 1 and ${maxInt32}, inclusive`);
  if (spec.hostname) errors.invalidEach(`${field}.hostname`, spec.hostname, checkDns1123Label(spec.hostname));
  if (spec.subdomain) errors.invalidEach(`${field}.subdomain`, spec.subdomain, checkDns1123Label(spec.subdomain));
  validateTolerations(errors, spec.tolerations, `${field}.tolerations`);
  validateHostAliases(errors, spec, field);
  if (spec.priorityClassName)
    errors.invalidEach(
      `${field}.priorityClassName`,
      spec.priorityClassName,
      checkDns1123Subdomain(spec.priorityClassName),
    );
  if (spec.runtimeClassName)
    errors.invalidEach(
      `${field}.runtimeClassName`,
      spec.runtimeClassName,
      checkDns1123Subdomain(spec.runtimeClassName),
    );
  if (spec.preemptionPolicy !== undefined && !preemptionPolicies.includes(spec.preemptionPolicy))
    errors.notSupported(`${field}.preemptionPolicy`, spec.preemptionPolicy, preemptionPolicies);
  if (spec.terminationGracePeriodSeconds === undefined) errors.required(`${field}.terminationGracePeriodSeconds`);
  else if (spec.terminationGracePeriodSeconds < 0)
    errors.invalid(`${field}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds, notNegative);
  validateResourceRequirements(errors, spec.resources, `${field}.resources`);
}

function validateContainers(errors: ErrorList, spec: PodSpec, field: string, volumes: ReadonlySet<string>): void {
  const context = { volumes, hostNetwork: spec.hostNetwork === true, podRestartPolicy: spec.restartPolicy ?? '' };
  const names = new Set<string>();
  const unique = (container: Container | EphemeralContainer, path: string): void => {
    if (!container.name) return;
    if (names.has(container.name)) errors.duplicate(`${path}.name`, container.name);
    names.add(container.name);
  };
  if (!spec.containers?.length) errors.required(`${field}.containers`);
  const hostPorts = new Set<string>();
  for (const [i, container] of (spec.containers ?? []).entries()) {
    const path = at(`${field}.containers`, i);
    validateContainer(errors, container, path, { ...context, kind: 'app' });
    unique(container, path);
    for (const [j, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue;
      const key = `${port.protocol ?? 'TCP'}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (hostPorts.has(key)) errors.duplicate(`${at(`${path}.ports`, j)}.hostPort`, key);
      hostPorts.add(key);
    }
  }
  for (const [i, container] of (spec.initContainers ?? []).entries()) {
    const path = at(`${field}.initContainers`, i);
    validateContainer(errors, container, path, { ...context, kind: 'init' });
    unique(container, path);
  }
  for (const [i, container] of (spec.ephemeralContainers ?? []).entries()) {
    const path = at(`${field}.ephemeralContainers`, i);
    validateContainerCommon(errors, container as Container, path, { ...context, kind: 'ephemeral' });
    unique(container, path);
    if (
      container.targetContainerName &&
      ![...(spec.containers ?? []), ...(spec.initContainers ?? [])].some(
        (c) => c.name === container.targetContainerName,
      )
    )
      errors.notFound(`${path}.targetContainerName`, container.targetContainerName);
  }
}

const dnsLimits = { nameservers: 3, searches: 32, searchCharacters: 2048 } as const;

function validateDnsConfig(errors: ErrorList, spec: PodSpec, field: string): void {
  const config = spec.dnsConfig;
  if (spec.dnsPolicy === 'None' && !config?.nameservers?.length)
    errors.required(
      config ? `${field}.dnsConfig.nameservers` : `${field}.dnsConfig`,
      config
        ? `must provide at least one DNS nameserver when \`dnsPolicy\` is None`
        : `must provide \`dnsConfig\` when \`dnsPolicy\` is None`,
    );
  if (!config) return;
  const path = `${field}.dnsConfig`;
  const { nameservers = [], searches = [], options = [] } = config;
  if (nameservers.length > dnsLimits.nameservers)
    errors.invalid(`${path}.nameservers`, nameservers, `must not have more than ${dnsLimits.nameservers} nameservers`);
  for (const [i, server] of nameservers.entries())
    errors.invalidEach(at(`${path}.nameservers`, i), server, checkIp(server));
  if (searches.length > dnsLimits.searches)
    errors.invalid(`${path}.searches`, searches, `must not have more than ${dnsLimits.searches} search paths`);
  if (searches.join(' ').length > dnsLimits.searchCharacters)
    errors.invalid(
      `${path}.searches`,
      searches,
      `must not have more than ${dnsLimits.searchCharacters} characters (including spaces) in the search list`,
    );
  for (const [i, search] of searches.entries())
    if (search !== '.')
      errors.invalidEach(
        at(`${path}.searches`, i),
        search,
        checkDns1123Subdomain(search.replace(/\.$/, '').replaceAll('_', '-')),
      );
  for (const [i, option] of options.entries())
    if (!option.name) errors.required(at(`${path}.options`, i), 'must not be empty');
}

const maxId = maxInt32;
const sysctlPattern = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const sysctlText =
  'must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';
const idRange = `must be between 0 and ${maxId}, inclusive`;

function validatePodSecurity(errors: ErrorList, spec: PodSpec, field: string): void {
  const security = spec.securityContext;
  const path = `${field}.securityContext`;
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.invalid(`${field}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled');
  if (!security) return;
  for (const name of ['fsGroup', 'runAsUser', 'runAsGroup'] as const) {
    const id = security[name];
    if (id !== undefined && (id < 0 || id > maxId)) errors.invalid(`${path}.${name}`, id, idRange);
  }
  for (const [i, group] of (security.supplementalGroups ?? []).entries())
    if (group < 0 || group > maxId) errors.invalid(at(`${path}.supplementalGroups`, i), group, idRange);
  const names = new Set<string>();
  for (const [i, sysctl] of (security.sysctls ?? []).entries()) {
    const name = `${at(`${path}.sysctls`, i)}.name`;
    if (!sysctl.name) errors.required(name);
    else if (sysctl.name.length > 253 || !sysctlPattern.test(sysctl.name))
      errors.invalid(name, sysctl.name, sysctlText);
    else if (names.has(sysctl.name)) errors.duplicate(name, sysctl.name);
    names.add(sysctl.name);
  }
}

function validateSchedulingGates(errors: ErrorList, spec: PodSpec, field: string): void {
  const seen = new Set<string>();
  for (const [i, gate] of (spec.schedulingGates ?? []).entries()) {
    const path = `${at(`${field}.schedulingGates`, i)}.name`;
    errors.invalidEach(path, gate.name, checkQualifiedName(gate.name));
    if (seen.has(gate.name)) errors.duplicate(at(`${field}.schedulingGates`, i), gate.name);
    seen.add(gate.name);
  }
}

const tolerationOperators = ['Equal', 'Exists'];
const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateTolerations(
  errors: ErrorList,
  tolerations: readonly Toleration[] | undefined,
  field: string,
): void {
  for (const [i, toleration] of (tolerations ?? []).entries()) {
    const path = at(field, i);
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    if (key !== '') errors.invalidEach(`${path}.key`, key, checkQualifiedName(key));
    if (key === '' && operator !== 'Exists')
      errors.invalid(
        `${path}.operator`,
        operator,
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute')
      errors.invalid(`${path}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    switch (operator) {
      case '':
      case 'Equal':
        errors.invalidEach(`${path}.operator`, value, checkLabelValue(value));
        break;
      case 'Exists':
        if (value !== '')
          errors.invalid(`${path}.operator`, toleration, "value must be empty when `operator` is 'Exists'");
        break;
      default:
        errors.notSupported(`${path}.operator`, operator, tolerationOperators);
    }
    if (effect !== '' && !taintEffects.includes(effect)) errors.notSupported(`${path}.effect`, effect, taintEffects);
  }
}

function validateHostAliases(errors: ErrorList, spec: PodSpec, field: string): void {
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    const path = at(`${field}.hostAliases`, i);
    errors.invalidEach(`${path}.ip`, alias.ip ?? '', checkIp(alias.ip ?? ''));
    for (const [j, name] of (alias.hostnames ?? []).entries())
      errors.invalidEach(at(`${path}.hostnames`, j), name, checkDns1123Subdomain(name));
  }
}

const unsatisfiable = ['DoNotSchedule', 'ScheduleAnyway'];

function validateSpread(
  errors: ErrorList,
  constraints: readonly TopologySpreadConstraint[] | undefined,
  field: string,
): void {
  const seen = new Set<string>();
  for (const [i, constraint] of (constraints ?? []).entries()) {
    const path = at(field, i);
    if (constraint.maxSkew <= 0) errors.invalid(`${path}.maxSkew`, constraint.maxSkew, 'must be greater than zero');
    if (!constraint.topologyKey) errors.required(`${path}.topologyKey`, 'can not be empty');
    else errors.invalidEach(`${path}.topologyKey`, constraint.topologyKey, checkQualifiedName(constraint.topologyKey));
    if (!unsatisfiable.includes(constraint.whenUnsatisfiable))
      errors.notSupported(`${path}.whenUnsatisfiable`, constraint.whenUnsatisfiable, unsatisfiable);
    const key = `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`;
    if (seen.has(key)) errors.duplicate(`${path}.{topologyKey, whenUnsatisfiable}`, key);
    seen.add(key);
    if (constraint.minDomains !== undefined) {
      if (constraint.minDomains <= 0)
        errors.invalid(`${path}.minDomains`, constraint.minDomains, 'must be greater than zero');
      if (constraint.whenUnsatisfiable !== 'DoNotSchedule')
        errors.invalid(
          `${path}.minDomains`,
          constraint.minDomains,
          'can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway',
        );
    }
    validateLabelSelector(errors, constraint.labelSelector, `${path}.labelSelector`);
  }
}

export function validateAffinity(errors: ErrorList, affinity: Affinity | undefined, field: string): void {
  const node = affinity?.nodeAffinity;
  if (node) {
    const required = node.requiredDuringSchedulingIgnoredDuringExecution;
    const path = `${field}.nodeAffinity`;
    if (required)
      validateNodeSelectorTerms(
        errors,
        required.nodeSelectorTerms,
        `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`,
      );
    for (const [i, term] of (node.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const at_ = at(`${path}.preferredDuringSchedulingIgnoredDuringExecution`, i);
      if (term.weight < 1 || term.weight > 100)
        errors.invalid(`${at_}.weight`, term.weight, 'must be in the range 1-100');
      validateNodeSelectorTerm(errors, term.preference, `${at_}.preference`);
    }
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const pod = affinity?.[kind];
    if (!pod) continue;
    for (const [i, term] of (pod.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries())
      validatePodAffinityTerm(errors, term, at(`${field}.${kind}.requiredDuringSchedulingIgnoredDuringExecution`, i));
    for (const [i, term] of (pod.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries())
      validateWeighted(errors, term, at(`${field}.${kind}.preferredDuringSchedulingIgnoredDuringExecution`, i));
  }
}

function validateWeighted(errors: ErrorList, term: WeightedPodAffinityTerm, field: string): void {
  if (term.weight < 1 || term.weight > 100)
    errors.invalid(`${field}.weight`, term.weight, 'must be in the range 1-100');
  validatePodAffinityTerm(errors, term.podAffinityTerm, `${field}.podAffinityTerm`);
}

function validatePodAffinityTerm(errors: ErrorList, term: PodAffinityTerm, field: string): void {
  validateLabelSelector(errors, term.labelSelector, `${field}.labelSelector`);
  validateLabelSelector(errors, term.namespaceSelector, `${field}.namespaceSelector`);
  for (const name of term.namespaces ?? []) errors.invalidEach(`${field}.namespace`, name, checkDns1123Label(name));
  if (!term.topologyKey) errors.required(`${field}.topologyKey`, 'can not be empty');
  else errors.invalidEach(`${field}.topologyKey`, term.topologyKey, checkQualifiedName(term.topologyKey));
}

export function validateNodeSelectorTerms(errors: ErrorList, terms: readonly NodeSelectorTerm[], field: string): void {
  if (!terms?.length) errors.required(field, 'must have at least one node selector term');
  for (const [i, term] of (terms ?? []).entries()) validateNodeSelectorTerm(errors, term, at(field, i));
}

function validateNodeSelectorTerm(errors: ErrorList, term: NodeSelectorTerm, field: string): void {
  for (const [i, requirement] of (term.matchExpressions ?? []).entries())
    validateNodeRequirement(errors, requirement, at(`${field}.matchExpressions`, i));
  for (const [i, requirement] of (term.matchFields ?? []).entries()) {
    const path = at(`${field}.matchFields`, i);
    if (requirement.operator !== 'In' && requirement.operator !== 'NotIn')
      errors.invalid(`${path}.operator`, requirement.operator, 'not a valid selector operator');
    else if ((requirement.values ?? []).length !== 1)
      errors.required(
        `${path}.values`,
        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
      );
    if (requirement.key !== 'metadata.name')
      errors.invalid(`${path}.key`, requirement.key, 'not a valid field selector key');
  }
}

function validateNodeRequirement(
  errors: ErrorList,
  { key, operator, values = [] }: NodeSelectorRequirement,
  field: string,
): void {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        errors.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0)
        errors.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1)
        errors.required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
      break;
    default:
      errors.invalid(`${field}.operator`, operator, 'not a valid selector operator');
  }
  errors.invalidEach(`${field}.key`, key, checkQualifiedName(key));
}

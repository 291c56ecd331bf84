/** Kubernetes objects as JSON, and the table of the kinds that the operator reads or writes. */
import type {
  EventsV1Event,
  V1ConfigMap,
  V1Lease,
  V1NetworkPolicy,
  V1Node,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V1StatefulSet,
} from '@kubernetes/client-node';

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** Timestamps are RFC 3339 strings. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

/** What every object has. Objects that came from the API server have uid and resourceVersion. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

/** A generated model as it stands in JSON: dates are strings. */
type Json<T> = T extends Date
  ? string
  : T extends readonly (infer Element)[]
    ? readonly Json<Element>[]
    : T extends object
      ? { readonly [Field in keyof T]: Json<T[Field]> }
      : T;

type Stored<T> = Omit<Json<T>, 'metadata'> & { readonly metadata: ObjectMeta };

export type ConfigMap = Stored<V1ConfigMap>;
export type KubeEvent = Stored<EventsV1Event>;
export type Lease = Stored<V1Lease>;
export type NetworkPolicy = Stored<V1NetworkPolicy>;
export type KubernetesNode = Stored<V1Node>;
export type PersistentVolumeClaim = Stored<V1PersistentVolumeClaim>;
export type Pod = Stored<V1Pod>;
export type PodDisruptionBudget = Stored<V1PodDisruptionBudget>;
export type Secret = Stored<V1Secret>;
export type Service = Stored<V1Service>;
export type ServiceAccount = Stored<V1ServiceAccount>;
export type StatefulSet = Stored<V1StatefulSet>;

/** How a kind is addressed. The type parameter is what its objects look like. */
export interface ResourceKind<T extends KubeObject = KubeObject> {
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  /** As in paths: `statefulsets`. */
  readonly plural: string;
  readonly namespaced: boolean;
  /** Never present: ties T to the value, so that calls infer it. */
  readonly shape?: T;
}

function row<T extends KubeObject>(
  apiVersion: string,
  kind: string,
  plural: string,
  scope: 'Namespaced' | 'Cluster' = 'Namespaced',
): ResourceKind<T> {
  return { apiVersion, kind, plural, namespaced: scope === 'Namespaced' };
}

export const CONFIG_MAP = row<ConfigMap>('v1', 'ConfigMap', 'configmaps');
export const EVENT = row<KubeEvent>('events.k8s.io/v1', 'Event', 'events');
export const LEASE = row<Lease>('coordination.k8s.io/v1', 'Lease', 'leases');
export const NETWORK_POLICY = row<NetworkPolicy>('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies');
export const NODE = row<KubernetesNode>('v1', 'Node', 'nodes', 'Cluster');
export const PERSISTENT_VOLUME_CLAIM = row<PersistentVolumeClaim>(
  'v1',
  'PersistentVolumeClaim',
  'persistentvolumeclaims',
);
export const POD = row<Pod>('v1', 'Pod', 'pods');
export const POD_DISRUPTION_BUDGET = row<PodDisruptionBudget>(
  'policy/v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
);
export const SECRET = row<Secret>('v1', 'Secret', 'secrets');
export const SERVICE = row<Service>('v1', 'Service', 'services');
export const SERVICE_ACCOUNT = row<ServiceAccount>('v1', 'ServiceAccount', 'serviceaccounts');
export const STATEFUL_SET = row<StatefulSet>('apps/v1', 'StatefulSet', 'statefulsets');

/** Every kind above, to find one by apiVersion and kind of an object. */
export const BUILT_IN_KINDS: readonly ResourceKind[] = [
  CONFIG_MAP,
  EVENT,
  LEASE,
  NETWORK_POLICY,
  NODE,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  POD_DISRUPTION_BUDGET,
  SECRET,
  SERVICE,
  SERVICE_ACCOUNT,
  STATEFUL_SET,
];

/** Names one object of a known kind; no namespace for cluster-scoped kinds. */
export interface ObjectReference {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** URL path of a collection, or of one object in it, or of its subresource. */
export function resourcePath(
  kind: ResourceKind,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
  const parts = [root];
  if (kind.namespaced && namespace !== undefined) parts.push('namespaces', encodeURIComponent(namespace));
  parts.push(kind.plural);
  if (name !== undefined) parts.push(encodeURIComponent(name));
  if (subresource !== undefined) parts.push(subresource);
  return parts.join('/');
}

/** Key of an object in caches and queues: `namespace/name`, or `name` when it has no namespace. */
export function keyOf(reference: ObjectReference): string {
  return reference.namespace === undefined ? reference.name : `${reference.namespace}/${reference.name}`;
}

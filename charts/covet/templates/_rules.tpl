{{/* What the operator does in each namespace that it serves. A test compares this with covet/kube/rights.py. */}}
{{- define "covet.rules" -}}
- apiGroups: [covet.dev]
  resources: [covetclusters]
  verbs: [get, list, watch, patch] # an order that was carried out is removed from its annotations
- apiGroups: [covet.dev]
  resources: [covetclusters/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, patch, update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, create, patch]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, create, patch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, patch, delete] # volumes grow; one that went with its node is given up for another
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch, delete] # the pod that waits for such a volume
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create] # an ordered restart asks the disruption budget, as a drain does
- apiGroups: [""]
  resources: [events]
  verbs: [list, create, patch]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete] # of an instance that left its shard
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, create, patch] # the routers of a cluster
# Each shard gets a Role for its pods, which publish their primary in an EndpointSlice and a Lease. Nobody may give
# away what he does not have: the Leases are here for that alone.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, create, patch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, create, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch]
{{- end }}

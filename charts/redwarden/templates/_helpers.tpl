{{/* The release's name, with the chart's where it adds something; room is left for suffixes. */}}
{{- define "redwarden.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names of objects outside any namespace must not meet those of another release. */}}
{{- define "redwarden.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "redwarden.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "redwarden.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "redwarden.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "redwarden.selectorLabels" -}}
app.kubernetes.io/name: redwarden-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "redwarden.labels" -}}
{{ include "redwarden.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: redwarden
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{/* What the operator may do in the namespaces that it looks after. No pods/exec; Secrets by name only. */}}
{{- define "redwarden.rules" -}}
- apiGroups: [redwarden.dev]
  resources: [redisclusters]
  verbs: [get, list, watch]
- apiGroups: [redwarden.dev]
  resources: [redisclusters/status]
  verbs: [get, patch, update]
# An owner reference that blocks the owner's deletion needs this where the API server enforces it.
- apiGroups: [redwarden.dev]
  resources: [redisclusters/finalizers]
  verbs: [update]
- apiGroups: ['']
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: ['']
  resources: [configmaps, services]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: ['']
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch, delete]
- apiGroups: ['']
  resources: [secrets]
  verbs: [get, create, patch]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [events.k8s.io, '']
  resources: [events]
  verbs: [create, patch, update]
{{- end -}}

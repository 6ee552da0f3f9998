{{/* The name of everything that belongs to this release: the release's own, so that two may stand side by side. */}}
{{- define "covet.name" -}}
{{- if contains "covet" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-covet" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{/* Objects of the whole cluster carry the namespace too: releases of one name in two namespaces do not meet. */}}
{{- define "covet.clusterName" -}}
{{ printf "%s:%s" .Release.Namespace (include "covet.name" .) }}
{{- end }}

{{- define "covet.selector" -}}
app.kubernetes.io/name: covet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "covet.labels" -}}
{{ include "covet.selector" . }}
app.kubernetes.io/part-of: covet
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Ours, and what somebody's Prometheus selects by. */}}
{{- define "covet.monitoringLabels" -}}
{{ include "covet.labels" . }}
{{- with .Values.metrics.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image with the registry in front; takes a list of the values and the image. */}}
{{- define "covet.image" -}}
{{- $values := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $values.images.registry }}{{ $values.images.registry }}/{{ end }}{{ $image -}}
{{- end }}

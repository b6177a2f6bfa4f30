{{/* Which ports the endpoints' URLs name, besides those of the values: a list as JSON, of
     (dict "root" $ "place" entry). */}}
{{- define "ampscale.endpointPorts" -}}
{{- $aws := .root.Values.aws }}
{{- $ports := list }}
{{- range .root.Values.networkPolicy.egress.endpointPorts }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- range concat (list .place.endpoint $aws.endpoint $aws.stsEndpoint) $aws.allow.endpoints }}
{{- with . }}
{{- $url := urlParse . }}
{{- $written := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $ports = append $ports (int (default (ternary "80" "443" (eq $url.scheme "http")) $written)) }}
{{- end }}
{{- end }}
{{- $ports | uniq | toJson }}
{{- end }}

{{/* An egress rule: (dict "peers" list "cidrs" list "ports" list "udp" bool). No peer: any. */}}
{{- define "ampscale.egressRule" -}}
- ports:
    {{- $udp := .udp }}
    {{- range .ports }}
    {{- if $udp }}
    - port: {{ . }}
      protocol: UDP
    {{- end }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- if or .peers .cidrs }}
  to:
    {{- with .peers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- range .cidrs }}
    - ipBlock:
        cidr: {{ . | quote }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* (dict "root" $ "component" "webhook" "place" entry "namespace" name). */}}
{{- define "ampscale.networkPolicy" -}}
{{- $values := .root.Values.networkPolicy }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include (printf "ampscale.%s" .component) .root }}
  namespace: {{ .namespace }}
  labels:
    {{- include "ampscale.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "ampscale.selector" . | nindent 6 }}
  policyTypes: [Ingress{{ if $values.egress.enabled }}, Egress{{ end }}]
  ingress:
    {{- if eq .component "webhook" }}
    # The API server's address is not the same everywhere, so its port is open to all.
    - ports:
        - port: https
          protocol: TCP
    {{- end }}
    - ports:
        - port: metrics
          protocol: TCP
      {{- with $values.metricsFrom }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- with $values.egress }}
  {{- if .enabled }}
  egress:
    # DNS.
    {{- include "ampscale.egressRule" (dict "peers" .dnsTo "ports" (list 53) "udp" true) | nindent 4 }}
    # The API server.
    {{- include "ampscale.egressRule" (dict "cidrs" .apiServerCidrs "ports" .apiServerPorts) | nindent 4 }}
    # AMP, STS and other endpoints.
    {{- include "ampscale.egressRule" (dict "cidrs" .endpointCidrs "ports" (include "ampscale.endpointPorts" $ | fromJsonArray)) | nindent 4 }}
    {{- if .podIdentityAgent }}
    # The EKS Pod Identity agent.
    {{- include "ampscale.egressRule" (dict "cidrs" (list "169.254.170.23/32" "fd00:ec2::23/128") "ports" (list 80)) | nindent 4 }}
    {{- end }}
    {{- with .extraRules }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end }}

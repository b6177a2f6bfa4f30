{{/* Names. */}}

{{- define "ampscale.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "ampscale.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "ampscale.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "ampscale.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "ampscale.webhook" -}}
{{- include "ampscale.fullname" . }}-webhook
{{- end }}

{{/* The scaler's names are the same in every namespace: the webhook knows it by its Lease. */}}
{{- define "ampscale.scaler" -}}
ampscale-scaler
{{- end }}

{{/* Its ServiceAccount: (dict "root" $ "component" "scaler"). */}}
{{- define "ampscale.serviceAccount" -}}
{{- $name := include (printf "ampscale.%s" .component) .root }}
{{- default $name (index .root.Values .component).serviceAccount.name }}
{{- end }}

{{- define "ampscale.tlsSecret" -}}
{{- if eq .Values.certificates.mode "existingSecret" }}
{{- .Values.certificates.existingSecret }}
{{- else }}
{{- include "ampscale.webhook" . }}-tls
{{- end }}
{{- end }}

{{/* Labels: (dict "root" $ "component" "webhook"), and "more" for the user's. "ampscale.check" lets
     nobody name ours. */}}

{{- define "ampscale.selector" -}}
app.kubernetes.io/name: {{ include "ampscale.name" .root }}-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "ampscale.labels" -}}
{{ include "ampscale.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ampscale
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with (merge (dict) (default dict .more) .root.Values.commonLabels) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The image: a digest wins over a tag. */}}
{{- define "ampscale.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry }}
{{- $name := .Values.image.repository }}
{{- if $registry }}
{{- $name = printf "%s/%s" $registry $name }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "ampscale.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Where to query, as flags: of (dict "root" $ "place" entry); what the entry lacks is the
     installation's. */}}
{{- define "ampscale.placeArgs" -}}
{{- $aws := .root.Values.aws }}
{{- $place := .place }}
{{- if or $place.endpoint $place.workspace }}
{{- with $place.endpoint }}
- --endpoint={{ . }}
{{- end }}
{{- with $place.workspace }}
- --workspace={{ . }}
{{- end }}
{{- else }}
{{- with $aws.endpoint }}
- --endpoint={{ . }}
{{- end }}
{{- with $aws.workspace }}
- --workspace={{ . }}
{{- end }}
{{- end }}
{{- with default $aws.region $place.region }}
- --region={{ . }}
{{- end }}
{{- with default $aws.roleArn $place.roleArn }}
- --role-arn={{ . }}
{{- end }}
- --sigv4={{ $aws.sigv4 }}
{{- with $aws.stsEndpoint }}
- --sts-endpoint={{ . }}
{{- end }}
{{- if or .root.Values.ca.bundle .root.Values.ca.configMap }}
- --ca-file=/etc/ampscale/ca/ca.crt
{{- end }}
- --log-level={{ .root.Values.logLevel }}
{{- end }}

{{- define "ampscale.allowArgs" -}}
{{- $aws := .Values.aws }}
{{- range $aws.allow.endpoints }}
- --allow-endpoint={{ . }}
{{- end }}
{{- range $aws.allow.workspaces }}
- --allow-workspace={{ . }}
{{- end }}
{{- range $aws.allow.roles }}
- --allow-role={{ . }}
{{- end }}
{{- end }}

{{/* Environment of a program, of (dict "root" $ "env" list "envFrom" list). */}}
{{- define "ampscale.environment" -}}
{{- if or .root.Values.aws.credentialsSecret .envFrom }}
envFrom:
  {{- with .root.Values.aws.credentialsSecret }}
  - secretRef:
      name: {{ . }}
  {{- end }}
  {{- with .envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ampscale.caConfigMap" -}}
{{- default (printf "%s-ca" (include "ampscale.fullname" .)) .Values.ca.configMap }}
{{- end }}

{{/* Restricted, as Pod Security calls it, and what the user lays over it. */}}
{{- define "ampscale.podSecurity" -}}
{{- $made := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- if not .Values.openshift }}
{{- $made = merge $made (dict "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532) }}
{{- end }}
{{- toYaml (mergeOverwrite $made (deepCopy .Values.podSecurityContext)) }}
{{- end }}

{{- define "ampscale.containerSecurity" -}}
{{- $made := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true }}
{{- $made = merge $made (dict "capabilities" (dict "drop" (list "ALL"))) }}
{{- toYaml (mergeOverwrite $made (deepCopy .Values.securityContext)) }}
{{- end }}

{{/* Of a Deployment: (dict "root" $ "component" "webhook"). Two pods of ours at once are safe: one
     holds the Lease. */}}
{{- define "ampscale.deployment" -}}
revisionHistoryLimit: {{ .root.Values.revisionHistoryLimit }}
strategy:
  {{- with (index .root.Values .component).strategy }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  type: RollingUpdate
  rollingUpdate:
    maxSurge: 1
    maxUnavailable: 0
  {{- end }}
{{- end }}

{{/* Of a pod: (dict "root" $ "component" "webhook"). */}}
{{- define "ampscale.pod" -}}
{{- $values := index .root.Values .component }}
{{- include "ampscale.pullSecrets" .root }}
serviceAccountName: {{ include "ampscale.serviceAccount" . }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
{{- with default (ternary "ClusterFirstWithHostNet" "" (default false $values.hostNetwork)) $values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $values.hostNetwork }}
hostNetwork: true
{{- end }}
securityContext:
  {{- include "ampscale.podSecurity" .root | nindent 2 }}
topologySpreadConstraints:
  {{- with $values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "ampscale.selector" . | nindent 8 }}
  {{- end }}
affinity:
  {{- with $values.affinity }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "ampscale.selector" . | nindent 14 }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Of a container: the component's values. */}}
{{- define "ampscale.probes" -}}
readinessProbe:
  httpGet:
    path: /readyz
    port: metrics
  {{- with .readinessProbe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
livenessProbe:
  httpGet:
    path: /healthz
    port: metrics
  {{- with .livenessProbe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* (dict "root" $ "component" "webhook" "namespace" name). */}}
{{- define "ampscale.disruptionBudget" -}}
{{- $values := index .root.Values .component }}
{{- if and $values.podDisruptionBudget.enabled (gt (int $values.replicas) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include (printf "ampscale.%s" .component) .root }}
  namespace: {{ .namespace }}
  labels:
    {{- include "ampscale.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "ampscale.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* A collector beside our own programs: their metrics reach the workspace, by the pod's identity.
     A scaler's series say themselves which namespace they are about, so that none is put on them.
     (dict "root" $ "place" entry "job" name "port" of its metrics). */}}
{{- define "ampscale.ownCollector" -}}
{{- $values := .root.Values.monitoring.remoteWrite }}
{{- if $values.enabled }}
initContainers:
  - name: ampscale-collector
    image: {{ include "ampscale.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    command: [/usr/bin/ampscale-collector]
    args:
      - --target=http://localhost:{{ .port }}/metrics
      - --interval={{ $values.interval }}
      - --label=job=$(POD_NAMESPACE)/{{ .job }}
      - --label=instance=$(POD_IP):{{ .port }}
      {{- if ne .job "ampscale-scaler" }}
      - --label=namespace=$(POD_NAMESPACE)
      {{- end }}
      - --label=pod=$(POD_NAME)
      {{- range $values.keep }}
      - --keep={{ . }}
      {{- end }}
      {{- with (trim (include "ampscale.placeArgs" .)) }}
      {{- . | nindent 6 }}
      {{- end }}
    {{- with (trim (include "ampscale.environment" (dict "root" .root))) }}
    {{- . | nindent 4 }}
    {{- end }}
    env:
      - name: POD_NAME
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
      - name: POD_NAMESPACE
        valueFrom:
          fieldRef:
            fieldPath: metadata.namespace
      - name: POD_IP
        valueFrom:
          fieldRef:
            fieldPath: status.podIP
    restartPolicy: Always
    livenessProbe:
      exec:
        command: [/usr/bin/ampscale-collector, --check, --target=http://localhost:{{ .port }}/metrics]
      timeoutSeconds: 5
      periodSeconds: 30
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    securityContext:
      {{- include "ampscale.containerSecurity" .root | nindent 6 }}
    {{- if or .root.Values.ca.bundle .root.Values.ca.configMap }}
    volumeMounts:
      - name: ca
        mountPath: /etc/ampscale/ca
        readOnly: true
    {{- end }}
{{- end }}
{{- end }}

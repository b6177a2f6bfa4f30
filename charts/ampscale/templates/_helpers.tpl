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

{{- define "ampscale.tlsSecret" -}}
{{- if eq .Values.certificates.mode "existingSecret" }}
{{- .Values.certificates.existingSecret }}
{{- else }}
{{- include "ampscale.webhook" . }}-tls
{{- end }}
{{- end }}

{{/* Labels: (dict "root" $ "component" "webhook"). */}}

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
{{- with .root.Values.commonLabels }}
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

{{- define "ampscale.credentials" -}}
{{- with .Values.aws.credentialsSecret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}

{{- define "ampscale.caConfigMap" -}}
{{- default (printf "%s-ca" (include "ampscale.fullname" .)) .Values.ca.configMap }}
{{- end }}

{{/* Restricted, as Pod Security calls it. */}}
{{- define "ampscale.podSecurity" -}}
runAsNonRoot: true
{{- if not .Values.openshift }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "ampscale.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The namespaces that scalers of this release serve: a list of entries. */}}
{{- define "ampscale.check" -}}
{{- if and .Values.scaler.enabled (not .Values.scaler.allNamespaces) (not .Values.scaler.namespaces) }}
{{- fail "\n\nWhose Deployments are to be scaled? Choose one:\n  --set scaler.namespaces[0].name=NAMESPACE   a scaler in each namespace that is listed, with a Role there\n  --set scaler.allNamespaces=true             one scaler for the cluster, with a ClusterRole\n" }}
{{- end }}
{{- if and .Values.scaler.allNamespaces .Values.scaler.namespaces }}
{{- fail "\n\nscaler.allNamespaces and scaler.namespaces exclude each other.\n" }}
{{- end }}
{{- if and (eq .Values.certificates.mode "existingSecret") .Values.webhook.enabled (or (not .Values.certificates.existingSecret) (not .Values.certificates.caBundle)) }}
{{- fail "\n\ncertificates.mode=existingSecret needs certificates.existingSecret (a Secret with tls.crt and tls.key) and certificates.caBundle (the PEM of its authority).\n" }}
{{- end }}
{{- $places := .Values.scaler.namespaces }}
{{- if .Values.scaler.allNamespaces }}
{{- $places = list (merge (dict "name" "scaler.allNamespaces") .Values.aws) }}
{{- end }}
{{- range $places }}
{{- if and .endpoint .workspace }}
{{- fail (printf "\n\nendpoint %s and workspace %s exclude each other.\n" .endpoint .workspace) }}
{{- end }}
{{- if not (or .endpoint .workspace $.Values.aws.endpoint $.Values.aws.workspace) }}
{{- fail (printf "\n\n%s: where are its metrics? Choose one:\n  --set aws.workspace=ws-… --set aws.region=REGION   an AMP workspace\n  --set aws.endpoint=URL                             any other Prometheus-compatible API\n" .name) }}
{{- end }}
{{- $workspace := default (ternary "" $.Values.aws.workspace (not (empty .endpoint))) .workspace }}
{{- if and $workspace (not (default $.Values.aws.region .region)) }}
{{- fail (printf "\n\n%s: workspace %s needs a region: --set aws.region=REGION\n" .name $workspace) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A collector beside our own programs: their metrics reach the workspace, by the pod's identity.
     (dict "root" $ "place" entry "job" name). */}}
{{- define "ampscale.ownCollector" -}}
{{- $values := .root.Values.monitoring.remoteWrite }}
{{- if $values.enabled }}
initContainers:
  - name: ampscale-collector
    image: {{ include "ampscale.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    command: [/usr/bin/ampscale-collector]
    args:
      - --target=http://localhost:8080/metrics
      - --interval={{ $values.interval }}
      - --label=job={{ .job }}
      - --label=instance=$(POD_IP):8080
      - --label=namespace=$(POD_NAMESPACE)
      - --label=pod=$(POD_NAME)
      {{- range $values.keep }}
      - --keep={{ . }}
      {{- end }}
      {{- with (trim (include "ampscale.placeArgs" .)) }}
      {{- . | nindent 6 }}
      {{- end }}
    {{- with (trim (include "ampscale.credentials" .root)) }}
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
        command: [/usr/bin/ampscale-collector, --check, --target=http://localhost:8080/metrics]
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

{{/* What the schema cannot say: values that do not go together, each with the way out. */}}

{{- define "ampscale.check" -}}
{{- include "ampscale.checkLabels" . }}
{{- include "ampscale.checkScalers" . }}
{{- include "ampscale.checkWebhook" . }}
{{- include "ampscale.checkPlace" (dict "root" . "at" "aws" "place" dict) }}
{{- if .Values.scaler.allNamespaces }}
{{- include "ampscale.checkMetrics" (dict "root" . "at" "scaler.allNamespaces" "place" dict) }}
{{- end }}
{{- range $i, $entry := .Values.scaler.namespaces }}
{{- $at := printf "scaler.namespaces[%d] (%s)" $i $entry.name }}
{{- include "ampscale.checkPlace" (dict "root" $ "at" $at "place" $entry) }}
{{- include "ampscale.checkMetrics" (dict "root" $ "at" $at "place" $entry) }}
{{- end }}
{{- end }}

{{- define "ampscale.checkLabels" -}}
{{- range $at, $labels := dict "commonLabels" .Values.commonLabels "webhook.podLabels" .Values.webhook.podLabels "scaler.podLabels" .Values.scaler.podLabels }}
{{- range $key, $_ := $labels }}
{{- if regexMatch "^(app\\.kubernetes\\.io/(name|instance|component|version|part-of|managed-by)|helm\\.sh/chart)$" $key }}
{{- fail (printf "\n\n%s: label %s is the chart's own.\n" $at $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ampscale.checkScalers" -}}
{{- $scaler := .Values.scaler }}
{{- if not (or $scaler.enabled .Values.webhook.enabled) }}
{{- fail "\n\nwebhook.enabled and scaler.enabled are both false: nothing would be installed.\n" }}
{{- end }}
{{- if and $scaler.enabled (not $scaler.allNamespaces) (not $scaler.namespaces) }}
{{- fail "\n\nWhose Deployments are to be scaled? Choose one:\n  --set scaler.namespaces[0].name=NAMESPACE   a scaler in each namespace that is listed, with a Role there\n  --set scaler.allNamespaces=true             one scaler for the cluster, with a ClusterRole\n" }}
{{- end }}
{{- if and $scaler.allNamespaces $scaler.namespaces }}
{{- fail "\n\nscaler.allNamespaces and scaler.namespaces exclude each other.\n" }}
{{- end }}
{{- $seen := dict }}
{{- range $scaler.namespaces }}
{{- if hasKey $seen .name }}
{{- fail (printf "\n\nscaler.namespaces lists namespace %s twice.\n" .name) }}
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- end }}

{{- define "ampscale.checkWebhook" -}}
{{- $webhook := .Values.webhook }}
{{- $certificates := .Values.certificates }}
{{- if $webhook.enabled }}
{{- if and (eq $certificates.mode "existingSecret") (not (and $certificates.existingSecret $certificates.caBundle)) }}
{{- fail "\n\ncertificates.mode=existingSecret needs certificates.existingSecret (a Secret with tls.crt and tls.key) and certificates.caBundle (the PEM of its authority).\n" }}
{{- end }}
{{- if eq (int $webhook.port) (int $webhook.metricsPort) }}
{{- fail (printf "\n\nwebhook.port and webhook.metricsPort are both %d.\n" (int $webhook.port)) }}
{{- end }}
{{- if and $webhook.hostNetwork (eq (int $webhook.port) 10250) }}
{{- fail "\n\nwebhook.port 10250 is kubelet's on the node's network: --set webhook.port=PORT, or no webhook.hostNetwork.\n" }}
{{- end }}
{{- end }}
{{- end }}

{{/* (dict "root" $ "at" path "place" entry); the place of an empty entry is aws itself. */}}
{{- define "ampscale.checkPlace" -}}
{{- $aws := .root.Values.aws }}
{{- $place := .place }}
{{- if not $place }}
{{- $place = $aws }}
{{- end }}
{{- if and $place.endpoint $place.workspace }}
{{- fail (printf "\n\n%s: endpoint %s and workspace %s exclude each other.\n" .at $place.endpoint $place.workspace) }}
{{- end }}
{{- $workspace := default (ternary "" $aws.workspace (not (empty $place.endpoint))) $place.workspace }}
{{- if and $workspace (not (default $aws.region $place.region)) }}
{{- fail (printf "\n\n%s: workspace %s needs a region: --set aws.region=REGION\n" .at $workspace) }}
{{- end }}
{{- end }}

{{- define "ampscale.checkMetrics" -}}
{{- $aws := .root.Values.aws }}
{{- if not (or .place.endpoint .place.workspace $aws.endpoint $aws.workspace) }}
{{- fail (printf "\n\n%s: where are its metrics? Choose one:\n  --set aws.workspace=ws-… --set aws.region=REGION   an AMP workspace\n  --set aws.endpoint=URL                             any other Prometheus-compatible API\n" .at) }}
{{- end }}
{{- end }}

{{/* The configuration file, with the addresses to listen on that belong to the mode. */}}
{{- define "respool.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if not (hasKey $config "listen") -}}
{{- $host := ternary "127.0.0.1" "" (eq .Values.mode "sidecar") -}}
{{- $_ := set $config "listen" (list (printf "%s:%d" $host (int .Values.ports.redis))) -}}
{{- end -}}
{{- if not (hasKey $config "admin") -}}
{{- $_ := set $config "admin" (printf ":%d" (int .Values.ports.admin)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Not every key can be taken over while respool runs: a changed configuration is for new pods. */}}
{{- define "respool.podAnnotations" -}}
checksum/respool-config: {{ include "respool.config" . | sha256sum }}
{{- end -}}

{{/* What a sidecar and the standalone mode have in common. */}}
{{- define "respool.container" -}}
name: respool
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [-c, /etc/respool/respool.yaml]
{{- if or .Values.auth.existingSecret .Values.env }}
env:
  {{- if .Values.auth.existingSecret }}
  - name: RESPOOL_UPSTREAM_PASSWORD_FILE
    value: /run/secrets/respool/password
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
ports:
  {{- if eq .Values.mode "standalone" }}
  - name: redis
    containerPort: {{ .Values.ports.redis }}
  {{- end }}
  - name: respool-admin
    containerPort: {{ .Values.ports.admin }}
startupProbe:
  httpGet:
    path: /startupz
    port: respool-admin
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /livez
    port: respool-admin
  periodSeconds: 10
  timeoutSeconds: 3
{{- if .Values.readinessProbe.enabled }}
readinessProbe:
  httpGet:
    path: /readyz
    port: respool-admin
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
volumeMounts:
  - name: respool-config
    mountPath: /etc/respool
    readOnly: true
  {{- if .Values.auth.existingSecret }}
  - name: respool-secret
    mountPath: /run/secrets/respool
    readOnly: true
  {{- end }}
  {{- with .Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
An item of a pod's `initContainers`; needs mode: sidecar. Wants the scope of this chart:

  {{- include "respool.sidecar" .Subcharts.respool | nindent 8 }}
*/}}
{{- define "respool.sidecar" -}}
{{- if ne .Values.mode "sidecar" -}}
{{- fail "respool.sidecar is for mode: sidecar" -}}
{{- end -}}
{{- $container := include "respool.container" . | fromYaml -}}
{{- $_ := set $container "restartPolicy" "Always" -}}
- {{ toYaml $container | nindent 2 | trim }}
{{- end -}}

{{/* Items of a pod's `volumes`, for either mode. */}}
{{- define "respool.volumes" -}}
- name: respool-config
  configMap:
    name: {{ include "respool.fullname" . }}
{{- if .Values.auth.existingSecret }}
- name: respool-secret
  secret:
    secretName: {{ .Values.auth.existingSecret }}
    items:
      - key: {{ .Values.auth.key }}
        path: password
{{- end }}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

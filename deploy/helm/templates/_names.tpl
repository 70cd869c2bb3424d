{{/* What things are called, and what they are known by. */}}

{{- define "usb-daemon.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Room is left for what is added to it: 63 characters are allowed. */}}
{{- define "usb-daemon.fullname" -}}
{{- $name := include "usb-daemon.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "usb-daemon.redis" -}}
{{- printf "%s-redis" (include "usb-daemon.fullname" .) -}}
{{- end -}}

{{/* Takes a list: the root, and daemon or redis. */}}
{{- define "usb-daemon.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "usb-daemon.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 | quote }}
{{- end -}}

{{- define "usb-daemon.labels" -}}
{{- $root := index . 0 -}}
{{ include "usb-daemon.selector" . }}
app.kubernetes.io/part-of: autoweave
app.kubernetes.io/managed-by: {{ $root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") | quote }}
{{- end -}}

{{/* A pod of this namespace that may ask the chart's own Redis. */}}
{{- define "usb-daemon.redis.clientLabel" -}}
{{- printf "%s-client" (include "usb-daemon.redis" .) -}}
{{- end -}}

{{- define "usb-daemon.serviceAccount" -}}
{{- $account := .Values.usbDaemon.serviceAccount -}}
{{- default (ternary (include "usb-daemon.fullname" .) "default" $account.create) $account.name -}}
{{- end -}}

{{/* Takes an image of the values, and a tag for where it has none. */}}
{{- define "usb-daemon.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default (index . 1) $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "usb-daemon.token.secret" -}}
{{- default (include "usb-daemon.fullname" .) .Values.monitoring.token.existingSecret -}}
{{- end -}}

{{- define "usb-daemon.token.key" -}}
{{- ternary .Values.monitoring.token.existingSecretKey "token" (ne .Values.monitoring.token.existingSecret "") -}}
{{- end -}}

{{/* The secret of the chart's own Redis. */}}
{{- define "usb-daemon.redis.secret" -}}
{{- default (include "usb-daemon.redis" .) .Values.redis.auth.existingSecret -}}
{{- end -}}

{{- define "usb-daemon.redis.key" -}}
{{- ternary .Values.redis.auth.existingSecretPasswordKey "redis-password" (ne .Values.redis.auth.existingSecret "") -}}
{{- end -}}

{{/* What a secret of this name holds under this key already, else something new: base64. */}}
{{- define "usb-daemon.kept" -}}
{{- $secret := lookup "v1" "Secret" (index . 0).Release.Namespace (index . 1) -}}
{{- default (randAlphaNum 40 | b64enc) (index (default (dict) (default (dict) $secret).data) (index . 2)) -}}
{{- end -}}

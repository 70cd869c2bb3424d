{{/* The daemon's configuration file, of what the values say; no secret is in it. */}}

{{- define "usb-daemon.publishes" -}}
{{- with .Values -}}
{{- if or .redis.enabled .externalRedis.host .externalRedis.url -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* The secret and the key of Redis' password, as JSON: nothing in it where there is none. */}}
{{- define "usb-daemon.password" -}}
{{- $password := dict -}}
{{- if and .Values.redis.enabled .Values.redis.auth.enabled -}}
{{- $password = dict "name" (include "usb-daemon.redis.secret" .) "key" (include "usb-daemon.redis.key" .) -}}
{{- else if and (not .Values.redis.enabled) .Values.externalRedis.existingSecret -}}
{{- $password = dict "name" .Values.externalRedis.existingSecret "key" .Values.externalRedis.existingSecretPasswordKey -}}
{{- end -}}
{{- $password | toJson -}}
{{- end -}}

{{- define "usb-daemon.config.redis" -}}
{{- $redis := dict -}}
{{- if not (include "usb-daemon.publishes" .) -}}
{{- $redis = false -}}
{{- else if .Values.redis.enabled -}}
{{- $redis = dict "host" (include "usb-daemon.redis" .) "port" 6379 "db" 0 -}}
{{- else -}}
{{- with .Values.externalRedis -}}
{{- $redis = dict "db" (int .db) -}}
{{- if .url -}}
{{- $redis = dict "url" .url -}}
{{- else -}}
{{- $_ := merge $redis (dict "host" .host "port" (int .port)) -}}
{{- end -}}
{{- if .username -}}{{- $_ := set $redis "username" .username -}}{{- end -}}
{{- if .tls.enabled -}}
{{- $tls := dict -}}
{{- if .tls.existingSecret -}}
{{- range $key, $file := dict "ca" .tls.caKey "cert" .tls.certKey "key" .tls.keyKey -}}
{{- if $file -}}{{- $_ := set $tls $key (printf "/etc/autoweave-tls/%s" $file) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $redis "tls" (ternary $tls true (gt (len $tls) 0)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "redis" $redis | toJson -}}
{{- end -}}

{{/* The whole of it, as JSON. */}}
{{- define "usb-daemon.config" -}}
{{- $service := include "usb-daemon.fullname" . -}}
{{- $within := printf "%s.%s" $service .Release.Namespace -}}
{{- $names := list $service $within (printf "%s.svc" $within) (printf "%s.svc.cluster.local" $within) -}}
{{- $monitoring := dict "enabled" true "host" "0.0.0.0" "healthcheck_port" (int .Values.monitoring.port) "allowed_hosts" (concat $names (default (list) .Values.monitoring.allowedHosts)) -}}
{{- $outbox := dict "path" "/var/lib/autoweave-usb-daemon/outbox.db" "required" (eq .Values.usbDaemon.outbox.type "hostPath") -}}
{{- $own := dict "monitoring" $monitoring "outbox" $outbox "redis" (include "usb-daemon.config.redis" . | fromJson).redis -}}
{{- $asked := deepCopy .Values.usbDaemon.config -}}
{{- if not (include "usb-daemon.publishes" .) -}}
{{- $asked = omit $asked "redis" -}}
{{- end -}}
{{- mergeOverwrite $own $asked | toJson -}}
{{- end -}}

{{/* What a running daemon does not take over from a changed file: a change of it restarts the pods. */}}
{{- define "usb-daemon.config.fixed" -}}
{{- $config := include "usb-daemon.config" . | fromJson -}}
{{- $performance := omit (default (dict) $config.performance) "max_events_per_second" "batch_size" -}}
{{- merge (dict "performance" $performance) (omit $config "filters" "performance") | toJson -}}
{{- end -}}

{{/* The port of a URL, else what that scheme has. Takes the URL and the schemes' ports. */}}
{{- define "usb-daemon.port" -}}
{{- $url := urlParse (index . 0) -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (get (index . 1) $url.scheme) $port -}}
{{- end -}}

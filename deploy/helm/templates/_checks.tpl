{{/* What the schema cannot refuse, or not in words that help: nothing is silently left out. */}}

{{- define "usb-daemon.checks" -}}
{{- with .Values.usbDaemon -}}
{{- if ne (int .replicaCount) 1 -}}
{{- fail (printf "usbDaemon.replicaCount is %v, and has to be 1: a DaemonSet runs one daemon on each node that usbDaemon.nodeSelector, affinity and tolerations admit. Choose nodes instead" .replicaCount) -}}
{{- end -}}
{{- $security := default (dict) .securityContext -}}
{{- if and $security.privileged (eq (toString $security.allowPrivilegeEscalation) "false") -}}
{{- fail "usbDaemon.securityContext.privileged is true: the daemon needs no privilege (README.md, section Rights). Kubernetes refuses it beside allowPrivilegeEscalation: false, so whoever wants it all the same sets that to null" -}}
{{- end -}}
{{- if le (int64 .terminationGracePeriodSeconds | mul 1000) (int64 (default 2000 .config.shutdown_ms)) -}}
{{- fail (printf "usbDaemon.terminationGracePeriodSeconds is %v, and has to be more than the %v ms of usbDaemon.config.shutdown_ms: the daemon is killed before it has given to Redis what waits" .terminationGracePeriodSeconds (default 2000 .config.shutdown_ms)) -}}
{{- end -}}
{{- $surge := toString (default 0 (default (dict) .updateStrategy.rollingUpdate).maxSurge) -}}
{{- if not (has $surge (list "0" "0%")) -}}
{{- fail "usbDaemon.updateStrategy.rollingUpdate.maxSurge has to be 0: two daemons on one node publish each event twice" -}}
{{- end -}}
{{- end -}}
{{- include "usb-daemon.checks.environment" . -}}
{{- include "usb-daemon.checks.config" . -}}
{{- include "usb-daemon.checks.redis" . -}}
{{- end -}}

{{/* A variable goes before the configuration, past all that is made of the values: mounts, probes, policies, secrets. */}}
{{- define "usb-daemon.checks.environment" -}}
{{- $secret := "a secret: redis.auth.existingSecret or externalRedis.existingSecret" -}}
{{- $token := "a secret: monitoring.token.existingSecret" -}}
{{- $instead := dict
  "LOG_LEVEL" "usbDaemon.logLevel"
  "REDIS_HOST" "redis.enabled or externalRedis.host"
  "REDIS_PORT" "externalRedis.port"
  "REDIS_DB" "externalRedis.db"
  "REDIS_URL" "externalRedis.url"
  "REDIS_USERNAME" "externalRedis.username"
  "REDIS_PASSWORD" $secret
  "REDIS_PASSWORD_FILE" $secret
  "REDIS_STREAM" "usbDaemon.config.redis.stream"
  "REDIS_MAXLEN" "usbDaemon.config.redis.maxlen"
  "USB_DAEMON_NO_REDIS" "redis.enabled: false, and leave externalRedis.host and url empty"
  "USB_DAEMON_HTTP_TOKEN" $token
  "USB_DAEMON_HTTP_TOKEN_FILE" $token
  "USB_DAEMON_HTTP_HOST" "nothing: the kubelet's probes need the pod's address"
  "USB_DAEMON_NO_HTTP" "nothing: the kubelet's probes need the server"
  "USB_DAEMON_HTTP_PORT" "monitoring.port"
  "USB_DAEMON_HTTP_ALLOWED_HOSTS" "monitoring.allowedHosts"
  "USB_DAEMON_HOST_NAME" "nothing: it is the node's name"
  "USB_DAEMON_JSON" "nothing: it prints JSON"
  "USB_DAEMON_OUTBOX" "usbDaemon.outbox"
  "USB_DAEMON_OUTBOX_REQUIRED" "usbDaemon.config.outbox.required"
  "USB_DAEMON_OUTBOX_FSYNC" "usbDaemon.config.outbox.fsync"
  "USB_DAEMON_MAX_EVENTS_PER_SECOND" "usbDaemon.config.performance.max_events_per_second"
  "USB_DAEMON_BATCH_SIZE" "usbDaemon.config.performance.batch_size"
  "USB_DAEMON_VENDOR_WHITELIST" "usbDaemon.config.filters.vendor_whitelist"
  "USB_DAEMON_VENDOR_BLACKLIST" "usbDaemon.config.filters.vendor_blacklist"
  "USB_DAEMON_CLASS_FILTER" "usbDaemon.config.filters.device_class_filter"
  "USB_DAEMON_INTERVAL" "usbDaemon.config.monitoring.interval"
-}}
{{/* For a try in a cluster without USB: no value does that, and it breaks nothing. */}}
{{- $allowed := list "USB_DAEMON_SIMULATE" -}}
{{- $otlp := .Values.otlp -}}
{{- range .Values.usbDaemon.extraEnv -}}
{{- $use := get $instead .name -}}
{{- if has .name $allowed -}}
{{- else if $use -}}
{{- else if hasPrefix "USB_DAEMON_" .name -}}
{{- $use = "usbDaemon.config" -}}
{{- else if or (hasPrefix "REDIS_" .name) (hasPrefix "AUTOWEAVE_REDIS_" .name) -}}
{{- $use = "redis or externalRedis" -}}
{{- else if and $otlp.endpoint (hasPrefix "OTEL_EXPORTER_OTLP_ENDPOINT" .name) -}}
{{- $use = "otlp.endpoint" -}}
{{- else if and (regexMatch "^OTEL_EXPORTER_OTLP_.*HEADERS$" .name) (or .value (and $otlp.existingSecret (eq .name "OTEL_EXPORTER_OTLP_HEADERS"))) -}}
{{- $use = "a secret: otlp.existingSecret" -}}
{{- end -}}
{{- if $use -}}
{{- fail (printf "usbDaemon.extraEnv names %s, which other values stand for: use %s" .name $use) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "usb-daemon.checks.config" -}}
{{- $elsewhere := dict
  "redis.host" "redis.enabled or externalRedis.host"
  "redis.port" "externalRedis.port"
  "redis.db" "externalRedis.db"
  "redis.url" "externalRedis.url"
  "redis.path" "externalRedis.host: a pod sees no socket of the node's"
  "redis.username" "externalRedis.username"
  "redis.password" "a secret: redis.auth.existingSecret or externalRedis.existingSecret"
  "redis.tls" "externalRedis.tls"
  "monitoring.enabled" "monitoring.enabled"
  "monitoring.host" "nothing: the kubelet's probes need the pod's address"
  "monitoring.healthcheck_port" "monitoring.port"
  "monitoring.token" "a secret: monitoring.token.existingSecret"
  "monitoring.allowed_hosts" "monitoring.allowedHosts"
  "outbox.path" "usbDaemon.outbox"
  "host_name" "nothing: it is the node's name"
-}}
{{- $config := .Values.usbDaemon.config -}}
{{- if eq (toString (get $config "redis")) "false" -}}
{{- fail "usbDaemon.config.redis is false: say redis.enabled: false instead, and leave externalRedis.host and url empty" -}}
{{- end -}}
{{- range $path, $instead := $elsewhere -}}
{{- $at := $config -}}
{{- $is := true -}}
{{- range splitList "." $path -}}
{{- if and (kindIs "map" $at) (hasKey $at .) -}}{{- $at = get $at . -}}{{- else -}}{{- $is = false -}}{{- end -}}
{{- end -}}
{{- if $is -}}
{{- fail (printf "usbDaemon.config.%s is set elsewhere: use %s" $path $instead) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "usb-daemon.checks.redis" -}}
{{- with .Values -}}
{{- if and .redis.enabled (or .externalRedis.host .externalRedis.url) -}}
{{- fail "redis.enabled is true and externalRedis names a server as well: events go to one of them, so set redis.enabled to false or leave externalRedis.host and url empty" -}}
{{- end -}}
{{- if and .externalRedis.host .externalRedis.url -}}
{{- fail "externalRedis.host and externalRedis.url are both given: leave one of them empty" -}}
{{- end -}}
{{- if and .externalRedis.url (or (ne (int .externalRedis.port) 6379) (ne (int .externalRedis.db) 0)) -}}
{{- fail "externalRedis.port or db is given beside externalRedis.url: write both into the URL, as in redis://redis.example:7000/1" -}}
{{- end -}}
{{- if and (or .externalRedis.existingSecret .externalRedis.username .externalRedis.tls.enabled) (not (or .externalRedis.host .externalRedis.url)) -}}
{{- fail "externalRedis has a user, a secret or TLS and no server: set externalRedis.host or externalRedis.url" -}}
{{- end -}}
{{- if and .externalRedis.tls.existingSecret (not .externalRedis.tls.enabled) -}}
{{- fail "externalRedis.tls.existingSecret is given and externalRedis.tls.enabled is false" -}}
{{- end -}}
{{- if regexMatch "//[^/@]*:[^/@]*@" .externalRedis.url -}}
{{- fail "externalRedis.url holds a password, which everybody could read: give it in externalRedis.existingSecret" -}}
{{- end -}}
{{- if and .redis.enabled (not .redis.image.tag) (not .redis.image.digest) -}}
{{- fail "redis.image has neither a tag nor a digest" -}}
{{- end -}}
{{- if and (not .redis.enabled) .redis.auth.existingSecret -}}
{{- fail "redis.auth.existingSecret is given and redis.enabled is false: for a server that is there already use externalRedis.existingSecret" -}}
{{- end -}}
{{- if and .redis.auth.existingSecret (not .redis.auth.enabled) -}}
{{- fail "redis.auth.existingSecret is given and redis.auth.enabled is false: the server would ask for no password" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "reply-ingest.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 43 characters: a CronJob's name has at most 52, and a suffix must fit; what is cut is the release's part. */}}
{{- define "reply-ingest.fullname" -}}
{{- $name := include "reply-ingest.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 43 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 43 | trimSuffix "-" -}}
{{- else -}}
{{- $name = $name | trunc 30 | trimSuffix "-" -}}
{{- printf "%s-%s" (.Release.Name | trunc (int (sub 42 (len $name))) | trimSuffix "-") $name -}}
{{- end -}}
{{- end -}}

{{- define "reply-ingest.selector" -}}
app.kubernetes.io/name: {{ include "reply-ingest.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "reply-ingest.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "reply-ingest.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of an object: dict "root" $ "name" … and, where wanted, "labels" and "annotations". */}}
{{- define "reply-ingest.metadata" -}}
{{- $annotations := merge (dict) (default dict .annotations) .root.Values.commonAnnotations -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "reply-ingest.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "reply-ingest.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "reply-ingest.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "reply-ingest.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "reply-ingest.sharded" -}}
{{- if gt (int .Values.shards.count) 1 }}true{{ end -}}
{{- end -}}

{{- define "reply-ingest.hasCa" -}}
{{- if or .Values.ca.pem .Values.ca.existingConfigMap .Values.ca.existingSecret }}true{{ end -}}
{{- end -}}

{{- define "reply-ingest.configMap" -}}
{{- default (include "reply-ingest.fullname" .) .Values.existingConfigMap -}}
{{- end -}}

{{- define "reply-ingest.claim" -}}
{{- default (printf "%s-ledger" (include "reply-ingest.fullname" .)) .Values.persistence.existingClaim -}}
{{- end -}}

{{/*
The shard that has a mailbox: dict "name" NAME "count" N. As the program's --shard does it: the highest score has it, and
the score is how SHA-256 of name, a zero octet and the shard's number begins. Hexadecimal sorts as the number does.
*/}}
{{- define "reply-ingest.shardOf" -}}
{{- $best := "" -}}
{{- $its := 0 -}}
{{- range $shard := until (int .count) -}}
  {{- $score := printf "%s\x00%d" $.name $shard | sha256sum | trunc 16 -}}
  {{- if gt $score $best }}{{ $best = $score }}{{ $its = $shard }}{{ end -}}
{{- end -}}
{{- $its -}}
{{- end -}}

{{/* A shard's configuration: dict "root" $ "shard" N; without shards, N is -1. */}}
{{- define "reply-ingest.config" -}}
{{- $root := .root -}}
{{- $shard := int .shard -}}
{{- $values := $root.Values -}}
{{- $config := deepCopy $values.config -}}
{{- $ca := and (include "reply-ingest.hasCa" $root) "/etc/reply-ingest/ca/ca.pem" -}}
{{- $mailboxes := list -}}
{{- range $config.mailboxes -}}
  {{- $its := include "reply-ingest.shardOf" (dict "name" .name "count" $values.shards.count) -}}
  {{- if hasKey $values.shards.assign .name }}{{ $its = index $values.shards.assign .name }}{{ end -}}
  {{- if or (lt $shard 0) (eq (int $its) $shard) -}}
    {{- $mailbox := . -}}
    {{- if and $ca $values.ca.mailboxes (not (hasKey . "ca_file")) (ne (default "implicit" .tls) "none") -}}
      {{- $_ := set $mailbox "ca_file" $ca -}}
    {{- end -}}
    {{- $mailboxes = append $mailboxes $mailbox -}}
  {{- end -}}
{{- end -}}
{{- $_ := set $config "mailboxes" $mailboxes -}}
{{- if and $ca $values.ca.kafka -}}
  {{- $properties := merge (dict) (default dict $config.kafka.properties) (dict "ssl.ca.location" $ca) -}}
  {{- $_ := set $config.kafka "properties" $properties -}}
{{- end -}}
{{- $file := dig "ledger" "file" "" $config -}}
{{- if and (ge $shard 0) $file -}}
  {{- $_ := set $config.ledger "file" (printf "%s-%d%s" (trimSuffix (ext $file) $file) $shard (ext $file)) -}}
{{- end -}}
{{- if eq $values.mode "run" -}}
  {{- $_ := set $config "run" (dict "schedule" $values.schedule "time_zone" $values.timeZone "jitter" $values.run.jitter "missed" $values.run.missed "at_start" $values.run.atStart "listen" (printf "0.0.0.0:%d" (int $values.run.port))) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The ports of the mailboxes, or of Kafka, as a JSON list. */}}
{{- define "reply-ingest.mailPorts" -}}
{{- $ports := list -}}
{{- range .Values.config.mailboxes -}}
  {{- $usual := ternary 995 110 (eq (default "implicit" .tls) "implicit") -}}
  {{- $ports = append $ports (int (default $usual .port)) -}}
  {{- if (.oauth).endpoint -}}
    {{- $port := regexFind ":[0-9]+$" (urlParse .oauth.endpoint.url).host | trimPrefix ":" -}}
    {{- $ports = append $ports (int (default 443 $port)) -}}
  {{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{- define "reply-ingest.kafkaPorts" -}}
{{- $ports := list -}}
{{- range .Values.config.kafka.brokers -}}
  {{- $ports = append $ports (int (default "9092" (regexFind ":[0-9]+$" . | trimPrefix ":"))) -}}
{{- end -}}
{{- default (list 9092) $ports | uniq | toJson -}}
{{- end -}}

{{- define "reply-ingest.pushPort" -}}
{{- $url := urlParse .Values.metrics.push.url -}}
{{- default (ternary "443" "80" (eq $url.scheme "https")) (regexFind ":[0-9]+$" $url.host | trimPrefix ":") -}}
{{- end -}}

{{/* Seconds of a duration such as 60s, 5m or 1h; nothing for others. */}}
{{- define "reply-ingest.seconds" -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if and $number (regexMatch "^[0-9]+ ?(s|sec|m|min|h)$" .) -}}
{{- mul (int $number) (index (dict "s" 1 "sec" 1 "m" 60 "min" 60 "h" 3600) $unit) -}}
{{- end -}}
{{- end -}}

{{/* Seconds between two ticks, for schedules at even intervals; nothing for others. */}}
{{- define "reply-ingest.interval" -}}
{{- if eq . "* * * * *" -}}
60
{{- else if regexMatch "^\\*/[0-9]+ \\* \\* \\* \\*$" . -}}
{{- mul 60 (regexFind "[0-9]+" . | int) -}}
{{- else if regexMatch "^(@hourly|[0-9]+ \\* \\* \\* \\*)$" . -}}
3600
{{- else if regexMatch "^[0-9]+ \\*/[0-9]+ \\* \\* \\*$" . -}}
{{- mul 3600 (regexFind "/[0-9]+" . | trimPrefix "/" | int) -}}
{{- end -}}
{{- end -}}

{{/* What no schema can say. */}}
{{- define "reply-ingest.checks" -}}
{{- $values := .Values -}}
{{- if $values.existingConfigMap -}}
  {{- if include "reply-ingest.sharded" . -}}
    {{- fail "existingConfigMap: shards need `config`, so that the chart can divide the mailboxes" -}}
  {{- end -}}
{{- else -}}
  {{- if not $values.config.mailboxes }}{{ fail "config.mailboxes: give at least one mailbox" }}{{ end -}}
  {{- if not $values.config.kafka.brokers }}{{ fail "config.kafka.brokers: give at least one broker" }}{{ end -}}
{{- end -}}
{{- if hasKey $values.config "run" -}}
  {{- fail "config.run: set `schedule`, `timeZone` and `run.…` of the chart instead, of which it is made" -}}
{{- end -}}
{{- $secrets := dict "config.kafka.sasl_password" (dig "kafka" "sasl_password" "" $values.config) "config.privacy.hash_key" (dig "privacy" "hash_key" "" $values.config) -}}
{{- $_ := set $secrets "config.kafka.schema_registry.password" (default "" (($values.config.kafka).schema_registry).password) -}}
{{- range list "sasl.password" "ssl.key.password" "ssl.keystore.password" "sasl.oauthbearer.client.secret" -}}
  {{- $_ := set $secrets (printf "config.kafka.properties: %s" .) (get (dig "kafka" "properties" dict $values.config) .) -}}
{{- end -}}
{{- range $correlator := $values.config.correlators -}}
  {{- range ($correlator.verify).keys -}}
    {{- $_ := set $secrets (printf "config.correlators: key %s of %s" .id $correlator.id) (default "" .key) -}}
  {{- end -}}
{{- end -}}
{{- range $values.config.mailboxes -}}
  {{- $_ := set $secrets (printf "config.mailboxes: password of %s" .name) (default "" .password) -}}
  {{- $_ := set $secrets (printf "config.mailboxes: privacy.hash_key of %s" .name) (default "" (.privacy).hash_key) -}}
  {{- $mailbox := . -}}
  {{- range $key := list "client_secret" "refresh_token" -}}
    {{- $_ := set $secrets (printf "config.mailboxes: %s of %s" $key $mailbox.name) (get (default dict ($mailbox.oauth).endpoint) $key) -}}
  {{- end -}}
{{- end -}}
{{- range $where, $secret := $secrets -}}
  {{- if and $secret (not (hasPrefix "${" (toString $secret))) -}}
    {{- fail (printf "%s: a ConfigMap is no place for a secret; use the key that ends in _file with `secrets`, or ${NAME} with `extraEnvFrom`" $where) -}}
  {{- end -}}
{{- end -}}
{{- $grace := int $values.terminationGracePeriodSeconds -}}
{{- $ack := include "reply-ingest.seconds" (dig "kafka" "ack_timeout" "60s" $values.config | toString) -}}
{{- if and $ack (le $grace (int $ack)) -}}
  {{- fail (printf "terminationGracePeriodSeconds: must be longer than config.kafka.ack_timeout (%s s), so that what was published is also deleted" $ack) -}}
{{- end -}}
{{- $interval := include "reply-ingest.interval" $values.schedule -}}
{{- if and (eq $values.mode "cronjob") $interval (ge (add $values.cronjob.activeDeadlineSeconds $grace) (int $interval)) -}}
  {{- fail (printf "cronjob.activeDeadlineSeconds: with terminationGracePeriodSeconds it must be below the schedule's interval of %s s, or runs keep the next ones out" $interval) -}}
{{- end -}}
{{- range $values.extraEnv -}}
  {{- if has .name (list "REPLY_INGEST_SHARD" "REPLY_INGEST_SHARDS") -}}
    {{- fail (printf "extraEnv: %s would divide the mailboxes a second time; set shards.count" .name) -}}
  {{- end -}}
{{- end -}}
{{- if include "reply-ingest.sharded" . -}}
  {{- range $name, $shard := $values.shards.assign -}}
    {{- if ge (int $shard) (int $values.shards.count) }}{{ fail (printf "shards.assign: %s: there is no shard %d" $name (int $shard)) }}{{ end -}}
  {{- end -}}
  {{- range $shard := until (int $values.shards.count) -}}
    {{- $its := (include "reply-ingest.config" (dict "root" $ "shard" $shard) | fromYaml).mailboxes -}}
    {{- if not $its }}{{ fail (printf "shards.assign: shard %d of %d has no mailbox: assign one, or have fewer shards" $shard (int $values.shards.count)) }}{{ end -}}
  {{- end -}}
  {{- if and $values.persistence.enabled (not $values.persistence.existingClaim) (not (has "ReadWriteMany" $values.persistence.accessModes)) -}}
    {{- fail "persistence.accessModes: shards on several nodes need ReadWriteMany (or an existingClaim that has it)" -}}
  {{- end -}}
{{- end -}}
{{- if gt (len (compact (list $values.ca.pem $values.ca.existingConfigMap $values.ca.existingSecret))) 1 -}}
  {{- fail "ca: give one of pem, existingConfigMap and existingSecret" -}}
{{- end -}}
{{- end -}}

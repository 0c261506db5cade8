{{/*
A pod's spec: dict "root" $, "component" worker or test, "shard" N (-1: the index of an Indexed Job where there are
shards, else all mailboxes), "restartPolicy".
*/}}
{{- define "reply-ingest.pod" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $sharded := include "reply-ingest.sharded" .root -}}
{{- $run := and (eq $values.mode "run") (eq .component "worker") -}}
{{- $file := "reply-ingest.yaml" -}}
{{- if and $sharded (ge (int .shard) 0) -}}
  {{- $file = printf "shard-%d.yaml" (int .shard) -}}
{{- else if and $sharded (eq .component "worker") -}}
  {{- $file = "shard-$(JOB_COMPLETION_INDEX).yaml" -}}
{{- end -}}
{{- with .restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
serviceAccountName: {{ include "reply-ingest.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and $values.topologySpreadConstraints (eq .component "worker") }}
topologySpreadConstraints:
  {{- range $values.topologySpreadConstraints }}
  - {{- toYaml . | nindent 4 }}
    {{- if not (hasKey . "labelSelector") }}
    labelSelector:
      matchLabels:
        {{- include "reply-ingest.selector" $root | nindent 8 }}
        app.kubernetes.io/component: worker
    {{- end }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $values.schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- with $values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: reply-ingest
    image: {{ include "reply-ingest.image" $root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args:
      - {{ if eq .component "test" }}check{{ else if $run }}run{{ else }}poll{{ end }}
      - --config=/etc/reply-ingest/config/{{ $file }}
      {{- if and $values.metrics.push.url (not $run) (eq .component "worker") }}
      {{- /* Each shard has a group of its own, or one would replace another's metrics. */}}
      - --metrics-push={{ trimSuffix "/" $values.metrics.push.url }}{{ if $sharded }}{{ if not (trimAll "/" (urlParse $values.metrics.push.url).path) }}/metrics/job/reply-ingest{{ end }}/shard/$(JOB_COMPLETION_INDEX){{ end }}
      {{- end }}
      {{- if eq .component "worker" }}
      {{- range $values.extraArgs }}
      - {{ . | quote }}
      {{- end }}
      {{- end }}
    {{- if or $values.log $values.extraEnv }}
    env:
      {{- with $values.log }}
      - name: REPLY_INGEST_LOG
        value: {{ . | quote }}
      {{- end }}
      {{- with $values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- with $values.extraEnvFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if $run }}
    ports:
      - name: metrics
        containerPort: {{ $values.run.port }}
        protocol: TCP
    livenessProbe:
      httpGet:
        path: /livez
        port: metrics
      periodSeconds: 20
      timeoutSeconds: 5
    readinessProbe:
      httpGet:
        path: /readyz
        port: metrics
      periodSeconds: 10
      timeoutSeconds: 5
    {{- end }}
    securityContext:
      {{- toYaml $values.securityContext | nindent 6 }}
    {{- with $values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - name: config
        mountPath: /etc/reply-ingest/config
        readOnly: true
      - name: ledger
        mountPath: /var/lib/reply-ingest
      - name: tmp
        mountPath: /tmp
      {{- if or $values.secrets.existing $values.secrets.create }}
      - name: secrets
        mountPath: {{ $values.secrets.mountPath }}
        readOnly: true
      {{- end }}
      {{- if include "reply-ingest.hasCa" $root }}
      - name: ca
        mountPath: /etc/reply-ingest/ca
        readOnly: true
      {{- end }}
      {{- with $values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- if eq .component "worker" }}
  {{- with $values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "reply-ingest.configMap" $root }}
  - name: ledger
    {{- /* The test must not wait for a volume that a run on another node holds. */}}
    {{- if and $values.persistence.enabled (eq .component "worker") }}
    persistentVolumeClaim:
      claimName: {{ include "reply-ingest.claim" $root }}
    {{- else }}
    emptyDir: {}
    {{- end }}
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- if or $values.secrets.existing $values.secrets.create }}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- if $values.secrets.create }}
        - secret:
            name: {{ include "reply-ingest.fullname" $root }}
        {{- end }}
        {{- range $values.secrets.existing }}
        - secret:
            {{- toYaml . | nindent 12 }}
        {{- end }}
  {{- end }}
  {{- if include "reply-ingest.hasCa" $root }}
  - name: ca
    {{- if $values.ca.existingSecret }}
    secret:
      secretName: {{ $values.ca.existingSecret }}
      defaultMode: 0444
      items:
        - key: {{ $values.ca.key }}
          path: ca.pem
    {{- else if $values.ca.existingConfigMap }}
    configMap:
      name: {{ $values.ca.existingConfigMap }}
      items:
        - key: {{ $values.ca.key }}
          path: ca.pem
    {{- else }}
    configMap:
      name: {{ include "reply-ingest.fullname" $root }}-ca
    {{- end }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Labels of a pod: dict "root" $ "component" … */}}
{{- define "reply-ingest.podLabels" -}}
{{- include "reply-ingest.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- with .root.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

#!/bin/sh
# One Apache Kafka broker on loopback, for the tests: no package of Debian's has it, so its jars come by Maven.
#
#   kafka.sh fetch [LIBS_DIR]         copies the jars of pom.xml into LIBS_DIR; does nothing when they are there
#   kafka.sh check [LIBS_DIR]         says on one line what is missing, and how to get it; silent when nothing is
#   kafka.sh start DATA_DIR PORT      runs the broker in the foreground, on 127.0.0.1:PORT, its controller on PORT+1
#
# LIBS_DIR is, when it is not given, $REPLY_INGEST_KAFKA_LIBS, and else target/kafka-libs under the project's root.
# `start` formats DATA_DIR once and keeps what is in it; whoever made that folder removes it. The shell becomes the
# broker (exec): SIGTERM to its pid is an orderly stop, SIGKILL a crash. With REPLY_INGEST_STOP_AT_EOF=1 the broker is
# killed, with its process group if it leads one, when its standard input closes: it can't outlive a test that died.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$here/../common.sh"

usage() {
  sed -n '/^#   kafka/s/^#   //p' "$0" >&2
  exit 2
}

# Of this pom.xml or of an older one?
fetched() { [ -f "$1/kafka-broker.pom" ] && cmp -s "$here/pom.xml" "$1/kafka-broker.pom"; }

check() {
  if ! command -v java >/dev/null; then
    echo "Java is missing (17 or later; Debian 12: apt-get install default-jre-headless)"
    return 1
  elif ! fetched "$1"; then
    echo "Kafka's jars are missing in $1 (tests/servers/kafka/kafka.sh fetch; needs Maven)"
    return 1
  fi
}

fetch() {
  fetched "$1" && return
  if [ -d "$1" ] && [ ! -f "$1/kafka-broker.pom" ] && [ -n "$(ls -A "$1")" ]; then
    echo "$1 holds something else than Kafka's jars: name another folder" >&2
    exit 1
  fi
  command -v mvn >/dev/null || { echo "Maven is missing (Debian 12: apt-get install maven)" >&2; exit 1; }
  mkdir -p "$(dirname "$1")"
  part=$(mktemp -d "$1.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  mvn -B -q -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$part"
  cp "$here/pom.xml" "$part/kafka-broker.pom" # last: its presence says that the folder is whole
  chmod 755 "$part"
  rm -rf "$1"
  mv "$part" "$1"
}

start() {
  mkdir -p "$1"
  data=$(cd "$1" && pwd) port=$2
  check "$libs" >&2 || exit 1
  sed -e "s|@DATA@|$data|" -e "s|@PORT@|$port|" -e "s|@CONTROLLER@|$((port + 1))|" \
    "$here/server.properties" >"$data/server.properties"
  stop_at_eof kafka
  # The simple collector and the quick compiler alone: the least memory, the fastest start.
  set -- -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp "$libs/*" \
    "-Dlog4j2.configurationFile=$here/log4j2.properties"
  if [ ! -f "$data/log/meta.properties" ]; then
    # The cluster's id is 16 bytes in base64url; any will do.
    java "$@" kafka.tools.StorageTool format -t cmVwbHktaW5nZXN0LXRzdA -c "$data/server.properties" >&2
  fi
  exec java -Xms64m -Xmx256m "$@" kafka.Kafka "$data/server.properties" </dev/null
}

libs=${REPLY_INGEST_KAFKA_LIBS:-$root/target/kafka-libs}
case ${1:-} in
fetch | check) [ $# -le 2 ] || usage; "$1" "${2:-$libs}" ;;
start) [ $# -eq 3 ] || usage; start "$2" "$3" ;;
*) usage ;;
esac

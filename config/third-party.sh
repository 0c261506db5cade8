#!/usr/bin/env bash
# What of others is in the program, made from Cargo.lock:
#
#   config/third-party.sh FOLDER [--features archive-s3 …]
#
# writes FOLDER/reply-ingest.cdx.json, a bill of materials (CycloneDX 1.5) for scanners, and FOLDER/THIRD-PARTY.txt, the
# licences that must go with the program. Give the features that the program is built with. It needs jq and two of cargo's
# tools:
#
#   cargo install --locked cargo-about@0.9.3 --features cli && cargo install --locked cargo-cyclonedx@0.5.9
#
# Both know crates only. What crates bring along in C is added here: its name, its version as its sources say it, and its
# licence. A crate with C in it that is not in the table below ends the command.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# -ge 1 ] || { echo "usage: ${BASH_SOURCE[0]} FOLDER [--features …]" >&2; exit 64; }
out=$1
shift
target=${CARGO_BUILD_TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo metadata --locked --format-version 1 "$@" >"$work/metadata.json"
# What really is linked: cargo-cyclonedx also names what only the tests switch on.
cargo tree --locked --edges normal --target "$target" --prefix none --format '{p}' "$@" |
  awk '{ print $1 "@" substr($2, 2) }' | sort -u >"$work/linked"

# The version that the sources of a library carry: behind the last match of $2 in the file $1.
version() { sed -nE "s/$2/\1/p" "$1" | tail -n 1; }
# A number's parts from several lines: `#define X_MAJOR 1`, `#define X_MINOR 9`, …
parts() { sed -nE "s/^#define +$2_(MAJOR|MINOR|RELEASE) +([0-9]+).*/\2/p" "$1" | paste -sd.; }
# The folder of a crate's sources; with two versions of it in Cargo.lock, of the newer one.
sources() {
  dirname "$(jq -er --arg name "$1" '[.packages[] | select(.name == $name).manifest_path] | last' "$work/metadata.json")"
}

# One library: the crate that it is linked through, its name, version, licence, package URL, CPE's vendor:product, and the
# files with its licence.
library() {
  local crate=$1 name=$2 version=$3 licence=$4 purl=$5 cpe=$6
  shift 6
  [ -n "$version" ] || { echo "error: $name's version does not stand where it stood: mend $0" >&2; exit 1; }
  jq -nc --arg crate "$crate" --arg name "$name" --arg version "$version" --arg licence "$licence" \
    --arg purl "${purl/VERSION/$version}" --arg cpe "cpe:2.3:a:$cpe:$version:*:*:*:*:*:*:*" \
    '{$crate, component: {type: "library", "bom-ref": $purl, $name, $version, scope: "required",
      licenses: [{expression: $licence}], $purl, $cpe}}' >>"$work/libraries"
  {
    printf '\n%s\n%s %s (in %s)\n\n' "$(printf '=%.0s' {1..80})" "$name" "$version" "$crate"
    cat "$@"
  } >>"$work/native.txt"
}

openssl=$(sources openssl-src)/openssl
jemalloc=$(sources tikv-jemalloc-sys)/jemalloc
kafka=$(sources rdkafka-sys)/librdkafka
aws=$(sources aws-lc-sys)
zlib=$(sources libz-sys)/src/zlib
zstd=$(sources zstd-sys)/zstd
library openssl-sys OpenSSL \
  "$(sed -nE 's/^(MAJOR|MINOR|PATCH)=([0-9]+)/\2/p' "$openssl/VERSION.dat" | paste -sd.)" \
  Apache-2.0 pkg:generic/openssl@VERSION openssl:openssl "$openssl/LICENSE.txt"
library rdkafka-sys librdkafka \
  "$(jq -r '.packages[] | select(.name == "rdkafka-sys").version | split("+")[1]' "$work/metadata.json")" \
  "BSD-2-Clause AND BSD-3-Clause AND MIT AND Zlib AND Apache-2.0" \
  pkg:github/confluentinc/librdkafka@vVERSION confluent:librdkafka "$kafka/LICENSES.txt"
library rdkafka-sys LZ4 "$(parts "$kafka/src/lz4.h" LZ4_VERSION)" \
  BSD-2-Clause pkg:github/lz4/lz4@vVERSION lz4_project:lz4 "$kafka/LICENSE.lz4"
library aws-lc-sys AWS-LC \
  "$(version "$aws/aws-lc/include/openssl/base.h" '^#define AWSLC_VERSION_NUMBER_STRING "(.*)"')" \
  "ISC AND (Apache-2.0 OR ISC) AND Apache-2.0 AND MIT AND BSD-3-Clause" \
  pkg:github/aws/aws-lc@vVERSION amazon:aws-lc "$aws/aws-lc/LICENSE"
library libz-sys zlib "$(version "$zlib/zlib.h" '^#define ZLIB_VERSION "(.*)"')" \
  Zlib pkg:generic/zlib@VERSION zlib:zlib "$zlib/LICENSE"
library tikv-jemalloc-sys jemalloc \
  "$(jq -r '.packages[] | select(.name == "tikv-jemalloc-sys").version | split("+")[1] | split("-")[0]' "$work/metadata.json")" \
  BSD-2-Clause pkg:github/jemalloc/jemalloc@VERSION jemalloc_project:jemalloc "$jemalloc/COPYING"
library zstd-sys Zstandard "$(parts "$zstd/lib/zstd.h" ZSTD_VERSION)" \
  BSD-3-Clause pkg:github/facebook/zstd@vVERSION facebook:zstandard "$zstd/LICENSE"

cargo cyclonedx --format json --spec-version 1.5 --describe binaries --no-build-deps --target "$target" --quiet "$@"
# It writes beside Cargo.toml and nowhere else.
mv reply-ingest_bin.cdx.json "$work/crates.cdx.json"
jq --slurpfile libraries "$work/libraries" --rawfile linked "$work/linked" '
  ($linked | split("\n")) as $linked
  | def known: . as $crate | any($libraries[]; .crate == $crate);
  # What links to C says so in Cargo.toml; it is an external reference here. Only names of symbols: aws-lc-rs.
  ([.components[] | select(.name != "aws-lc-rs" and any(.externalReferences[]?; .type == "other"))
    | select("\(.name)@\(.version)" | IN($linked[])).name | select(known | not)]) as $unknown
  | if $unknown == [] then . else error("which library is in \($unknown | join(", "))? Add it to the table") end
  | .components |= map(select("\(.name)@\(.version)" | IN($linked[])))
  | ([.components[], .metadata.component] | map({key: ."bom-ref", value: .name}) | from_entries) as $kept
  | .dependencies |= map(select($kept[.ref])
      | $kept[.ref] as $crate
      | .dependsOn = ([.dependsOn[]? | select($kept[.])]
          + [$libraries[] | select(.crate == $crate).component."bom-ref"]))
  | .dependencies += [$libraries[] | {ref: .component."bom-ref", dependsOn: []}]
  | .components += [$libraries[].component]
' "$work/crates.cdx.json" >"$work/bill.json"

cargo about -L error generate --locked --config config/about.toml --target "$target" "$@" config/third-party.hbs \
  >"$work/crates.txt"
# Only now: what failed leaves nothing half behind.
cat "$work/crates.txt" "$work/native.txt" >"$out/THIRD-PARTY.txt"
cp "$work/bill.json" "$out/reply-ingest.cdx.json"

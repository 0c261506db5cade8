#!/bin/sh
# A throw-away Courier POP3 server on loopback, for the tests: POP3S on one port, with a self-signed certificate.
#
#   courier.sh fetch                          gets what cannot be installed; does nothing when it is there
#   courier.sh check                          says on one line what is missing; silent when nothing is
#   courier.sh make DIR POP3S_PORT USER...    writes configuration, certificate, passwords, Maildirs
#   courier.sh start DIR                      runs it in the foreground, at 127.0.0.1
#
# USER's password is "pw-USER", its mail is in DIR/home/USER/Maildir, the certificate to trust in DIR/tls/ca.crt, the
# log in DIR/log. Whoever made DIR removes it.
# Courier has its socket and its users at fixed places, /run/courier and /etc/courier. fakechroot (a library that
# changes the paths a program opens) puts these two, and nothing else, into DIR: no root needed, and two servers don't
# meet. Run by root (as in CI), the server and the mail belong to nobody; run by anyone else, to that user. Needs Debian
# 12's courier-base, libfakechroot and openssl. The server itself is in courier-pop, which cannot be installed: apt would
# remove Dovecot, since courier-pop conflicts with every other POP3 server. `fetch` (needs no root, but apt's lists)
# unpacks it into target/courier-pop under the project's root instead.
# The shell becomes couriertcpd (exec), whose end authdaemond notices; SIGKILL to its process group ends every session
# too. With REPLY_INGEST_STOP_AT_EOF=1 it is killed, with its group if it leads one, when its standard input closes, so
# that it can't outlive a test that died.
set -eu
. "$(dirname "$0")/../common.sh"
PATH=$PATH:/usr/sbin:/sbin # an ordinary user's PATH may lack these
lib=/usr/lib/courier
pop=$(cd "$(dirname "$0")/../../.." && pwd)/target/courier-pop

usage() {
  sed -n '/^#   courier/s/^#   //p' "$0" >&2
  exit 2
}

check() {
  for file in couriertcpd couriertls makeuserdb $lib/courier-authlib/authdaemond; do
    if ! command -v "$file" >/dev/null; then
      echo "Courier is missing (Debian 12: apt-get install courier-base)"
      return 1
    fi
  done
  # A library that is not there is only complained about.
  if [ -n "$(LD_PRELOAD=libfakechroot.so FAKECHROOT_EXCLUDE_PATH=/ true 2>&1)" ]; then
    echo "fakechroot's library is missing (Debian: apt-get install libfakechroot)"
    return 1
  fi
  if ! command -v openssl >/dev/null; then
    echo "openssl is missing (Debian: apt-get install openssl)"
    return 1
  fi
  if [ ! -x "$pop/courierpop3d" ]; then
    echo "Courier's POP3 server is missing in $pop (tests/servers/courier/courier.sh fetch)"
    return 1
  fi
}

fetch() {
  [ ! -x "$pop/courierpop3d" ] || return 0
  mkdir -p "$(dirname "$pop")"
  part=$(mktemp -d "$pop.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  # It works with the courier-base of its own version.
  (cd "$part" && apt-get -qq download "courier-pop=$(dpkg-query -W -f '${Version}' courier-base)" && dpkg -x ./*.deb .)
  chmod 755 "$part$lib/courier"
  rm -rf "$pop"
  mv "$part$lib/courier" "$pop"
}

# A certificate that nobody signed, as on many a small server: clients are given it as the one to trust.
certificate() {
  mkdir -p "$1"
  cat >"$1/openssl.cnf" <<CNF
[req]
distinguished_name = name
[name]
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
CNF
  openssl req -config "$1/openssl.cnf" -x509 -sha256 -days 3650 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -extensions server -subj "/CN=localhost" -keyout "$1/server.key" -out "$1/ca.crt" 2>"$1/openssl.log" || {
    cat "$1/openssl.log" >&2
    exit 1
  }
  (umask 077 && cat "$1/ca.crt" "$1/server.key" >"$1/server.pem")
}

# Runs a command as the user who owns everything in DIR.
as_owner() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid nobody --regid nogroup --clear-groups "$@"; else "$@"; fi
}

make() {
  check >&2 || exit 1
  mkdir -p "$1"
  dir=$(cd "$1" && pwd -P) pop3s=$2
  shift 2
  # The socket lies in DIR/run/courier/authdaemon, and a socket's path is at most 107 bytes.
  if [ ${#dir} -gt 75 ]; then
    echo "$dir is too long for the socket in it: use a shorter one" >&2
    exit 1
  fi
  mkdir -p "$dir/run/courier/authdaemon" "$dir/etc/courier" "$dir/home" "$dir/bin"
  # Nobody may not be able to reach the project's folder.
  cp "$pop/courierpop3login" "$pop/courierpop3d" "$dir/bin"
  [ -s "$dir/tls/server.pem" ] || certificate "$dir/tls"
  echo "$pop3s" >"$dir/port"
  cat >"$dir/etc/courier/authdaemonrc" <<RC
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
authdaemonvar=/run/courier/authdaemon
daemons=3
RC
  users=$dir/etc/courier/userdb
  (umask 077 && : >"$users")
  ids="uid=$(as_owner id -u)|gid=$(as_owner id -g)"
  for user; do
    case $user in
    '' | .* | *[!a-z0-9@._-]*)
      echo "$user: a user's name may have small letters, digits and @ . _ - only" >&2
      exit 1
      ;;
    esac
    box="$dir/home/$user/Maildir"
    mkdir -p "$box/cur" "$box/new" "$box/tmp"
    printf '%s\t%s|home=%s|mail=%s|systempw=%s\n' "$user" "$ids" "$dir/home/$user" "$box" \
      "$(openssl passwd -1 "pw-$user")" >>"$users"
  done
  makeuserdb -f "$users"
  if [ "$(id -u)" = 0 ]; then
    chown -R nobody:nogroup "$dir"
    let_pass "$dir" nobody nogroup
  fi
}

start() {
  dir=$(cd "$1" && pwd -P)
  stop_at_eof courier
  exec >>"$dir/log" 2>&1 </dev/null
  # What stays where it is. That leaves /run/courier and /etc/courier: nothing else of these two trees is opened.
  kept=$dir:/usr:/lib:/lib64:/bin:/sbin:/dev:/proc:/sys:/tmp:/var:/root:/home
  kept=$kept:/etc/passwd:/etc/group:/etc/nsswitch.conf:/etc/hosts:/etc/resolv.conf:/etc/localtime:/etc/ssl:/etc/gnutls
  kept=$kept:/etc/ld.so.cache:/etc/ld.so.preload:/etc/host.conf:/etc/gai.conf
  socket=$dir/run/courier/authdaemon/socket
  rm -f "$socket"
  set -- env LD_PRELOAD=libfakechroot.so FAKECHROOT_BASE="$dir" FAKECHROOT_EXCLUDE_PATH="$kept"
  [ "$(id -u)" != 0 ] || set -- setpriv --reuid nobody --regid nogroup --clear-groups "$@"
  (
    . "$dir/etc/courier/authdaemonrc"
    export authmodulelist authmodulelistorig authdaemonvar daemons
    exec "$@" setpriv --pdeathsig TERM $lib/courier-authlib/authdaemond
  ) &
  tries=0
  until [ -S "$socket" ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || {
      echo "authdaemond does not come up"
      exit 1
    }
    sleep 0.05
  done
  # As Debian's pop3d-ssl starts it: USER and PASS, no AUTH.
  TLS_CERTFILE=$dir/tls/server.pem TLS_VERIFYPEER=NONE POP3_TLS=1 POP3_STARTTLS=NO POP3_TLS_REQUIRED=0 POP3AUTH='' \
    POP3AUTH_TLS='' exec "$@" couriertcpd -address=127.0.0.1 -maxprocs=100 -maxperip=100 -nodnslookup -noidentlookup \
    "$(cat "$dir/port")" "$(command -v couriertls)" -server -tcpd \
    "$dir/bin/courierpop3login" "$dir/bin/courierpop3d" Maildir
}

case ${1:-} in
fetch | check) [ $# -eq 1 ] || usage; "$1" ;;
make) [ $# -ge 4 ] || usage; shift; make "$@" ;;
start) [ $# -eq 2 ] || usage; start "$2" ;;
*) usage ;;
esac

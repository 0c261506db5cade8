#!/bin/sh
# A throw-away Dovecot 2.3 on loopback, for the tests: POP3 with STLS on one port, POP3S on another, its own CA.
#
#   dovecot.sh check                                      says on one line what is missing; silent when nothing is
#   dovecot.sh make DIR POP3_PORT POP3S_PORT USER...      writes configuration, CA, certificate, passwords, Maildirs
#   dovecot.sh start DIR                                  runs it in the foreground, at 127.0.0.1 and 127.0.0.2
#
# USER's password is "pw-USER", its mail is in DIR/home/USER/Maildir, the CA in DIR/tls/ca.crt, the log in DIR/log.
# Further settings for a test go into DIR/extra.conf. Whoever made DIR removes it.
# Run by root (as in CI), Dovecot uses its package's users and the mail belongs to nobody, since it never serves root's
# own mail; run by anyone else, everything is that user's. Needs Debian 12's dovecot-pop3d and openssl: 2.4 reads
# another configuration. The shell becomes Dovecot (exec): SIGTERM to its pid is an orderly stop, which leaves open
# sessions another 30 s; SIGKILL to its process group ends them too. With REPLY_INGEST_STOP_AT_EOF=1 it is killed, with
# its group if it leads one, when its standard input closes, so that it can't outlive a test that died.
set -eu
. "$(dirname "$0")/../common.sh"
PATH=$PATH:/usr/sbin:/sbin # an ordinary user's PATH may lack these

usage() {
  sed -n '/^#   dovecot/s/^#   //p' "$0" >&2
  exit 2
}

check() {
  if ! command -v dovecot >/dev/null || [ ! -x "$(doveconf -h -c /dev/null libexec_dir 2>/dev/null)/pop3" ]; then
    echo "Dovecot's POP3 server is missing (Debian 12: apt-get install dovecot-pop3d)"
    return 1
  fi
  case $(dovecot --version) in
  2.3.*) ;;
  *)
    echo "Dovecot $(dovecot --version) reads another configuration than 2.3 (Debian 12: apt-get install dovecot-pop3d)"
    return 1
    ;;
  esac
  if ! command -v openssl >/dev/null; then
    echo "openssl is missing (Debian: apt-get install openssl)"
    return 1
  fi
}

# A CA of its own, and a certificate as a public CA would issue it: clients check names, uses and the path's length.
certificates() {
  mkdir -p "$1"
  cat >"$1/openssl.cnf" <<CNF
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:127.0.0.2
authorityKeyIdentifier = keyid
CNF
  set -- "$1" -config "$1/openssl.cnf" -x509 -sha256 -days 3650 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes
  tls=$1
  shift
  {
    openssl req "$@" -extensions ca -subj "/CN=Reply ingest test CA" -keyout "$tls/ca.key" -out "$tls/ca.crt"
    openssl req "$@" -extensions server -subj "/CN=localhost" -CA "$tls/ca.crt" -CAkey "$tls/ca.key" \
      -keyout "$tls/server.key" -out "$tls/server.crt"
  } 2>"$tls/openssl.log" || {
    cat "$tls/openssl.log" >&2
    exit 1
  }
}

make() {
  check >&2 || exit 1
  mkdir -p "$1"
  dir=$(cd "$1" && pwd -P) pop3=$2 pop3s=$3
  shift 3
  # The sockets lie in DIR/run, and a socket's path is at most 107 bytes.
  if [ ${#dir} -gt 75 ]; then
    echo "$dir is too long for the sockets in it: use a shorter one" >&2
    exit 1
  fi
  if [ "$(id -u)" = 0 ]; then
    mail_user=nobody mail_group=nogroup login=dovenull internal=dovecot
  else
    mail_user=$(id -un) mail_group=$(id -gn) login=$(id -un) internal=$(id -un)
  fi
  mkdir -p "$dir/run" "$dir/state" "$dir/home"
  [ -s "$dir/tls/server.crt" ] || certificates "$dir/tls"
  : >"$dir/passwd"
  for user; do
    case $user in
    '' | .* | *[!A-Za-z0-9@._-]*)
      echo "$user: a user's name may have letters, digits and @ . _ - only" >&2
      exit 1
      ;;
    esac
    echo "$user:{PLAIN}pw-$user" >>"$dir/passwd"
    box="$dir/home/$user/Maildir"
    mkdir -p "$box/cur" "$box/new" "$box/tmp"
  done
  if [ "$(id -u)" = 0 ]; then
    chown -R "$mail_user:$mail_group" "$dir/home"
    let_pass "$dir/home" "$mail_user" "$mail_group"
    chgrp "$internal" "$dir/passwd"
  fi
  chmod 640 "$dir/passwd"
  cat >"$dir/dovecot.conf" <<CONF
instance_name = reply-ingest-test
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
# Dovecot lets a password in clear pass from its own address, whatever the next setting says: at 127.0.0.2 it refuses it.
listen = 127.0.0.1, 127.0.0.2
protocols = pop3
default_login_user = $login
default_internal_user = $internal
default_internal_group = $(id -gn "$internal")
first_valid_uid = 1

ssl = required
ssl_min_protocol = TLSv1.2
ssl_cert = <$dir/tls/server.crt
ssl_key = <$dir/tls/server.key

auth_mechanisms = plain login scram-sha-256 apop
auth_verbose = yes
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $dir/passwd
}
userdb {
  driver = static
  args = uid=$mail_user gid=$mail_group home=$dir/home/%u
}
mail_location = maildir:~/Maildir
pop3_uidl_format = %08Xu%08Xv
# The folder is thrown away: nothing in it has to survive a power cut.
mail_fsync = never

# A refused password is answered at once, and the next try too.
auth_failure_delay = 0
mail_max_userip_connections = 100
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = $pop3
  }
  inet_listener pop3s {
    port = $pop3s
    ssl = yes
  }
}
!include_try $dir/extra.conf
CONF
}

start() {
  dir=$(cd "$1" && pwd -P)
  stop_at_eof dovecot
  exec dovecot -F -c "$dir/dovecot.conf" </dev/null
}

case ${1:-} in
check) [ $# -eq 1 ] || usage; check ;;
make) [ $# -ge 5 ] || usage; shift; make "$@" ;;
start) [ $# -eq 2 ] || usage; start "$2" ;;
*) usage ;;
esac

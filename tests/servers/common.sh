# What the servers' scripts share; they read it, nobody runs it.

# With REPLY_INGEST_STOP_AT_EOF=1 this process is killed, with its group if it leads one, when its standard input
# closes: so a server can't outlive a test that died.
#   stop_at_eof NAME      a word of the command line that the process will have
stop_at_eof() {
  [ "${REPLY_INGEST_STOP_AT_EOF:-}" = 1 ] || return 0
  pid=$$
  exec 3<&0 # a job in the background gets no standard input of its own
  # The check of the name: a pid may have been given to another program since.
  (
    cat <&3 >/dev/null || :
    if grep -q "$1" "/proc/$pid/cmdline"; then kill -9 "-$pid" || kill -9 "$pid"; fi
  ) >/dev/null 2>&1 &
  exec 3<&-
}

# Lets the user who owns the mail pass every folder down to DIR. A temporary folder is made closed to others; those are
# opened as far as they lie below the system's temporary folder, and no other.
#   let_pass DIR USER GROUP
let_pass() {
  top=$(cd "${TMPDIR:-/tmp}" && pwd -P)
  path=$1
  while case $path in "$top"/*) ;; *) false ;; esac; do
    chmod o+x "$path"
    path=$(dirname "$path")
  done
  # A new process with that user's rights is the only sure test.
  setpriv --reuid "$2" --regid "$3" --clear-groups test -x "$1" || {
    echo "$2, who owns the mail, cannot reach $1: use a folder below $top" >&2
    exit 1
  }
}

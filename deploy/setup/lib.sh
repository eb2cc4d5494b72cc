# shellcheck shell=sh
# Shared by the setup scripts. Sourced, not run.

set -eu

say() { printf 'parts: %s\n' "$*"; }

die() {
    printf 'parts: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "needs root or sudo for: $*"
    fi
}

# apt_install WHY PACKAGE...
apt_install() {
    why=$1
    shift
    have apt-get || die "$why is missing; install it yourself (on Debian: $*)"
    say "installing $* ($why)"
    if [ -z "${APT_LISTS_FRESH:-}" ]; then
        as_root apt-get -qq update >"$LOG" 2>&1 || show_log "apt-get update"
        APT_LISTS_FRESH=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" \
        >"$LOG" 2>&1 </dev/null || show_log "apt-get install $*"
}

# What went wrong, from the log of the command that failed.
show_log() {
    tail -n 30 "$LOG" >&2
    die "$1 failed, see above; run the same command again to go on from here"
}

# The hash of the files that pin a part, and of the script that makes it.
pins() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

# is_current PART PINS: whether the part is there and made from these pins.
is_current() { [ -f "$PARTS/$1/.pins" ] && [ "$(cat "$PARTS/$1/.pins")" = "$2" ]; }

# Parts are made beside their place and moved there whole, so that what is in
# its place is always complete.
begin_part() {
    rm -rf "$PARTS/.new-$1"
    mkdir -p "$PARTS/.new-$1"
}

finish_part() {
    printf '%s\n' "$2" >"$PARTS/.new-$1/.pins"
    rm -rf "${PARTS:?}/$1"
    mv "$PARTS/.new-$1" "$PARTS/$1"
}

# Sets SETUP (this folder), PARTS (where parts go) and LOG, and makes sure
# that one run at a time works there.
open_parts() {
    SETUP=$(cd "$(dirname "$0")" && pwd)
    PARTS=${RAGSTREAM_PARTS:-$SETUP/../../.ragstream/parts}
    mkdir -p "$PARTS"
    PARTS=$(cd "$PARTS" && pwd -P)
    LOG=$PARTS/.log
    exec 9>"$PARTS/.lock"
    if ! flock -n 9; then
        say "another run is at work, waiting for it"
        flock 9
    fi
}

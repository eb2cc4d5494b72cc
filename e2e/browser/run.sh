#!/bin/sh
# The dashboard in a real browser, against the node at RAGSTREAM_URL, which it neither starts nor stops.
# What it needs is fetched where it is missing: packages as pinned in package-lock.json, and Debian's Chromium.
# Screenshots, traces of failures and results.json go to RAGSTREAM_BROWSER_OUT (default: output/ beside this file).
set -eu
cd "$(dirname "$0")"
: "${RAGSTREAM_URL:?is not set: the address of a running node, such as http://127.0.0.1:8000}"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing=
command -v node >/dev/null && command -v npm >/dev/null || missing="$missing nodejs npm"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing="$missing chromium"
if [ -n "$missing" ]; then
    as_root apt-get update -q
    # shellcheck disable=SC2086 # several names
    as_root apt-get install -yq --no-install-recommends $missing
fi
if ! cmp -s package-lock.json node_modules/.installed; then
    # The browser is Debian's: none is downloaded.
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
    cp package-lock.json node_modules/.installed
fi
npm run --silent unit
exec npx --no-install playwright test "$@"

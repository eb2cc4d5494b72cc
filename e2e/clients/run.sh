#!/bin/sh
# Clients of others, as they come from their registries, against the node at RAGSTREAM_URL, which is neither
# started nor stopped here: OpenAI's, the Model Context Protocol's and tus' for Node and Python.
# Versions are pinned in package-lock.json and python/requirements.txt; what is missing is fetched.
set -eu
cd "$(dirname "$0")"
: "${RAGSTREAM_URL:?is not set: the address of a running node, such as http://127.0.0.1:8000}"
export RAGSTREAM_URL

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing=
command -v node >/dev/null && command -v npm >/dev/null || missing="$missing nodejs npm"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    as_root apt-get update -q
    # shellcheck disable=SC2086 # several names
    as_root apt-get install -yq --no-install-recommends $missing
fi
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --no-audit --no-fund
    cp package-lock.json node_modules/.installed
fi
if ! cmp -s python/requirements.txt venv/.installed; then
    python3 -m venv --clear venv
    venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r python/requirements.txt
    cp python/requirements.txt venv/.installed
fi
npm run --silent test
exec venv/bin/python -m unittest discover --verbose --start-directory python

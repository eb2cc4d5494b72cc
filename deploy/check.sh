#!/bin/sh
# Checks docker-compose.yml and what it mounts, as far as that goes without a
# container engine. Says what it could not check; fails where something is wrong.
#
# Needs Go (1.24, or any from 1.21 on that may fetch it) for the compose file and
# the dashboards, and promtool (Debian package prometheus) for rules and expressions.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
failed=0

ok() { printf 'ok    %s\n' "$*"; }
skip() { printf 'skip  %s\n' "$*"; }
fail() {
    printf 'FAIL  %s\n' "$*"
    failed=1
}

# try NAME COMMAND...: its output is shown where it fails.
try() {
    name=$1
    shift
    if output=$("$@" 2>&1); then
        ok "$name"
    else
        fail "$name"
        printf '%s\n' "$output" | sed 's/^/      /'
    fi
}

rules=$(mktemp)
trap 'rm -f "$rules"' EXIT

if command -v go >/dev/null 2>&1; then
    (cd "$root/deploy/check" && go run . "$root") || failed=1
    (cd "$root/deploy/check" && go run . -promql "$root") >"$rules" || failed=1
else
    skip "compose file, dashboards, Kafka UI: there is no go"
fi

if command -v promtool >/dev/null 2>&1; then
    try "prometheus.yml" promtool check config "$root/prometheus.yml"
    try "tests of the alerts" promtool test rules "$root/deploy/prometheus/alerts.test.yml"
    if [ -s "$rules" ]; then
        try "expressions of the dashboards" promtool check rules "$rules"
    fi
else
    skip "Prometheus rules and expressions: there is no promtool"
fi

for script in check.sh fetch-model.sh; do
    try "$script" sh -n "$root/deploy/$script"
done

if docker compose version >/dev/null 2>&1; then
    try "docker compose config" docker compose -f "$root/docker-compose.yml" config -q
else
    skip "docker compose config: there is no docker compose"
fi

exit $failed

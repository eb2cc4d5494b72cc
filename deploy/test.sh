#!/bin/sh
# Runs the tests and ends with one line that sums them up. Arguments go to `cargo test`.
# Every test binary starts the parts it needs itself, on free ports, and stops them.
set -u
cd "$(dirname "$0")/.." || exit 1

out=$(mktemp)
trap 'rm -f "$out"' EXIT
{
    cargo test --locked --workspace --no-fail-fast "$@" 2>&1
    echo "cargo test exited with $?"
} | tee "$out"

awk '
    /^test result:/ { passed += $4; failed += $6 }
    /^cargo test exited with/ { code = $NF }
    END {
        # A suite that did not build or died has no result line of its own.
        if (code != 0 && failed == 0) failed = 1
        printf "\n%d passed, %d failed\n", passed, failed
        exit (code != 0)
    }' "$out"

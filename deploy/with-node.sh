#!/bin/sh
# Runs a command beside a node of its own, whose address is in RAGSTREAM_URL:
#
#   sh deploy/with-node.sh sh e2e/clients/run.sh
set -eu
cd "$(dirname "$0")/.."
# As `make test` builds it, with the features of its dev-dependencies, so that nothing is built twice.
cargo test --locked --workspace --no-run
dir=$(mktemp -d)
node=
# shellcheck disable=SC2329 # called by the trap
end() {
    if [ -n "$node" ]; then
        kill "$node" 2>/dev/null || true
        wait "$node" 2>/dev/null || true
    fi
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 1' INT TERM
: "${RAGSTREAM_TEST_PORT:=8765}"
RAGSTREAM_URL=http://127.0.0.1:$RAGSTREAM_TEST_PORT
export RAGSTREAM_URL
target/debug/ragstream standalone --data-dir "$dir/data" --listen "127.0.0.1:$RAGSTREAM_TEST_PORT" \
    --log-file "$dir/node.log" >"$dir/node.out" 2>&1 &
node=$!
tries=120
until curl -fsS -o "$dir/ready" "$RAGSTREAM_URL/readyz" 2>/dev/null; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ] || ! kill -0 "$node" 2>/dev/null; then
        echo "the node did not become ready:" >&2
        tail -n 20 "$dir/node.out" "$dir/node.log" >&2
        exit 1
    fi
    sleep 1
done
"$@"

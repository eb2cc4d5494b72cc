#!/bin/sh
# Runs a command with a fresh MinIO beside it, at the address in RAGSTREAM_TEST_S3:
#
#   sh deploy/setup/with-minio.sh cargo test -p ragstream-s3

set -eu
here=$(cd "$(dirname "$0")" && pwd)
minio=${RAGSTREAM_PARTS:-$here/../../.ragstream/parts}/minio/minio
[ -x "$minio" ] || {
    echo "with-minio: no MinIO in $minio: run 'make parts-minio' first" >&2
    exit 1
}

work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
TZ=UTC MINIO_BROWSER=off MINIO_ROOT_USER=ragstream MINIO_ROOT_PASSWORD=ragstream-secret \
    "$minio" server "$work/data" --address "127.0.0.1:$port" >"$work/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

tries=300
until python3 -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$port/minio/health/ready', timeout=1)" \
    2>/dev/null; do
    tries=$((tries - 1))
    if [ $tries = 0 ] || ! kill -0 $server 2>/dev/null; then
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.1
done

RAGSTREAM_TEST_S3=http://ragstream:ragstream-secret@127.0.0.1:$port/ragstream "$@"

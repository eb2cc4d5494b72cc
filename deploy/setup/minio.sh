#!/bin/sh
# Builds a MinIO server into .ragstream/parts/minio, at the version and with the
# checksums that minio/go.mod and minio/go.sum pin. Run by `make parts-minio`.
#
# It is needed for one thing: to hold the blob store adapter to its contract
# against the real thing. Takes a few minutes and about 3 GB of memory.

. "$(dirname "$0")/lib.sh"

# What go.mod asks for, and the toolchain that is fetched where Go is older.
GO_MINOR=25
GO_TOOLCHAIN=go1.25.0

go_minor() { go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p'; }

# Go from 1.21 on fetches the toolchain that go.mod asks for by itself. Older
# ones (Debian 12 has 1.19) can fetch it as the module it is published as.
find_go() {
    GO=go
    have go || apt_install "Go, which MinIO is written in" golang-go
    if [ "$(go_minor)" -ge 21 ]; then return; fi
    case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *) die "no Go toolchain known for $(uname -m)" ;;
    esac
    say "Go 1.$(go_minor) is too old for MinIO (it needs 1.$GO_MINOR), fetching $GO_TOOLCHAIN beside it"
    module=golang.org/toolchain@v0.0.1-$GO_TOOLCHAIN.linux-$arch
    (cd "$PARTS" && go mod download "$module") >"$LOG" 2>&1 || show_log "go mod download $module"
    root=$(go env GOMODCACHE)/$module
    # Module archives carry no executable bits.
    chmod -R u+w "$root"
    chmod +x "$root"/bin/* "$root"/pkg/tool/*/*
    GO=$root/bin/go
    GOROOT=$root
    export GOROOT
}

open_parts
pin=$(pins "$SETUP/minio/go.mod" "$SETUP/minio/go.sum" "$SETUP/minio/main.go")
if ! is_current minio "$pin"; then
    find_go
    say "building MinIO with $("$GO" env GOVERSION)"
    begin_part minio
    (cd "$SETUP/minio" && CGO_ENABLED=0 "$GO" build -mod=readonly -trimpath -ldflags '-s -w' \
        -o "$PARTS/.new-minio/minio" .) >"$LOG" 2>&1 || show_log "go build"
    finish_part minio "$pin"
fi
say "MinIO is at $PARTS/minio/minio"

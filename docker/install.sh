#!/bin/sh
# Fill $VENV with what the service needs, and nothing that is needed to build or to test it.
set -eu
: "${VENV:=/venv}" "${TORCH_INDEX_URL:=}" "${EXTRAS:=openvino,traces}" "${TORCH:=whole}"

python3 -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip "$@"; }
index=${TORCH_INDEX_URL:+--index-url $TORCH_INDEX_URL}

if [ "$TORCH" = none ]; then
    # What serves a converted checkpoint on OpenVINO, and nothing that only torch needs.
    python3 docker/requirements.py "$EXTRAS" torch sam2 hydra-core iopath > "$VENV/requirements.txt"
    pip install -q -c constraints.txt -r "$VENV/requirements.txt"
    pip install -q --no-deps .
else
    # sam2 is a source package that imports torch to build; its CUDA extension is not used.
    # Two words, or none.
    # shellcheck disable=SC2086
    pip install -q $index -c constraints.txt torch
    pip install -q -c constraints.txt numpy setuptools wheel
    SAM2_BUILD_CUDA=0 pip install -q -c constraints.txt --no-deps --no-build-isolation sam2
    pip install -q -c constraints.txt ".[$EXTRAS]"
    pip uninstall -q -y wheel
fi
pip uninstall -q -y pip
find "$VENV" -name '__pycache__' -type d -prune -exec rm -rf {} +
find "$VENV" -path '*/torch/test' -type d -prune -exec rm -rf {} +

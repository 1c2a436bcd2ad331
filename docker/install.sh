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
    if [ -n "$TORCH_INDEX_URL" ] && ls -d "$VENV"/lib/python3*/site-packages/nvidia > /dev/null 2>&1; then
        echo "TORCH_INDEX_URL gave a build of torch with CUDA libraries: name PyTorch's index of CPU wheels." >&2
        exit 1
    fi
}

project() {
    pip install -q --no-deps . ./client
    pip uninstall -q -y pip
    find "$VENV" -name '__pycache__' -type d -prune -exec rm -rf {} +
    trim
    [ "$TORCH" = none ] || "$VENV/bin/python" -c 'import torch'
}

# Delete what nothing here loads.
trim() {
    # For building against torch and CUDA.
    find "$VENV" \( -path '*/torch/test' -o -path '*/torch/include' -o -path '*/nvidia/*/include' \) -type d -prune -exec rm -rf {} +
    find "$VENV" \( -path '*/nvidia/*' -o -path '*/triton/*' \) \( -name '*.a' -o -name 'libnvshmem_device.bc' \) -delete
    # CUDA libraries that no library of torch's names: several GPUs' solver, a second nvrtc, doors for other programs.
    find "$VENV" -path '*/nvidia/*' \( -name 'libcusolverMg.*' -o -name 'libnvrtc*.alt.*' -o -name 'libcufftw.*' \
        -o -name 'libnvblas.*' -o -name 'libcheckpoint.*' -o -name 'libpcsamplingutil.*' \) -delete
    # The profiler's in Triton; its compiler stays.
    find "$VENV" -path '*/triton/backends/nvidia/lib/cupti' -type d -prune -exec rm -rf {} +
    # OpenVINO's readers of other devices and formats.
    find "$VENV" -path '*/openvino/libs/*' \( -name '*intel_gpu*' -o -name '*intel_npu*' -o -name cache.json \
        -o -name '*_onnx_*' -o -name '*_paddle_*' -o -name '*_tensorflow_*' -o -name '*_gguf_*' \) -delete
}

# A bill of materials of what is in $VENV, for those who look for weaknesses in it.
bill() {
    python3 -m venv /bill
    /bill/bin/python -m pip install -q -c constraints.txt cyclonedx-bom
    /bill/bin/cyclonedx-py environment --output-reproducible --output-file /bill.cdx.json "$VENV/bin/python"
}

"$1"

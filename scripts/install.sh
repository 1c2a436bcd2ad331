#!/bin/sh
# Fill $VENV with the project and its extras. torch comes first: sam2 is a source package that imports it to build.
set -eu
: "${TORCH_INDEX_URL:=}" "${PYTHON:=python3}" "${VENV:=.venv}"
: "${EXTRAS:=openvino,int8,scale,traces,bench,demo,tissue,training,sam,histology,dev}"

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $PYTHON is $("$PYTHON" --version). Set PYTHON=..." >&2
    exit 1
}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

pinned() { sed -n "s/^\($1\)==/\1==/p" constraints.txt; }
has_gpu() { command -v nvidia-smi > /dev/null 2>&1 && nvidia-smi -L > /dev/null 2>&1; }

# PyPI's wheels of torch for Linux bring gigabytes of CUDA libraries. Without a GPU take the CPU build, where pip finds one.
cpu_torch() {
    [ "$(uname -s)" = Linux ] && ! has_gpu || return 1
    case ",$EXTRAS," in *,dev,* | *,histology,*) set -- "$(pinned torchvision)+cpu" ;; *) set -- ;; esac
    pip install -q --no-compile -c constraints.txt ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} \
        "$(pinned torch)+cpu" "$@" 2> /dev/null
}

echo "Installing into $VENV; the first time takes some minutes"
echo "1/3 torch, the largest part"
cpu_torch || pip install -q --no-compile -c constraints.txt torch
echo "2/3 SAM 2"
pip install -q --no-compile -c constraints.txt numpy setuptools wheel
SAM2_BUILD_CUDA=0 pip install -q --no-compile -c constraints.txt --no-deps --no-build-isolation sam2
echo "3/3 everything else"
pip install -q --no-compile -c constraints.txt -e ./client -e ".[$EXTRAS]"
# What pip would do on one core only. Some packages hold templates that do not compile.
"$VENV/bin/python" -m compileall -q -j 0 "$VENV/lib" > /dev/null 2>&1 || true

taken=$("$VENV/bin/python" -c 'from importlib.metadata import version; print(version("torch"))')
echo "Installed: torch $taken, extras $EXTRAS; $VENV has $(du -sh "$VENV" | cut -f1)."
if ! has_gpu && ls -d "$VENV"/lib/python3*/site-packages/nvidia > /dev/null 2>&1; then
    echo "There is no GPU here, but pip found no CPU build of torch: $(du -shc "$VENV"/lib/python3*/site-packages/nvidia |
        tail -1 | cut -f1) of it are CUDA libraries. To do without: TORCH_INDEX_URL=<PyTorch's index of CPU wheels> sh scripts/install.sh"
fi

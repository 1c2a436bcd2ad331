#!/bin/sh
# Fill $VENV with the project and its extras. torch comes first: sam2 is a source package that imports it to build.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}" "${EXTRAS:=openvino,int8,scale,traces,bench,demo,tissue,training,sam,histology,dev}"

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $PYTHON is $("$PYTHON" --version). Set PYTHON=..." >&2
    exit 1
}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

echo "Installing into $VENV (torch is large; the first time takes some minutes)"
pip install -q --no-compile -c constraints.txt torch numpy setuptools wheel
SAM2_BUILD_CUDA=0 pip install -q --no-compile -c constraints.txt --no-deps --no-build-isolation sam2
pip install -q --no-compile -c constraints.txt -e ./client -e ".[$EXTRAS]"
# What pip would do on one core only. Some packages hold templates that do not compile.
"$VENV/bin/python" -m compileall -q -j 0 "$VENV/lib" > /dev/null 2>&1 || true

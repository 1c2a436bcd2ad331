#!/bin/sh
# Say how many processes run the tests: more than there are cores, but at most one for every 3 GB of free memory.
# usage: workers.sh MORE [MEMINFO]
set -eu
cores=$(nproc)
awk -v most="$((cores < 7 ? cores + $1 : 7 + $1))" '
    /^MemAvailable:/ { fit = int($2 / 3e6); print fit < 1 ? 1 : fit < most ? fit : most }' "${2:-/proc/meminfo}"

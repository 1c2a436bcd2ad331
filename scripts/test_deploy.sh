#!/bin/sh
# Build the image and a small Cytomine from nothing but Debian's and Python's packages, and try the deployment in containers.
# Says SKIPPED, and ends well, where containers cannot run. The base and converted model are kept under $CACHE.
set -eu
cd "$(dirname "$0")/.."
: "${VENV:=.venv}" "${CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/refine-deploy}"
DEBIAN=bookworm
TOOLS="podman runc netavark aardvark-dns iptables catatonit debootstrap"

skip() {
    echo "SKIPPED: $*, so the deployment was not tried in containers."
    exit 0
}

missing() {
    for tool in podman runc iptables catatonit debootstrap; do
        command -v "$tool" > /dev/null || return 0
    done
    return 1
}

[ "$(id -u)" = 0 ] || skip "only root can make networks and a base image"
if missing; then
    # Each tool is a word.
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends $TOOLS; } \
        > /dev/null 2>&1 || skip "podman and debootstrap are not here and cannot be installed"
fi
missing && skip "podman, runc, iptables, catatonit or debootstrap is not here"
mkdir -p "$CACHE" out

# runc and cgroupfs also run where there is no systemd; without it, limits of open files cannot be raised.
CONTAINERS_CONF="$CACHE/containers.conf"
export CONTAINERS_CONF
cat > "$CONTAINERS_CONF" << 'END'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
events_logger = "file"
runtime = "runc"
cgroup_manager = "cgroupfs"
END

if ! podman image exists localhost/refine-deploy:base; then
    rm -rf "$CACHE/root"
    debootstrap --variant=minbase --include=python3,python3-venv,nginx-light,gettext-base,libfaketime,ca-certificates \
        "$DEBIAN" "$CACHE/root" > out/debootstrap.log 2>&1 || skip "no base image could be made (out/debootstrap.log)"
    tar -C "$CACHE/root" -cf - . | podman import -q - localhost/refine-deploy:base > /dev/null \
        || skip "podman cannot keep images here"
    rm -rf "$CACHE/root"
fi
podman run --rm --network none localhost/refine-deploy:base true > out/podman.log 2>&1 \
    || skip "containers do not run here (out/podman.log)"

# The image has no torch: the demo model is converted here, as an operator converts a checkpoint with the full image, and
# meanwhile the images are built.
engines="$CACHE/engines-$(cat app/segmenter/embedded/* app/segmenter/engines/*.py constraints.txt | sha256sum | cut -c1-16)"
converting=
if ! ls "$engines"/*.json > /dev/null 2>&1; then
    REFINE_SEGMENTER__ENGINE_FOLDER="$engines" REFINE_SEGMENTER__DEVICE=cpu REFINE_SEGMENTER__DEMO_MODEL=true PYTHONPATH=. \
        "$VENV/bin/python" -m app engines --no-int8 > out/engines.log 2>&1 &
    converting=$!
    trap 'kill "$converting" 2> /dev/null || true' EXIT
fi

build() {
    podman build -q --format docker --network host "$@" > out/build.log 2>&1 && return
    grep -qE 'ConnectionError|ConnectTimeout|ReadTimeout|Temporary failure in name resolution' out/build.log && skip "the package index cannot be reached from a container"
    cat out/build.log
    exit 1
}
# What this machine needs to reach the package index: its certificates, and its configuration of pip.
set --
for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
    [ ! -f "$file" ] || set -- "$@" -v "$file:$file:ro"
done
echo "Building the images (the first time takes some minutes)"
build "$@" --build-arg BASE_IMAGE=localhost/refine-deploy:base --build-arg TORCH=none \
    --build-arg EXTRAS=openvino,traces,demo -t localhost/refine-deploy:service .
context="$CACHE/context"
rm -rf "$context" && mkdir -p "$context"
cp -r demo slides tests/deploy/cytomine/* tests/nginx/nginx.conf.sample "$context"
build -f "$context/standin.Dockerfile" -t localhost/refine-deploy:standin "$context"
build -f "$context/nginx.Dockerfile" -t localhost/refine-deploy:nginx "$context"

[ -z "$converting" ] || wait "$converting" || { cat out/engines.log; exit 1; }
trap - EXIT
# One stack after the other: a container that starts or stops on any network takes the names of all networks away for a moment
# (aardvark-dns before 1.11).
REFINE_DEPLOY_ENGINES="$engines" PYTHONPATH=. exec "$VENV/bin/python" -m pytest tests/deploy

#!/bin/sh
# podman, with what podman-compose asks of version 4.6 for "condition: service_healthy": to wait until a container's health
# check passes. Such checks are run by timers of systemd's, which containers have to do without here, so the wait runs them.
set -eu
case "$*" in
    --version*) echo "podman version 4.6.0" ;;
    "wait --condition=healthy "*)
        shift 2
        for container in "$@"; do
            until podman healthcheck run "$container" > /dev/null 2>&1; do
                podman container exists "$container"
                sleep 0.2
            done
        done
        ;;
    *) exec podman "$@" ;;
esac

"""Replicas as a test sees them: listed, and killed as a machine that fails would kill them."""

from __future__ import annotations

import ray


def replicas(kind: str, service: str = "") -> dict[str, object]:
    """Give the actors of a deployment by name, of one service or of all."""
    named = ray.util.list_named_actors(all_namespaces=True)
    found = [each for each in named if each["name"].startswith("SERVE_REPLICA") and f"#{kind}#" in each["name"]]
    return {
        each["name"]: ray.get_actor(each["name"], namespace=each["namespace"])
        for each in found
        if service in each["name"]
    }


def kill(actor: object) -> None:
    """End a process at once, whatever it is doing."""
    ray.kill(actor, no_restart=True)

"""Replicas as a test sees them: listed, and killed as a machine that fails would kill them."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import ray

from tests.waiting import until


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


def more(lists: Sequence[Sized], by: int = 2) -> None:
    """Wait until each list has grown: everybody has begun and finished something meanwhile."""
    wanted = [len(each) + by for each in lists]
    until(lambda: all(len(each) >= least for each, least in zip(lists, wanted, strict=True)))

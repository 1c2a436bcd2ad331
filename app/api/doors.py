"""Which paths do work, which of them ask for their caller, and how large their bodies may be.

One place, so that whoever guards, traces or serves a path means the same path.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

from app.api.routes import crops, docs
from app.settings import ApiSettings


@dataclass(frozen=True, slots=True)
class Doors:
    """The paths of an application."""

    base: str
    """Prefix of the routes that do work."""
    settings: ApiSettings

    def does_work(self, path: str) -> bool:
        """Whether a path does work; the others (health, metrics, documentation) are open to all."""
        return path.startswith(f"{self.base}/") and path not in self._open()

    def asks_who(self, path: str) -> bool:
        """Whether a path that does work wants to know its caller."""
        return not (self.settings.open_crops and self._takes_crops(path))

    def asks_core(self, path: str) -> bool:
        """Whether Core sees the caller's credentials again while a request is served, and can refuse them."""
        return not self._takes_crops(path)

    def limit_bytes(self, path: str) -> int:
        """How large the body of a request may be."""
        return self.settings.max_crop_bytes if self._takes_crops(path) else self.settings.max_body_bytes

    def _takes_crops(self, path: str) -> bool:
        return path == f"{self.base}{crops.PATH}"

    def _open(self) -> frozenset[str]:
        below = ("/ready", "/openapi.json", *docs.PATHS)
        return frozenset({"/", "/health", "/metrics", *(f"{self.base}{path}" for path in below)})


def path_of(scope: Scope) -> str:
    """Give the path of a request below the prefix under which a server may have mounted the application."""
    path: str = scope["path"]
    below = path.removeprefix(scope.get("root_path", ""))
    return below if below.startswith("/") or not below else path

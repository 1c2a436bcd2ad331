"""A look at the weights every few seconds, so that a service takes others while it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.errors import StartupError
from app.segmenter.weights.choice import ChosenWeights, choose
from app.segmenter.weights.in_use import text_of
from app.settings import Settings

log = logging.getLogger(__name__)


class Watch:
    """Tells when an operator has put other weights to use.

    Parameters
    ----------
    settings : Settings
        Their group ``weights`` says where to look, and how often.
    sha256 : str
        Of the weights at work.
    take : callable
        Loads weights and lets them work. What it raises is logged, and the weights at work stay.
    """

    def __init__(self, settings: Settings, sha256: str, take: Callable[[ChosenWeights], None]) -> None:
        self._settings, self._sha256, self._take = settings, sha256, take
        self._seen = text_of(settings.weights.folder)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="weights", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End, when the weights that are being loaded are."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Take other weights, if there are; those that cannot be taken are not tried again until the file changes."""
        text = text_of(self._settings.weights.folder)
        if text == self._seen:
            return
        self._seen = text
        try:
            chosen = choose(self._settings)
            if chosen.sha256 != self._sha256:
                self._take(chosen)
                self._sha256 = chosen.sha256
        except StartupError as error:
            log.error(
                "Other weights were put to use, but cannot be loaded: %s The previous ones stay in use.", error.detail
            )
        except Exception:
            log.exception("Other weights were put to use, but cannot be loaded. The previous ones stay in use.")

    def _work(self) -> None:
        while not self._closed.wait(self._settings.weights.watch_s):
            self.look()

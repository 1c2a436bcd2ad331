"""A wire between a page and the demo that a test can cut: what is open breaks off, and nothing comes through."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

_AT_ONCE = struct.pack("ii", 1, 0)
"""For SO_LINGER: a connection is reset, as by a network that is gone, and not ended in good order."""
_PART_BYTES = 4096


class Wire:
    """Passes everything on between its own port and the demo's, until it is cut.

    Parameters
    ----------
    address : str
        Of the demo.
    """

    def __init__(self, address: str) -> None:
        there = urlsplit(address)
        self._there = (str(there.hostname), int(there.port or 80))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._until: tuple[bytes, int] | None = None
        self._stops = False
        self._cut = threading.Event()
        threading.Thread(target=self._listen, name="wire", daemon=True).start()

    @property
    def address(self) -> str:
        """Where the page is to go."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._listener.close()

    def cut_at(self, word: bytes, times: int) -> None:
        """Cut as soon as a word has gone over the wire so many times, whichever way."""
        with self._guard:
            self._until = (word, times)

    def stop_at(self, word: bytes, times: int) -> None:
        """Pass nothing on after a word went over the wire so many times; what came before arrives, unlike at a cut."""
        self._stops = True
        self.cut_at(word, times)

    def cut(self) -> None:
        """Cut now."""
        with self._guard:
            self._is_cut, self._until, self._stops = True, None, False
            self._cut.set()
            for end in self._open:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let new connections through."""
        with self._guard:
            self._is_cut = False
            self._cut.clear()

    def _listen(self) -> None:
        while True:
            try:
                page, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._connect(page)

    def _connect(self, page: socket.socket) -> None:
        with self._guard:
            if self._is_cut:
                return page.close()
            demo = socket.create_connection(self._there)
            self._open |= {page, demo}
        for ends in ((page, demo), (demo, page)):
            threading.Thread(target=self._pass_on, args=ends, name="wire", daemon=True).start()
        return None

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(_PART_BYTES):
                other.sendall(part)
                if self._is_enough(part):
                    if self._stops:
                        self._cut.wait()
                    self.cut()
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)
        with self._guard:
            self._open.discard(one)
        one.close()

    def _is_enough(self, part: bytes) -> bool:
        with self._guard:
            if self._until is None:
                return False
            word, times = self._until
            self._until = (word, times - part.count(word))
            return self._until[1] <= 0

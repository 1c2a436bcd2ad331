"""Fetching a checkpoint: resumed where it stopped, checked while it streams, visible only when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights import source
from app.segmenter.weights.checks import check_file
from app.segmenter.weights.part import PartFile, only_one
from app.segmenter.weights.registry import WeightsEntry

Progress = Callable[[int, int], None]
"""Told the bytes that are there and the bytes that there will be; the first may fall when a source restarts."""

_SPARE_BYTES = 16 * 2**20  # left free on the disk for everybody else


def pull(
    entry: WeightsEntry,
    folder: Path,
    *,
    mirror: str | None = None,
    proxy: str | None = None,
    progress: Progress | None = None,
    timeout_s: float = 30.0,
    token: str | None = None,
) -> Path:
    """Fetch a checkpoint into a folder, unless it is there already.

    Whatever stops the pull (a signal, the network, a full disk), the bytes stay in ``<file>.part`` and the next pull
    resumes from there. The final name appears only for a file of the right size and digest.

    Parameters
    ----------
    entry : WeightsEntry
        What to fetch.
    folder : Path
        Where to; made if it is missing.
    mirror : str, optional
        Base URL that takes the place of scheme and host of the entry's URL.
    proxy : str, optional
        Proxy URL; default: the one of the environment (``HTTPS_PROXY``, ``NO_PROXY`` ...).
    progress : callable, optional
        Told of every piece received.
    timeout_s : float
        Longest silence of the network.
    token : str, optional
        Sent as a bearer token to the host that is asked, and to no other that it redirects to. Never logged.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    InvalidSettings
        The mirror or the proxy is no URL that can be used, or a token would travel unencrypted.
    WeightsUnavailable
        The host cannot be reached or does not give the file, or the folder cannot take it.
    WeightsCorrupt
        The host gives another file: nothing of it is kept.
    """
    url = source.source_url(entry, mirror)
    headers = source.authorization(url, token)
    target = entry.path_in(folder)
    try:
        if not _is_intact(target, entry):
            folder.mkdir(parents=True, exist_ok=True)
            with only_one(target), _client(proxy, timeout_s, headers) as client:
                if not _is_intact(target, entry):  # the pull that we waited for may have brought it
                    _fetch(client, url, entry, target, progress)
    except OSError as error:
        raise WeightsUnavailable(f"Cannot write {target}: {error.strerror}.", path=str(target)) from error
    return target


def _is_intact(target: Path, entry: WeightsEntry) -> bool:
    try:
        check_file(target, entry)
    except (WeightsUnavailable, WeightsCorrupt):
        return False  # a missing or wrong file is what a pull is for
    return True


def _client(proxy: str | None, timeout_s: float, headers: dict[str, str]) -> httpx.Client:
    try:
        return httpx.Client(
            proxy=proxy,
            follow_redirects=True,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            headers={"Accept-Encoding": "identity", "User-Agent": "cytomine-refine", **headers},
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise InvalidSettings(f"The proxy cannot be used: {error}.") from error


def _fetch(client: httpx.Client, url: httpx.URL, entry: WeightsEntry, target: Path, progress: Progress | None) -> None:
    with PartFile(target) as part:
        if part.size_bytes > entry.size_bytes:
            part.restart(None)
        _require_space(target.parent, entry.size_bytes - part.size_bytes)
        _Transfer(client, url, entry, part, progress or _tell_nobody).run()
        if part.sha256 != entry.sha256:
            part.discard()
            raise WeightsCorrupt(
                f"{source.shown(url)} returned a file with sha256 {part.sha256}, but {entry.name} has"
                f" {entry.sha256}; it was removed.",
                url=source.shown(url),
                sha256=part.sha256,
                expected_sha256=entry.sha256,
            )
        part.finish()


def _require_space(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes + _SPARE_BYTES:
        raise WeightsUnavailable(
            f"{folder} has {source.megabytes(free_bytes)} free; "
            f"{source.megabytes(needed_bytes + _SPARE_BYTES)} are needed.",
            free_bytes=free_bytes,
            needed_bytes=needed_bytes + _SPARE_BYTES,
        )


def _tell_nobody(done_bytes: int, total_bytes: int) -> None:
    """Stand in for a progress that nobody asked for."""


@dataclass(frozen=True, slots=True)
class _Transfer:
    """The bytes of one file on their way from its host to its part."""

    client: httpx.Client
    url: httpx.URL
    entry: WeightsEntry
    part: PartFile
    progress: Progress

    def run(self) -> None:
        """Fill the part. A broken connection is taken up again as long as each new one brings bytes."""
        self.progress(self.part.size_bytes, self.entry.size_bytes)
        while (before := self.part.size_bytes) < self.entry.size_bytes:
            failure = self._receive_or_fail()
            if self.part.size_bytes <= before:
                detail = source.explain_failure(failure, self.url, self.part.size_bytes, self.entry.size_bytes)
                raise WeightsUnavailable(detail, url=source.shown(self.url)) from failure

    def _receive_or_fail(self) -> httpx.RequestError | None:
        try:
            self._receive()
        except httpx.RequestError as error:
            return error
        return None

    def _receive(self) -> None:
        """Receive one answer, as far as it goes."""
        with self.client.stream("GET", self.url, headers=self._continuation()) as response:
            if not self._must_restart(response):
                source.require_file(response, self.entry, self.url)
                if response.status_code == 200:
                    self.part.restart(source.validator(response))
                self._keep(response)
                return
        self.part.restart(None)
        self._receive()

    def _continuation(self) -> dict[str, str]:
        """Ask for the rest, provided that the host still has the version that we began with."""
        if self.part.size_bytes == 0 or self.part.version is None:
            return {}
        return {"Range": f"bytes={self.part.size_bytes}-", "If-Range": self.part.version}

    def _must_restart(self, response: httpx.Response) -> bool:
        """Tell whether we asked for the rest and were offered some other range, or none."""
        if self.part.size_bytes == 0 or response.status_code not in (206, 416):
            return False
        return response.status_code == 416 or not source.continues(
            response, self.part.version, self.part.size_bytes, self.entry
        )

    def _keep(self, response: httpx.Response) -> None:
        for chunk in response.iter_raw():
            self.part.append(chunk)
            if self.part.size_bytes > self.entry.size_bytes:
                self.part.discard()
                raise WeightsCorrupt(
                    f"{source.shown(self.url)} returned more than the {self.entry.size_bytes:,} bytes of "
                    f"{self.entry.name}; it was removed.",
                    url=source.shown(self.url),
                    expected_bytes=self.entry.size_bytes,
                )
            self.progress(self.part.size_bytes, self.entry.size_bytes)

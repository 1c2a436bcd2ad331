"""PIMS: the pixels of a window, as an encoded image."""

from __future__ import annotations

import time
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import quote

import httpx

from app import spans
from app.errors import PlatformTimeout, PlatformUnavailable, SlideNotReadable
from app.gateway.wire import ONLY_AS_IT_IS, check_status, no_cookies, read_bounded
from app.geometry.windows import Region
from app.settings import PlatformSettings
from app.usecases.ports import Plane, Slide

_CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""PIMS closed a kept connection just when it was to be used again; reading once more does no harm."""
_AS_DISPLAYED = {"min_intensities": "AUTO_IMAGE", "max_intensities": "AUTO_IMAGE"}
"""The contrast in which people see a slide: of more than 8 bits, each channel from its darkest to its brightest value.

PIMS' routes for display take it by default, its window route does not; slides of 8 bits stay as they are.
"""


class PimsPixels:
    """Asks PIMS for regions of slides. Safe to share between threads.

    Parameters
    ----------
    settings : PlatformSettings
        Base URL of PIMS and time-outs.
    max_bytes : int
        Longer answers are cut off and refused.
    """

    def __init__(self, settings: PlatformSettings, max_bytes: int) -> None:
        self._most_bytes, self._answer_timeout_s = max_bytes, settings.answer_timeout_s
        self._client = httpx.Client(
            base_url=settings.pims_base_url,
            timeout=httpx.Timeout(settings.read_timeout_s, connect=settings.connect_timeout_s),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
            cookies=CookieJar(no_cookies()),
            headers=ONLY_AS_IT_IS,
            trust_env=False,
            follow_redirects=False,
        )

    def region(self, slide: Slide, plane: Plane, region: Region, length_px: int) -> bytes:
        """Fetch a region, reduced so that its longer side has `length_px`.

        Parameters
        ----------
        region : Region
            Level-0 pixels inside the slide.
        length_px : int
            At most the longer side of `region`; more would only be enlarged there.

        Returns
        -------
        bytes
            An encoded image: PNG, since a window of a few pixels does not survive JPEG; JPEG for slides of more than 8
            bits, because only there does PIMS bring the values into the 8-bit range.

        Raises
        ------
        SlideNotReadable
            Its path leads out of PIMS' folder of images.
        PlatformError
            PIMS fails, is slow, or does not have the file.
        """
        if ".." in slide.path.split("/"):
            raise SlideNotReadable(f"The path of image {slide.id} is not in PIMS' folder.", image_id=slide.id)
        headers = {"Accept": "image/png" if slide.bits_per_sample <= 8 else "image/jpeg", **spans.traceparent()}
        path = f"/image/{quote(slide.path)}/window"

        def ask() -> tuple[httpx.Response, bytes]:
            with self._client.stream("POST", path, json=_body(plane, region, length_px), headers=headers) as answer:
                return answer, read_bounded(answer.iter_bytes(), "PIMS", most_bytes=self._most_bytes, until=until)

        until = time.monotonic() + self._answer_timeout_s

        try:
            try:
                answer, content = ask()
            except _CLOSED:
                answer, content = ask()
        except httpx.TimeoutException as error:
            raise PlatformTimeout("PIMS did not send the window in time.", image_id=slide.id) from error
        except httpx.HTTPError as error:
            raise PlatformUnavailable(
                f"PIMS could not send the window: {type(error).__name__}.", image_id=slide.id
            ) from error
        _check(answer, content, slide)
        return content

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _body(plane: Plane, region: Region, length_px: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "region": {"left": region.left, "top": region.top, "width": region.width, "height": region.height},
        "z_slices": plane.z,
        "timepoints": plane.t,
        **_AS_DISPLAYED,
    }
    if plane.channel is not None:
        body["channels"] = plane.channel
    # A length of 1 would mean "the whole size" to PIMS; a region of one pixel has that size anyway.
    body["length"] = length_px
    return body


def _check(answer: httpx.Response, content: bytes, slide: Slide) -> None:
    status, kind = answer.status_code, answer.headers.get("content-type", "")
    facts: dict[str, Any] = {"image_id": slide.id, "pims_status": status}
    if status == 404:
        raise PlatformUnavailable(f"PIMS has no file for image {slide.id}.", **facts)
    check_status(status, "PIMS", "the window", **facts)
    if not kind.startswith("image/") or not content:
        raise PlatformUnavailable(f"PIMS sent {kind or 'nothing'} instead of an image.", **facts)

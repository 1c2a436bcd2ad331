"""Everything that can go wrong, by meaning; no HTTP in it.

::

    ServiceError
    ├── InvalidRequest                  the caller's words cannot be understood
    │   ├── BodyTooLarge
    │   ├── BodyTooSlow
    │   ├── RegionTooLarge
    │   └── BrokenImage
    ├── NotAuthenticated                nobody, the wrong secret or a wrong signature asks
    ├── TooManyRequests                 one caller asks for more than their share
    ├── NotRefinable                    understood, but there is nothing the model could do with it
    │   ├── InvalidPrompt
    │   ├── RoiOutsideSlide
    │   ├── TooManyPoints
    │   └── SlideNotReadable
    ├── AnnotationNotFound
    ├── SlideNotFound
    ├── AnnotationChanged               somebody edited or deleted it while we worked
    ├── PreviewUnfit                    what was shown cannot be written any more
    ├── DoubtfulOutline                 the caller wants no doubtful outline
    ├── PlatformError                   Core or PIMS
    │   ├── PlatformUnauthorized
    │   ├── PlatformForbidden
    │   ├── PlatformUnavailable         down, failing, or answering nonsense
    │   └── PlatformTimeout
    ├── ModelError
    │   ├── ModelNotReady
    │   ├── ModelBusy
    │   ├── CallerGone                  nobody waits for the result any more
    │   └── DeviceOutOfMemory
    └── StartupError                    stops the start, or a command, with one clear line
        ├── InvalidSettings
        ├── WeightsUnavailable
        └── WeightsCorrupt

Facts (ids, limits) travel as keyword arguments and reach the caller as extra members of the problem body. Statuses are
given in one table, ``app/api/problems.py``.
"""

from __future__ import annotations


class ServiceError(Exception):
    """Base of every error that the service raises on purpose.

    Parameters
    ----------
    detail : str
        One sentence for the person who has to act on it.
    **facts
        JSON-ready values: ids, limits, what was found.
    """

    def __init__(self, detail: str, **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class InvalidRequest(ServiceError):
    """The request is malformed."""


class BodyTooLarge(InvalidRequest):
    """The request's body is over the limit."""


class BodyTooSlow(InvalidRequest):
    """The request's body did not arrive in time."""


class RegionTooLarge(InvalidRequest):
    """The region is over what one request may ask for."""


class BrokenImage(InvalidRequest):
    """The pixels that came with a request are no image that could be used."""


class NotAuthenticated(ServiceError):
    """The caller gave no credentials, or wrong ones."""


class TooManyRequests(ServiceError):
    """One caller asks for more than their share; try again after `retry_after_s`."""

    def __init__(self, detail: str, *, retry_after_s: float = 1.0, **facts: object) -> None:
        super().__init__(detail, **facts)
        self.retry_after_s = retry_after_s


class NotRefinable(ServiceError):
    """The request is well formed, but cannot be segmented."""


class InvalidPrompt(NotRefinable):
    """The geometry gives no usable box, or a point is not usable."""


class RoiOutsideSlide(NotRefinable):
    """The box does not meet the slide."""


class TooManyPoints(NotRefinable):
    """More point annotations lie in the box than anybody draws as prompts."""


class SlideNotReadable(NotRefinable):
    """The platform knows the slide, but not its size or its file."""


class AnnotationNotFound(ServiceError):
    """No annotation has this id."""


class SlideNotFound(ServiceError):
    """No slide has this id."""


class AnnotationChanged(ServiceError):
    """The annotation was edited or deleted by somebody else while we worked; nothing was written."""


class PreviewUnfit(ServiceError):
    """A preview is no longer valid: damaged, too old, of another annotation, user or model; nothing was written."""


class DoubtfulOutline(ServiceError):
    """The outline is doubtful, and the caller wants no doubtful ones; nothing was written."""


class PlatformError(ServiceError):
    """Core or PIMS did not do what was asked."""


class PlatformUnauthorized(PlatformError):
    """The platform does not accept the credentials it was shown."""


class PlatformForbidden(PlatformError):
    """The platform's own rules forbid it."""


class PlatformUnavailable(PlatformError):
    """The platform cannot be reached, fails, or answers something that is no answer."""


class PlatformTimeout(PlatformError):
    """The platform did not answer in time."""


class ModelError(ServiceError):
    """The model cannot answer now; try again after `retry_after_s`."""

    def __init__(self, detail: str, *, retry_after_s: float = 1.0, **facts: object) -> None:
        super().__init__(detail, **facts)
        self.retry_after_s = retry_after_s


class ModelNotReady(ModelError):
    """The model is still loading or warming up."""


class ModelBusy(ModelError):
    """The queue of the model is full."""


class CallerGone(ModelError):
    """Nobody waits for the result any more; it was not worked on."""


class DeviceOutOfMemory(ModelError):
    """The device does not have enough memory for this window."""


class StartupError(ServiceError):
    """The service, or a command, cannot start as it is set up."""


class InvalidSettings(StartupError):
    """A setting is missing, misspelt or out of range."""


class WeightsUnavailable(StartupError):
    """A checkpoint is not there, or could not be fetched."""


class WeightsCorrupt(StartupError):
    """A checkpoint is not what it should be: truncated, altered, or made for another model."""

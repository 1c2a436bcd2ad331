"""Plugs the rooms together: the only file that knows them all."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Protocol

import anyio
from fastapi import FastAPI

from app.api import problems
from app.api.callers import Callers
from app.api.guards import GuardMiddleware
from app.api.metrics import Metrics
from app.api.request_id import RequestIdFilter, RequestIdMiddleware
from app.api.routes import CROPS_ROUTE, Status, Verbs, status_routes, work_routes
from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.gateway.pims import PimsPixels
from app.imagery.crop import CropWindowReader
from app.imagery.reader import SlideWindowReader
from app.segmenter.embedding_files import EmbeddingFiles
from app.segmenter.load import load_segmenter
from app.segmenter.weights import choose
from app.settings import Settings, check_serving, read_settings
from app.usecases.embeddings import KEPT_S, Ahead, Embeddings
from app.usecases.ports import Caller, EmbeddingStore, Identities, ModelInfo, Segmenter, SlideGateway, WindowReader
from app.usecases.refine_crop import RefineCrop
from app.usecases.segment_roi import SegmentRoi

log = logging.getLogger(__name__)


class Replicas(Protocol):
    """The processes of a service that is spread over several."""

    @property
    def metrics(self) -> Metrics:
        """Figures of all of them; those of the model's replicas are among them."""
        ...

    def ready(self) -> bool:
        """Whether a replica of the model works."""
        ...

    def close(self) -> None:
        """Take this process out of them."""
        ...


class ActingGateway(SlideGateway, Identities, Protocol):
    """A platform that knows its users and can be seen with their eyes."""

    def acting_as(self, caller: Caller) -> SlideGateway:
        """Give the same platform as a caller sees it."""
        ...


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the service.

    Parameters
    ----------
    settings : Settings, optional
        Default: from the environment.

    Raises
    ------
    StartupError
        Settings or weights are not fit to serve.
    """
    settings = settings or read_settings()
    check_serving(settings)
    log_to_stderr(settings.api.log_level)
    segmenter = load_segmenter(settings.segmenter, choose(settings))
    return connect(settings, segmenter, _embedding_files(settings, segmenter.info))


def connect(
    settings: Settings, segmenter: Segmenter, store: EmbeddingStore | None = None, replicas: Replicas | None = None
) -> FastAPI:
    """Plug a model into the platform that the settings name."""
    core = CoreHttp(settings.platform)
    pixels = PimsPixels(settings.platform, settings.imagery.max_image_bytes)
    gateway = CoreGateway(core)
    reader = SlideWindowReader(pixels)
    closers = (core.close, pixels.close)
    return assemble(settings, gateway, reader, segmenter, *closers, store=store, replicas=replicas)


def assemble(
    settings: Settings,
    gateway: ActingGateway,
    reader: WindowReader,
    segmenter: Segmenter,
    *closers: Callable[[], None],
    store: EmbeddingStore | None = None,
    replicas: Replicas | None = None,
) -> FastAPI:
    """Plug rooms that are ready into an application; `closers` run when it stops.

    Parameters
    ----------
    store : EmbeddingStore, optional
        Where windows are kept beyond this process.
    replicas : Replicas, optional
        If this is one of several processes: the others. The segmenter's own are among them.
    """
    refine = settings.refine
    encoded = Embeddings(reader, segmenter, refine.embedding_cache_bytes, store, reuse=refine.reuse_windows)
    segment = SegmentRoi(encoded, segmenter)
    ahead = Ahead(encoded)
    closers = (ahead.close, segmenter.close, *(each.close for each in (store, replicas) if each), *closers)
    verbs = Verbs(
        lambda caller: gateway if caller is None else gateway.acting_as(caller),
        segment,
        RefineCrop(CropWindowReader, segmenter),
        ahead,
        refine.max_points,
        refine.deadline_s,
    )

    warm = threading.Event()
    metrics = replicas.metrics if replicas else Metrics()
    metrics.watch_cache(encoded)
    if not replicas:
        metrics.watch_queue(segmenter)
    is_ready = (lambda: warm.is_set() and replicas.ready()) if replicas else warm.is_set
    status = Status(version("cytomine-refine"), lambda: segmenter.info, is_ready)
    base = settings.base_path
    app = FastAPI(
        title="Refine with SAM",
        version=status.version,
        openapi_url=f"{base}/openapi.json" if settings.api.docs else None,
        docs_url=f"{base}/docs" if settings.api.docs else None,
        redoc_url=None,
        lifespan=_lifespan(segmenter, warm, settings.api.max_in_flight, closers),
    )
    crops = f"{base}{CROPS_ROUTE}"
    open_paths = {"/", "/health", "/metrics", f"{base}/ready", f"{base}/openapi.json", f"{base}/docs"}
    app.include_router(status_routes(base, status, metrics))
    app.include_router(work_routes(verbs, metrics), prefix=base)
    problems.install(app, metrics.failed)
    app.add_middleware(
        GuardMiddleware,
        settings=settings.api,
        callers=Callers(settings.api, gateway),
        does_work=lambda path: path.startswith(f"{base}/") and path not in open_paths,
        asks_who=lambda path: not (settings.api.open_crops and path == crops),
        limit_of=lambda path: settings.api.max_crop_bytes if path == crops else settings.api.max_body_bytes,
    )
    app.add_middleware(RequestIdMiddleware)
    return app


def _embedding_files(settings: Settings, model: ModelInfo) -> EmbeddingFiles | None:
    """Open the folder of embeddings, if there is to be one."""
    folder, most = settings.refine.embedding_folder, settings.refine.embedding_folder_bytes
    return EmbeddingFiles(folder, most, KEPT_S, model, settings.platform.host) if folder else None


def _lifespan(
    segmenter: Segmenter, warm: threading.Event, max_in_flight: int, closers: tuple[Callable[[], None], ...]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Warm the model up in the background while the service answers, and close the connections at the end."""

    def warm_up() -> None:
        segmenter.warm_up()
        warm.set()
        log.info("Ready")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = max_in_flight + 8
        thread = threading.Thread(target=warm_up, name="warm-up", daemon=True)
        thread.start()
        yield
        thread.join()
        for close in closers:
            close()

    return lifespan


def log_to_stderr(level: str) -> None:
    """Send our own log to standard error, each line with its request's id."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"))
    ours = logging.getLogger("app")
    ours.handlers[:] = [handler]
    ours.setLevel(level.upper())
    ours.propagate = False


def __getattr__(name: str) -> FastAPI:
    """Make ``app`` when it is first asked for: a stock deployment of 2026 starts ``fastapi run app/main.py``.

    Such a deployment sets none of our names, and its Core has no credentials to send with a crop, so crops are open
    there unless ``REFINE_API__OPEN_CROPS`` says otherwise (decision 0008).
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = read_settings()
    if "open_crops" not in settings.api.model_fields_set:
        settings = settings.model_copy(update={"api": settings.api.model_copy(update={"open_crops": True})})
    made = globals()["app"] = create_app(settings)
    return made


def __dir__() -> list[str]:
    return [*globals(), "app"]

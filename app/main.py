"""Plugs the rooms together: the only file that knows them all."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

import anyio
from fastapi import FastAPI

from app.api.at_work import AtWork, Working
from app.api.callers import Callers
from app.api.doors import Doors
from app.api.guards import GuardMiddleware
from app.api.logs import log_to_stderr
from app.api.metrics import Metrics
from app.api.previews import Previews, key_of
from app.api.problems import LEFT_TO_US, ProblemMiddleware
from app.api.request_id import RequestIdMiddleware
from app.api.routes import work_routes
from app.api.routes.docs import docs_routes
from app.api.routes.status import Status, status_routes
from app.api.traces import TraceMiddleware
from app.api.verbs import Verbs
from app.errors import InvalidSettings, StartupError
from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.gateway.pims import PimsPixels
from app.imagery.crop import CropWindowReader
from app.imagery.reader import SlideWindowReader
from app.journal import Journal
from app.segmenter.embedding_files import EmbeddingFiles
from app.segmenter.load import load_segmenter
from app.segmenter.weights import ChosenWeights, Watch, choose
from app.settings import ApiSettings, Settings, as_stock_deployment, check_serving, read_settings
from app.usecases.embeddings import KEPT_S, Ahead, Embeddings
from app.usecases.ports import Caller, EmbeddingStore, Identities, ModelInfo, Segmenter, SlideGateway, WindowReader
from app.usecases.propose import Limits
from app.usecases.refine_crop import RefineCrop
from app.usecases.segment_roi import SegmentRoi

if TYPE_CHECKING:
    from app.tracing import Traces

log = logging.getLogger(__name__)

_GRACE_S = 10.0
"""Added to the longest deadline, after which no request uses the model before any more."""


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


def create_app(settings: Settings | None = None, weights: ChosenWeights | None = None) -> FastAPI:
    """Build the service.

    Parameters
    ----------
    settings : Settings, optional
        Default: from the environment.
    weights : ChosenWeights, optional
        Default: those that the settings lead to.

    Raises
    ------
    StartupError
        Settings or weights are not fit to serve.
    """
    settings = settings or read_settings()
    check_serving(settings)
    log_to_stderr(settings.api.log_level)
    segmenter = load_segmenter(settings.segmenter, weights or choose(settings))
    return connect(settings, segmenter, _embedding_files(settings, segmenter.info), watches=True)


def connect(
    settings: Settings,
    segmenter: Segmenter,
    store: EmbeddingStore | None = None,
    replicas: Replicas | None = None,
    spare_key: bytes = b"",
    *,
    watches: bool = False,
) -> FastAPI:
    """Plug a model into the platform that the settings name."""
    traces = _traces(settings)
    core = CoreHttp(settings.platform)
    pixels = PimsPixels(settings.platform, settings.imagery.max_image_bytes)
    gateway = CoreGateway(core)
    reader = SlideWindowReader(pixels)
    closers = (core.close, pixels.close)
    return assemble(
        settings,
        gateway,
        reader,
        segmenter,
        *closers,
        store=store,
        replicas=replicas,
        traces=traces,
        spare_key=spare_key,
        watches=watches,
    )


def assemble(
    settings: Settings,
    gateway: ActingGateway,
    reader: WindowReader,
    segmenter: Segmenter,
    *closers: Callable[[], None],
    store: EmbeddingStore | None = None,
    replicas: Replicas | None = None,
    traces: Traces | None = None,
    spare_key: bytes = b"",
    watches: bool = False,
) -> FastAPI:
    """Plug rooms that are ready into an application; `closers` run when it stops.

    Parameters
    ----------
    store : EmbeddingStore, optional
        Where windows are kept beyond this process.
    replicas : Replicas, optional
        If this is one of several processes: the others. The segmenter's own are among them.
    traces : Traces, optional
        Where spans go.
    spare_key : bytes
        Signs previews where no setting gives a key that all replicas have; see `key_of`.
    watches : bool
        Whether other weights are taken when an operator puts them to use; see `app.segmenter.weights.in_use`.
    """
    metrics = replicas.metrics if replicas else Metrics()
    working = working_with(settings, reader, segmenter, store)
    at_work = AtWork(working, max(settings.refine.deadline_s, settings.propose.deadline_s) + _GRACE_S)
    if not replicas:
        metrics.watch_queue(at_work)
    metrics.watch_cache(at_work)
    watch = _watch(settings, at_work, reader) if watches else None
    verbs = _verbs(settings, gateway, at_work, metrics, spare_key)
    warm = threading.Event()
    is_ready = (lambda: warm.is_set() and replicas.ready()) if replicas else warm.is_set
    status = Status(version("cytomine-refine-service"), lambda: at_work.info, is_ready, metrics)
    rooms = (watch, at_work, replicas, verbs.journal)
    closers = (*(room.close for room in rooms if room), *closers, *((traces.close,) if traces else ()))

    app = _framework(settings, status.version, _lifespan(segmenter, warm, watch, settings.api, closers))
    app.include_router(status_routes(settings.base_path, status))
    app.include_router(work_routes(verbs), prefix=settings.base_path)
    if settings.api.docs:
        app.include_router(docs_routes(settings.base_path, app.title))
    _guard(app, settings, Callers(settings.api, gateway), metrics.failed, traces)
    return app


def _verbs(
    settings: Settings,
    gateway: ActingGateway,
    at_work: AtWork,
    metrics: Metrics,
    spare_key: bytes,
) -> Verbs:
    """Make the use cases."""
    refine = settings.refine
    return Verbs(
        gateway=lambda caller: gateway if caller is None else gateway.acting_as(caller),
        at_work=at_work,
        previews=Previews(key_of(settings, spare_key)),
        max_points=refine.max_points,
        background_term=refine.background_term,
        doubtful=refine.doubtful,
        deadline_s=refine.deadline_s,
        metrics=metrics,
        propose_limits=Limits(settings.propose.max_area_px0, settings.propose.max_tiles),
        propose_deadline_s=settings.propose.deadline_s,
        notes_provenance=refine.provenance,
        journal=None if refine.journal is None else Journal(refine.journal),
    )


def working_with(
    settings: Settings, reader: WindowReader, segmenter: Segmenter, store: EmbeddingStore | None
) -> Working:
    """Make what a model needs around it."""
    refine = settings.refine
    encoded = Embeddings(reader, segmenter, refine.embedding_cache_bytes, store, reuse=refine.reuse_windows)
    segment = SegmentRoi(encoded, segmenter, refine.most_looks)
    return Working(segment, RefineCrop(CropWindowReader, segmenter), Ahead(encoded), store)


def _watch(settings: Settings, at_work: AtWork, reader: WindowReader) -> Watch:
    """Take other weights when an operator puts them to use; they are warm before a request meets them."""

    def take(weights: ChosenWeights) -> None:
        segmenter = load_segmenter(settings.segmenter, weights)
        segmenter.warm_up()
        at_work.replace(working_with(settings, reader, segmenter, _embedding_files(settings, segmenter.info)))

    return Watch(settings, at_work.info.sha256, take)


def _framework(
    settings: Settings, version: str, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]
) -> FastAPI:
    """Make an application without routes."""
    base, docs = settings.base_path, settings.api.docs
    return FastAPI(
        title="Refine with SAM",
        version=version,
        openapi_url=f"{base}/openapi.json" if docs else None,
        docs_url=None,  # ours needs nothing from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers=LEFT_TO_US,
    )


def _guard(
    app: FastAPI, settings: Settings, callers: Callers, count: Callable[[str], None], traces: Traces | None
) -> None:
    """Put what every request passes around the routes; what is added last comes first."""
    doors = Doors(settings.base_path, settings.api)
    app.add_middleware(GuardMiddleware, settings=settings.api, callers=callers, doors=doors)
    app.add_middleware(ProblemMiddleware, count=count)
    if traces:
        app.add_middleware(TraceMiddleware, tracer=traces.tracer, doors=doors)
    app.add_middleware(RequestIdMiddleware)


def _traces(settings: Settings) -> Traces | None:
    """Open the way to the collector, if there is one; else nothing of it is imported."""
    endpoint = settings.traces.endpoint
    if endpoint is None:
        return None
    try:
        from app.tracing import Traces
    except ImportError as error:
        raise InvalidSettings(
            f"REFINE_TRACES__ENDPOINT needs the extra traces ({error.name} is missing): pip install '.[traces]'."
        ) from error
    return Traces(endpoint, settings.traces, version("cytomine-refine-service"))


def _embedding_files(settings: Settings, model: ModelInfo) -> EmbeddingFiles | None:
    """Open the folder of embeddings, if there is to be one."""
    folder, most = settings.refine.embedding_folder, settings.refine.embedding_folder_bytes
    return EmbeddingFiles(folder, most, KEPT_S, model, settings.platform.host) if folder else None


def _lifespan(
    segmenter: Segmenter,
    warm: threading.Event,
    watch: Watch | None,
    settings: ApiSettings,
    closers: tuple[Callable[[], None], ...],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Warm the model up in the background while the service answers, and close the connections at the end."""

    def warm_up() -> None:
        segmenter.warm_up()
        warm.set()
        log.info("Ready")
        if watch is not None:
            watch.start()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = (
            settings.max_in_flight + settings.max_newcomers + 8
        )
        thread = threading.Thread(target=warm_up, name="warm-up", daemon=True)
        thread.start()
        yield
        thread.join()
        for close in closers:
            close()

    return lifespan


def __getattr__(name: str) -> FastAPI:
    """Make ``app`` when it is first asked for: a stock deployment of 2026 starts ``fastapi run app/main.py``."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        made = globals()["app"] = create_app(as_stock_deployment(read_settings()))
    except StartupError as error:  # whoever reads the container's log gets one line in place of a traceback
        raise SystemExit(f"error: {error.detail}") from error
    return made


def __dir__() -> list[str]:
    return [*globals(), "app"]

"""All settings of the service: one frozen object, read once from the environment.

Names are ``REFINE_<GROUP>__<NAME>``, for instance ``REFINE_PLATFORM__HOST``; ``API_BASE_PATH`` is read without prefix,
because Cytomine's own deployments set it under that name. Units are in the names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import InvalidSettings

PREFIX = "REFINE_"
_PLACEHOLDERS = frozenset({"changeme", "change-me", "secret", "password", "placeholder", "xxx", "todo"})


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _base_url(value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        msg = "must start with http:// or https://"
        raise ValueError(msg)
    return value and value.rstrip("/")


class PlatformSettings(_Group):
    """Where Cytomine is, and the service account that reads and writes there."""

    host: str = Field("http://nginx", description="Base URL of Core, without `/api`.")
    pims_url: str | None = Field(None, description="Base URL of PIMS; by default `/ims` on the host above.")
    public_key: str = Field(
        "", description="Public key of the service account; needed only with a shared secret or signatures."
    )
    private_key: SecretStr = Field(SecretStr(""), description="Private key of the service account.")
    connect_timeout_s: float = Field(
        5.0, gt=0, le=60, description="Longest wait for a connection to Core or PIMS, in seconds."
    )
    read_timeout_s: float = Field(20.0, gt=0, le=300, description="Longest silence of Core or PIMS, in seconds.")
    answer_timeout_s: float = Field(
        30.0, gt=0, le=600, description="Longest time a whole answer of Core or PIMS may take, in seconds."
    )
    max_answer_bytes: int = Field(16 * 2**20, ge=2**16, description="Largest answer accepted from Core.")

    @field_validator("host", "pims_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return _base_url(value)

    @property
    def pims_base_url(self) -> str:
        """Base URL of PIMS, prefix included."""
        return self.pims_url or f"{self.host}/ims"


class ImagerySettings(_Group):
    """How windows are read."""

    max_image_bytes: int = Field(64 * 2**20, ge=2**16, description="Largest answer accepted from PIMS.")


class SegmenterSettings(_Group):
    """Which model runs, and on what."""

    checkpoint: Path | None = Field(None, description="Checkpoint file; by default the pulled weights.")
    demo_model: bool = Field(
        False,
        description="Run the embedded demo model if there are no weights. It lets you try the service and is not"
        " meant for"
        " annotation work; every outline says so.",
    )
    config: str = Field(
        "sam2.1_hiera_b+",
        description="SAM 2.1 config of the checkpoint: a name or a YAML file. Not needed if the checkpoint has a card.",
    )
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Expected SHA-256 digest of the checkpoint.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where the model runs: `auto`, `cpu`, `cuda` or, for one of several GPUs, `cuda:1`.",
    )
    engine: Literal[
        "auto",
        "torch-float32",
        "torch-tf32",
        "torch-bfloat16",
        "openvino-float32",
        "openvino-bfloat16",
        "openvino-int8",
        "cuda-bfloat16",
        "cuda-float16",
        "compiled-bfloat16",
        "torch-float32-896",
        "torch-float32-768",
        "openvino-float32-896",
        "openvino-float32-768",
        "cuda-bfloat16-896",
        "cuda-bfloat16-768",
    ] = Field(
        "auto",
        description="What runs the encoder; `auto`: the engine measured to be fastest here. A number at the end is"
        " the side of the square that the model sees instead of 1,024 px; this is faster but changes the masks.",
    )
    most_loss: float = Field(
        0.0,
        ge=0.0,
        le=0.5,
        description="With `auto`, how far below 1 the mean IoU of an engine with a smaller square may lie, compared"
        " with the masks of the full square; 0: such engines are never chosen.",
    )
    measure_engines: bool = Field(
        True,
        description="With `auto`, measure the engines at the first start with new weights: half a minute"
        " to some"
        " minutes, up to 7 GB of memory. If `false`, only the command `engines` measures.",
    )
    engine_folder: Path = Field(
        Path("weights/engines"), description="Folder of compiled encoders and of the measured choice."
    )
    threads: int = Field(0, ge=0, le=256, description="CPU threads of one encoder call; 0 divides the cores evenly.")
    concurrency: int = Field(
        0,
        ge=0,
        le=16,
        description="Windows encoded side by side; 0 means one for every 16 cores, more for a small model.",
    )
    batch: int = Field(8, ge=1, le=64, description="Most windows encoded together in one batch on a GPU.")
    max_waiting: int = Field(
        32, ge=0, le=10_000, description="Most windows waiting for the encoder; further ones are refused with 503."
    )


class WeightsSettings(_Group):
    """Where checkpoints are kept and fetched from."""

    folder: Path = Field(Path("weights"), description="Folder of the pulled checkpoints.")
    watch_s: float = Field(
        2.0, gt=0, le=3600, description="How often a running service checks whether other weights were put to use."
    )
    mirror: str | None = Field(None, description="Base URL to pull checkpoints from, in place of their own hosts.")


class ApiSettings(_Group):
    """The HTTP edge."""

    host: str = Field("0.0.0.0", description="Address to listen on; by default all.")  # noqa: S104  as a container does
    port: int = Field(6000, ge=0, le=65535, description="Port to listen on.")
    bearer: bool = Field(True, description="Accept bearer tokens of Cytomine; the service then acts as that user.")
    shared_secret: SecretStr = Field(
        SecretStr(""),
        description="Callers who send this secret act as the service account; at least 16 characters. If empty,"
        " nobody does.",
    )
    signatures: Literal["off", "full", "short"] = Field(
        "off",
        description="Accept requests signed with a user's API keys: `full` as 2025.1 signs (path and query"
        " included), `short`"
        " as 2026 does. Needs a super administrator's keys, because only they may look up those of others.",
    )
    signature_window_s: float = Field(
        300.0, gt=0, le=3600, description="How far the date of a signature may be off, in seconds."
    )
    secret_header: str = Field(
        "X-Refine-Secret", pattern="^[A-Za-z0-9-]+$", description="Header that carries the shared secret."
    )
    max_body_bytes: int = Field(2 * 2**20, ge=1024, description="Larger request bodies are refused with 413.")
    max_crop_bytes: int = Field(
        64 * 2**20, ge=2**16, description="Larger requests that carry a crop are refused with 413."
    )
    open_crops: bool = Field(
        False, description="Refine crops without any credentials, because an unpatched Core of 2026 sends none."
    )
    max_in_flight: int = Field(
        64, ge=1, le=10_000, description="Most requests worked on at a time; further ones are refused with 503."
    )
    max_newcomers: int = Field(
        32,
        ge=2,
        le=10_000,
        description="Most unknown callers being checked with Core at a time, at most half of them from one address;"
        " further ones are refused with 429.",
    )
    max_in_flight_per_caller: int = Field(
        8,
        ge=1,
        le=10_000,
        description="Most requests of one user worked on at a time; further ones are refused with 429. Callers with"
        " the"
        " shared secret are exempt.",
    )
    max_per_minute_per_caller: int = Field(
        240, ge=1, le=1_000_000, description="Most requests of one user in a minute; further ones are refused with 429."
    )
    body_timeout_s: float = Field(
        30.0, gt=0, le=600, description="A request whose body takes longer to arrive, in seconds, is refused with 408."
    )
    grace_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="How long running requests may go on after the service was told to stop, in seconds.",
    )
    preview_key: SecretStr = Field(
        SecretStr(""),
        description="Signs previews; all replicas need the same key. By default derived from the shared secret and"
        " the private"
        " key; without either, previews end with a restart.",
    )
    docs: bool = Field(True, description="Serve the OpenAPI document and its page, `/sam/docs`.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe message that is logged."
    )


class RefineSettings(_Group):
    """What a refine does when the request does not say."""

    max_points: int = Field(
        20,
        ge=0,
        le=1000,
        description="Most prompt points in a box; with more, a request is refused with 422 unless it says"
        " `points=all`.",
    )
    embedding_cache_bytes: int = Field(
        256 * 2**20,
        ge=0,
        description="Memory for recently encoded windows, so that the next click needs no encoder; 0 keeps none.",
    )
    reuse_windows: bool = Field(
        True,
        description="Reuse the encoded window of nearly the same box. If `false`, a result depends on its request"
        " alone.",
    )
    most_looks: int = Field(
        3,
        ge=1,
        le=3,
        description="Most windows that a refine may encode: where the outline reaches the edge of the window, the"
        " service looks again from twice as far away. 1: never; the outline is then returned as doubtful.",
    )
    embedding_folder: Path | None = Field(
        None, description="Folder of encoded windows, shared by replicas and kept over restarts; by default none."
    )
    embedding_folder_bytes: int = Field(4 * 2**30, ge=2**20, description="Largest size of this folder.")
    background_term: int | None = Field(None, ge=1, description="Id of a term; points that have it mark background.")
    doubtful: Literal["write", "preview", "refuse"] = Field(
        "write",
        description="What to do with a doubtful outline if the request does not say: store it, return it as a"
        " preview, or"
        " refuse it with 422.",
    )
    provenance: bool = Field(
        False,
        description="Record on each refined annotation, as a property, which model and prompts its outline came from.",
    )
    journal: Path | None = Field(
        None,
        description="File that gets a line for every stored outline; the command `replay` computes them again and"
        " compares.",
    )
    deadline_s: float = Field(
        45.0,
        gt=0,
        le=3600,
        description="Time from a request's arrival after which nothing is stored any more, in seconds; answered"
        " with 503.",
    )


class ProposeSettings(_Group):
    """What one request for proposals may ask for."""

    max_area_px0: float = Field(
        64e6, gt=0, description="Largest box of a region, level-0 pixels; a larger one is refused with 413."
    )
    max_tiles: int = Field(
        2000,
        ge=1,
        le=100_000,
        description="Most tiles of a region; objects so small that they need more are refused with 413.",
    )
    deadline_s: float = Field(
        120.0, gt=0, le=3600, description="Time after which a search ends with what it has found, in seconds."
    )


class TracesSettings(_Group):
    """Where traces go, if anywhere."""

    endpoint: str | None = Field(
        None,
        description="Base URL of an OpenTelemetry collector (OTLP over HTTP), without `/v1/traces`; by default no"
        " traces.",
    )
    service_name: str = Field(
        "cytomine-refine", min_length=1, max_length=255, description="Name of this service in the traces."
    )
    sample_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of requests that are traced; a request that belongs to a caller's trace follows that trace.",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return _base_url(value)


class Settings(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", populate_by_name=True
    )

    base_path: Annotated[
        str,
        Field(
            validation_alias=AliasChoices("base_path", "API_BASE_PATH"),
            description="Prefix of the routes. Cytomine's own deployments set it under this name.",
        ),
    ] = "/sam"
    platform: PlatformSettings = PlatformSettings()
    imagery: ImagerySettings = ImagerySettings()
    segmenter: SegmenterSettings = SegmenterSettings()
    weights: WeightsSettings = WeightsSettings()
    api: ApiSettings = ApiSettings()
    refine: RefineSettings = RefineSettings()
    propose: ProposeSettings = ProposeSettings()
    traces: TracesSettings = TracesSettings()

    @field_validator("base_path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        value = "/" + value.strip("/")
        return "" if value == "/" else value


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings.

    Parameters
    ----------
    environment : mapping of str to str
        Looked through for misspelt names; the values themselves are read from the process' environment.

    Returns
    -------
    Settings
        Frozen.

    Raises
    ------
    InvalidSettings
        A value is out of range, or a ``REFINE_`` name is unknown.
    """
    unknown = sorted(set(name for name in environment if name.startswith(PREFIX)) - set(_known_names()))
    if unknown:
        raise InvalidSettings(f"Unknown setting {', '.join(unknown)}: docs/settings.md lists them.", unknown=unknown)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "__".join(str(part) for part in first["loc"]).upper()
        raise InvalidSettings(f"{name}: {first['msg']}.") from error


def as_stock_deployment(settings: Settings) -> Settings:
    """Give what is not set the values for a stock deployment of 2026, where nobody can set a name of ours.

    Core and PIMS are found by their names there. Its Core has no credentials to send with a crop, so crops are open
    (decision 0008).
    """
    api, platform = settings.api, settings.platform
    if "open_crops" not in api.model_fields_set:
        api = api.model_copy(update={"open_crops": True})
    if "host" not in platform.model_fields_set:
        platform = platform.model_copy(update={"host": "http://core:8080", "pims_url": "http://pims:5000/ims"})
    return settings.model_copy(update={"api": api, "platform": platform})


def check_serving(settings: Settings) -> None:
    """Refuse to serve with missing or placeholder credentials.

    Raises
    ------
    InvalidSettings
        The shared secret or the service account's keys are missing or a placeholder, or nobody could call.
    """
    api = settings.api
    secret = api.shared_secret.get_secret_value()
    key = api.preview_key.get_secret_value()
    signed = api.signatures != "off"
    if not (secret or api.bearer or api.open_crops or signed):
        raise InvalidSettings("Nobody could call: set REFINE_API__BEARER, REFINE_API__SHARED_SECRET or another way.")
    if secret and (len(secret) < 16 or secret.lower() in _PLACEHOLDERS):
        raise InvalidSettings("REFINE_API__SHARED_SECRET must be a secret of at least 16 characters.")
    if key and (len(key) < 16 or key.lower() in _PLACEHOLDERS):
        raise InvalidSettings("REFINE_API__PREVIEW_KEY must be a secret of at least 16 characters.")
    keys = (settings.platform.public_key, settings.platform.private_key.get_secret_value())
    if (secret or signed) and any(not key or key.lower() in _PLACEHOLDERS for key in keys):
        raise InvalidSettings(
            "REFINE_PLATFORM__PUBLIC_KEY and REFINE_PLATFORM__PRIVATE_KEY must be the keys of the service account."
        )


def _known_names() -> Iterator[str]:
    """Give every environment name that a field answers to."""
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from (f"{PREFIX}{name}__{inner}".upper() for inner in group.model_fields)

"""A model on OpenVINO: traced once for a checkpoint, compiled once for a machine, both kept on disk.

Nothing here imports torch: a service that finds its traces starts in seconds and takes a third of the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from app.errors import DeviceOutOfMemory, InvalidSettings
from app.segmenter.embedding import Features
from app.segmenter.engines.engine import FloatArray, Pixels, corners_of, normalised, torch_version
from app.segmenter.engines.mapped_files import drop_pages
from app.segmenter.engines.self_check import check_features, example, keep_features

_FORMATS = {"encoder": 3, "int8": 3, "decoder": 5}
"""Counts changes of what is traced, part by part; files of other counts are not read. A decoder is traced again in
seconds, an encoder is not."""


class OpenVinoEngine:
    """A compiled model on the CPU.

    Parameters
    ----------
    encoder : openvino.CompiledModel
        Takes (1, 3, s, s) float32.
    decoder : openvino.CompiledModel
        Takes the encoder's outputs, (1, n, 2) coordinates and (1, n) labels.
    compiled : Path
        Folder that both were read from.
    """

    def __init__(self, encoder: Any, decoder: Any, compiled: Path) -> None:
        self._compiled = compiled
        self._side_px = int(encoder.input(0).shape[-1])
        self._encoder, self._decoder = _Requests(encoder), _Requests(decoder)
        self._levels = [tuple(output.shape) for output in encoder.outputs]

    @property
    def side_px(self) -> int:
        """Side of the square that the encoder sees."""
        return self._side_px

    @property
    def device_bytes(self) -> int:
        """Memory taken on a GPU: none."""
        return 0

    def warm_up(self) -> None:
        """Run the decoder, whose shapes are open; the encoder is compiled whole, and no faster at its second window.

        The pages of the compiled files are given back: the weights are packed anew for this processor.
        """
        self._decoder(*(np.zeros(shape, np.float32) for shape in self._levels), *corners_of(self._side_px))
        drop_pages(self._compiled)

    def encode(self, windows: list[Pixels]) -> list[Features]:
        """Encode windows one after the other."""
        return [self._encoder(normalised(pixels, self._side_px)) for pixels in windows]

    def decode(
        self, features: Features, coordinates: FloatArray, labels: npt.NDArray[np.int32]
    ) -> tuple[FloatArray, FloatArray]:
        """Run the prompt encoder and the mask decoder."""
        logits, scores = self._decoder(*cast(Any, features), coordinates, labels)
        return logits, scores


class _Requests:
    """Inference requests of a compiled model, as many as are made at a time."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: list[Any] = []

    def __call__(self, *inputs: npt.NDArray[Any]) -> tuple[FloatArray, ...]:
        """Run the model; the outputs are copies, since the request's own are overwritten by its next run."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        with _memory_errors():
            request.infer(list(inputs), share_inputs=True)
            outputs = tuple(np.array(tensor.data) for tensor in request.output_tensors)
        self._idle.append(request)
        return outputs


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Name the one failure that passes by itself."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "allocate memory" in str(error):
            raise DeviceOutOfMemory(
                "The machine does not have enough memory for this window.", retry_after_s=5.0
            ) from error
        raise


def why_not(precision: str) -> str | None:
    """Tell why this machine cannot run a precision, or None if it can."""
    try:
        import openvino
    except ImportError:
        return "OpenVINO is not installed (the extra openvino)"
    if precision == "bfloat16" and "BF16" not in _capabilities(openvino):
        return "this processor has no bfloat16 instructions"
    return None


def traced_file(folder: Path, sha256: str, part: str, side: str = "") -> Path:
    """Give the place of a traced part of a checkpoint (encoder, decoder or int8), for the versions installed.

    `side` is that of a smaller square, as in the engine's name.
    """
    versions = f"torch{torch_version()}-openvino{version('openvino')}"
    whose = f"{sha256[:16]}-{side}" if side else sha256[:16]
    return folder / f"{whose}-{versions}-{_FORMATS[part]}-{part}.xml"


def open_engine(
    load: Callable[[], Any],
    sha256: str,
    folder: Path,
    precision: str,
    *,
    threads: int,
    workers: int,
    calibration: Sequence[Pixels] = (),
    side: str = "",
) -> OpenVinoEngine:
    """Compile a model, or take it from the folder.

    Parameters
    ----------
    load : callable
        Gives the SAM2Base, on the CPU, in evaluation mode. Called only when the folder has no trace of it yet; tracing
        takes about a minute and some 5 GB for Hiera-B+.
    sha256 : str
        Of its checkpoint.
    folder : Path
        Traces and compiled models; made if it is not there.
    precision : str
        ``float32``, ``bfloat16`` or ``int8``; int8 runs what is not quantised in bfloat16 where there are instructions.
    threads, workers : int
        Threads of one call, and calls at a time.
    calibration : sequence of Pixels
        Windows from which a new int8 encoder takes its ranges; without them the folder's own is used.
    side : str
        Of a smaller square, as in the engine's name; `load` gives a model of it.

    Raises
    ------
    InvalidSettings
        This machine cannot run it, or compiles it wrong; there is no int8 encoder and nothing to make it from; or the
        folder cannot be written.
    """
    reason = why_not(precision)
    if reason:
        raise InvalidSettings(f"The engine openvino-{precision} cannot run here: {reason}.")
    import openvino

    try:
        folder.mkdir(parents=True, exist_ok=True)
        _trace_what_is_missing(load, folder, sha256, side)
        encoder = traced_file(folder, sha256, "encoder", side)
        if precision == "int8":
            encoder = _quantised(encoder, traced_file(folder, sha256, "int8"), calibration)
    except OSError as error:
        raise InvalidSettings(f"REFINE_SEGMENTER__ENGINE_FOLDER: {folder} cannot be written: {error}.") from error
    hint = "bf16" if precision == "bfloat16" or (precision == "int8" and "BF16" in _capabilities(openvino)) else "f32"
    compiled = folder.resolve() / "compiled"
    core = openvino.Core()

    def compiled_for(traced: Path, precision: str) -> Any:
        options = {
            "PERFORMANCE_HINT": "LATENCY" if workers == 1 else "THROUGHPUT",
            "NUM_STREAMS": workers,
            "INFERENCE_NUM_THREADS": threads * workers,
            "INFERENCE_PRECISION_HINT": precision,
            "CACHE_DIR": str(compiled / precision),  # OpenVINO's names of files leave the precision out
        }
        return core.compile_model(str(traced), "CPU", options)

    on_cpu = compiled_for(encoder, hint)
    decoder = traced_file(folder, sha256, "decoder", side)
    engine = OpenVinoEngine(on_cpu, compiled_for(decoder, "f32"), compiled)
    if precision != "int8":  # which has a gate of its own
        check_features(
            lambda: engine.encode([example(engine.side_px)])[0],
            encoder,
            f"openvino-{precision}",
            compiled / hint / f"{encoder.stem}.checked",
            compiled_now=not on_cpu.get_property("LOADED_FROM_CACHE"),
        )
    return engine


def _trace_what_is_missing(load: Callable[[], Any], folder: Path, sha256: str, side: str) -> None:
    missing = [part for part in ("decoder", "encoder") if not traced_file(folder, sha256, part, side).exists()]
    if not missing:
        return
    model = load()  # says so where there is no torch
    from app.segmenter.engines.tracing import features_of, trace_decoder, trace_encoder

    for part in missing:
        trace = trace_decoder if part == "decoder" else trace_encoder
        file = traced_file(folder, sha256, part, side)
        if part == "encoder":
            keep_features(file, features_of(model, example(int(model.image_size))))
        trace(model, file)


def _quantised(encoder: Path, file: Path, calibration: Sequence[Pixels]) -> Path:
    if not calibration:
        if file.exists():
            return file
        raise InvalidSettings("There is no int8 encoder yet: `python -m app engines` makes one and checks it.")
    try:
        from app.segmenter.engines.tracing import quantise

        side = int(_read(encoder).input(0).shape[-1])
        quantise(encoder, file, (normalised(pixels, side) for pixels in calibration))
    except ImportError as error:
        raise InvalidSettings("An int8 encoder is made by NNCF, which is not installed (the extra int8).") from error
    return file


def _read(file: Path) -> Any:
    import openvino

    return openvino.Core().read_model(file)


def _capabilities(openvino: Any) -> list[str]:
    return list(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))

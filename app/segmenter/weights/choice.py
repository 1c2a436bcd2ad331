"""Which checkpoint the service runs: the one put to use, else what the settings lead to, else the demo model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.errors import WeightsCorrupt, WeightsUnavailable
from app.geometry.judgement import UNJUDGED, Judgement
from app.segmenter.weights.card import check_card, config_of, judgement_of, read_card
from app.segmenter.weights.checks import check_file, file_sha256
from app.segmenter.weights.in_use import in_use
from app.segmenter.weights.registry import REGISTRY, WeightsEntry, find_digest
from app.settings import Settings

EMBEDDED_MODEL = Path(__file__).resolve().parents[1] / "embedded" / "model.pt"


@dataclass(frozen=True, slots=True)
class ChosenWeights:
    """The checkpoint that was chosen, read once from end to end."""

    name: str
    path: Path
    config: str
    """What `app.segmenter.checkpoint.find_config` finds: a name or a YAML file."""
    sha256: str
    origin: Literal["configured", "pulled", "embedded"]
    judgement: Judgement = UNJUDGED
    """What its card says of its masks."""

    @property
    def description(self) -> str:
        """One sentence for the log and the command line."""
        if self.origin == "embedded":
            return (
                "EMBEDDED DEMO MODEL, not meant for annotation work: it is small and made for demonstrations "
                "(`python -m app weights pull` fetches the fine-tuned checkpoint)."
            )
        return f"Checkpoint {self.name} ({self.origin}, {self.path}), config {self.config}, sha256 {self.sha256}."


def choose(settings: Settings, registry: Sequence[WeightsEntry] = REGISTRY) -> ChosenWeights:
    """Choose the checkpoint to run.

    A file that is there but wrong stops the start: falling back to a lesser model would hide it.

    Parameters
    ----------
    settings : Settings
        Their groups ``segmenter`` and ``weights``.
    registry : sequence of WeightsEntry
        Which pulled checkpoints count, the preferred one first.

    Returns
    -------
    ChosenWeights
        The checkpoint that was put to use last; else the configured one; else the first pulled one of the registry;
        else the embedded demo model.

    Raises
    ------
    WeightsUnavailable
        The chosen checkpoint cannot be read, or there is none and the settings do not allow the demo model.
    WeightsCorrupt
        Its size or digest is not the registry's, the configured one or its card's.
    """
    chosen = _in_use(settings) or _configured(settings) or _pulled(settings, registry) or _embedded(settings)
    expected = settings.segmenter.sha256
    if expected is not None and chosen.sha256 != expected:
        raise WeightsCorrupt(
            f"{chosen.path} has sha256 {chosen.sha256}, REFINE_SEGMENTER__SHA256 asks for {expected}.",
            path=str(chosen.path),
            sha256=chosen.sha256,
            expected_sha256=expected,
        )
    return chosen


def _configured(settings: Settings) -> ChosenWeights | None:
    path = settings.segmenter.checkpoint
    return None if path is None else _of_file(path, settings)


def _in_use(settings: Settings) -> ChosenWeights | None:
    path = in_use(settings.weights.folder)
    return None if path is None else _of_file(path, settings)


def _of_file(path: Path, settings: Settings) -> ChosenWeights:
    sha256 = file_sha256(path)
    known = find_digest(sha256)
    card = read_card(path)
    config = settings.segmenter.config
    if card is not None:
        check_card(path, card, sha256)
        if not known and "config" not in settings.segmenter.model_fields_set:  # what the operator says counts more
            config = config_of(path, card)
    name = known.name if known else card.name if card else path.stem
    return ChosenWeights(name, path, config, sha256, "configured", card.judgement if card else UNJUDGED)


def _pulled(settings: Settings, registry: Sequence[WeightsEntry]) -> ChosenWeights | None:
    for entry in registry:
        path = entry.path_in(settings.weights.folder)
        if path.exists():
            sha256 = check_file(path, entry)
            return ChosenWeights(entry.name, path, entry.config, sha256, "pulled", judgement_of(path, sha256))
    return None


def _embedded(settings: Settings) -> ChosenWeights:
    if not settings.segmenter.demo_model:
        raise WeightsUnavailable(
            f"There are no weights in {settings.weights.folder}: fetch them with `python -m app weights pull`, or set"
            " REFINE_SEGMENTER__DEMO_MODEL=true to try the service with the demo model, which is not meant for"
            " annotation work."
        )
    sha256 = file_sha256(EMBEDDED_MODEL)
    judgement = judgement_of(EMBEDDED_MODEL, sha256)
    return ChosenWeights("embedded", EMBEDDED_MODEL, "embedded", sha256, "embedded", judgement)

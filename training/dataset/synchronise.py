"""The synchronisation: every record of a source, compared with what a dataset has of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from rich.progress import Progress
from shapely.geometry.base import BaseGeometry

from app.geometry.frames import Roi
from app.geometry.windows import MODEL_SIDE_PX, Window, plan_window, window_at
from training.dataset.cutting import centred_window, jpeg_of, painted, png_of, squared_to_model
from training.dataset.identity import UNNAMED, Known, identified, known_apart, overlap
from training.dataset.item import Item
from training.dataset.ledger import Ledger
from training.dataset.outcome import Choice, Exported
from training.dataset.shapes import Unusable, drawn
from training.dataset.sources import Passed, Refused, Source, SourceObject, SourceSlide
from training.errors import BrokenSource, NoSpace, SourceGone, is_full

_EDGE_PX0 = 2.0


class Synchronisation:
    """One run over a source.

    Parameters
    ----------
    key : str
        What the dataset calls the source.
    ledger : Ledger
        The dataset's items; changed as the run goes on.
    done : Exported
        Told everything.
    """

    def __init__(self, source: Source, key: str, choice: Choice, ledger: Ledger, done: Exported) -> None:
        self._source, self._key, self._choice, self._ledger, self._done = source, key, choice, ledger, done
        self._there: set[str] = set()
        """Identities of what the source still has."""
        self._spared: set[str] = set()
        """Slides that could not be read in full: nothing of them counts as gone."""

    def synchronise(self, bar: Progress) -> None:
        """Go through all slides, then look what is gone."""
        task = bar.add_task(self._source.name, total=self._source.count(), told="")
        datasets = {self._key}
        for slide in self._source.slides():
            if isinstance(slide, Refused):
                self._refuse(slide)
            else:
                datasets.add(slide.dataset or self._key)
                self._slide(slide, bar)
            told = f"{self._done.new} new, {self._done.changed} changed, {self._done.kept} kept"
            bar.update(task, advance=1, told=told)
        self._look_for_gone(datasets)

    def _refuse(self, refused: Refused) -> None:
        self._done.note("refused", refused.what, refused.why)
        if refused.group is None:
            self._done.unsure = True
        else:
            self._spared.add(f"{refused.dataset or self._key}/{refused.group}")

    def _slide(self, slide: SourceSlide, bar: Progress) -> None:
        """Bring what the dataset has of a slide up to date."""
        described: list[tuple[Known, Item]] = []
        for known in known_apart(list(self._usable(slide))):
            if known.twin:
                self._leave_out(slide, known.object, "drawn twice: same outline, same class")
                continue
            described.append((known, self._described(slide, known)))
        chosen = self._chosen(slide, [known for known, _ in described])
        self._there.update(item.identity for _, item in described)
        stale = self._unnamed_before(slide)
        for known, item in described:
            before = self._ledger.items.get(item.identity)
            if before is not None and before.content == item.content:
                self._done.kept += 1
                continue
            why = self._unwanted(known, item, slide, chosen)
            if why:
                self._leave_out(slide, known.object, why)
                self._there.discard(item.identity)  # its old item shows what is no more there
                continue
            self._cut(slide, known.object, item, before or _nearest(stale, item))
            bar.refresh()

    def _usable(self, slide: SourceSlide) -> Iterator[SourceObject]:
        """Read the records of a slide; each object with what lies of it on the slide, repaired."""
        try:
            for record in self._source.objects(slide):
                if isinstance(record, Refused):
                    self._refuse(replace(record, group=slide.group, dataset=slide.dataset))
                elif isinstance(record, Passed):
                    self._done.note("left out", record.what, record.why)
                else:
                    try:
                        outline = drawn(record.outline, slide.width, slide.height)
                    except Unusable as error:
                        self._refuse(Refused(_told(slide, record), f"{error}", slide.group, slide.dataset))
                        continue
                    if outline is None:
                        self._leave_out(slide, record, "off the slide")
                    else:
                        yield replace(record, outline=outline)
        except SourceGone:
            raise
        except BrokenSource as error:
            self._refuse(Refused(slide.id, f"{error}", slide.group, slide.dataset))

    def _leave_out(self, slide: SourceSlide, each: SourceObject, why: str) -> None:
        self._done.note("left out", _told(slide, each), why)

    def _described(self, slide: SourceSlide, known: Known) -> Item:
        outline = known.object.outline
        roi = Roi(*outline.bounds)
        item = _placed(slide.dataset or self._key, slide, known, roi)
        return identified(item, self._key, slide, outline)

    def _chosen(self, slide: SourceSlide, known: list[Known]) -> set[str]:
        """Draw the objects of a slide, the same ones at every export."""
        names = [each.name for each in known]
        if self._choice.per_slide is None or len(names) <= self._choice.per_slide:
            return set(names)
        seed = self._choice.seed
        return set(
            sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{slide.id}:{name}".encode()).digest())[
                : self._choice.per_slide
            ]
        )

    def _unwanted(self, known: Known, item: Item, slide: SourceSlide, chosen: set[str]) -> str | None:
        """Say why an object is not exported, if it is not."""
        if not known.object.wanted:
            return "not asked for"
        if item.touches_edge and not slide.whole and not self._choice.edges:
            return "perhaps cut by the edge of its image"
        if item.area_px0 < self._choice.smallest_area_px0:
            return f"smaller than {self._choice.smallest_area_px0:g} px²"
        if known.name not in chosen:
            return f"not among the {self._choice.per_slide} drawn of its image"
        return None

    def _unnamed_before(self, slide: SourceSlide) -> list[Item]:
        """List what the dataset has of a slide, and the slide has no more, of objects without a name."""
        return [
            item
            for item in self._ledger.items.values()
            if item.source == self._key
            and item.slide == _slide_key(slide.dataset or self._key, slide)
            and item.annotation.startswith(UNNAMED)
            and item.identity not in self._there
            and item.image == slide.image
        ]

    def _cut(self, slide: SourceSlide, each: SourceObject, item: Item, before: Item | None) -> None:
        """Write an item; where its pixels cannot be read, name it, and leave the one before as it is."""
        try:
            files = _files(self._source, slide, each.outline, item)
        except (SourceGone, NoSpace):
            raise
        except Exception as error:  # whatever a reader of images may raise costs this object, and no other
            if is_full(error):
                raise
            told = str(error) if isinstance(error, BrokenSource | Unusable) else f"{type(error).__name__} {error}"
            self._refuse(Refused(_told(slide, each), f"its pixels cannot be read: {told}", slide.group, slide.dataset))
            return
        digested = hashlib.sha256(files[0] + files[1]).hexdigest()
        if self._ledger.put(replace(item, sha256=digested), files, before):
            self._done.kept += 1
        elif before is not None:
            self._done.changed += 1
        else:
            self._done.new += 1

    def _look_for_gone(self, datasets: set[str]) -> None:
        """Tell what the dataset has of the source, and the source has no more."""
        for item in list(self._ledger.items.values()):
            ours = item.source == self._key if item.key else item.dataset in datasets
            spared = item.slide in self._spared or self._done.unsure
            if not ours or item.identity in self._there or spared:
                continue
            told = f"{item.slide}, {item.annotation}"
            if self._choice.prune:
                self._ledger.take_out(item)
                self._done.note("taken out", told, "its source no longer has it, or not as it was")
            else:
                self._done.note("gone", told, "its source no longer has it, or not as it was")


def _told(slide: SourceSlide, each: SourceObject) -> str:
    name = "" if each.place.endswith(each.annotation) else f" ({each.annotation})"
    return f"{slide.id}, {each.place or 'object'}{name}"


def _nearest(stale: list[Item], item: Item) -> Item | None:
    """Take, of the items whose outlines are no more there, the one that an outline without a name came from."""
    if not item.annotation.startswith(UNNAMED) or not stale:
        return None
    best = max(stale, key=lambda each: overlap(each.bounds, item.bounds))
    if overlap(best.bounds, item.bounds) == 0:
        return None
    stale.remove(best)
    return best


def _slide_key(dataset: str, slide: SourceSlide) -> str:
    return f"{dataset}/{slide.group}"


def _placed(dataset: str, slide: SourceSlide, known: Known, roi: Roi) -> Item:
    """Place the window of an object."""
    window = (
        plan_window(roi, slide.width, slide.height) if slide.whole else centred_window(roi, slide.width, slide.height)
    )
    scale = MODEL_SIDE_PX / window.side_px0
    gaps = (roi.x_min, roi.y_min, slide.width - roi.x_max, slide.height - roi.y_max)
    left, top = (roi.x_min - window.x0) * scale, (roi.y_min - window.y0) * scale
    return Item(
        id="",
        dataset=dataset,
        slide=_slide_key(dataset, slide),
        annotation=known.name,
        object_type=known.object.object_type,
        window=(window.x0, window.y0, window.side_px0),
        box=(left, top, left + roi.width * scale, top + roi.height * scale),
        longer_px0=roi.longer_side,
        area_px0=float(known.object.outline.area),
        mpp=slide.mpp,
        touches_edge=min(gaps) < _EDGE_PX0,
        sha256="",
    )


def _files(source: Source, slide: SourceSlide, outline: BaseGeometry, item: Item) -> tuple[bytes, bytes]:
    """Make the window and the mask of an item."""
    window = window_at(*item.window, slide.width, slide.height)
    mask = painted(outline, window)
    if not mask.any():
        raise Unusable("nothing of its outline lies in its window")
    return jpeg_of(squared_to_model(_pixels(source, slide, window), window)), png_of(mask)


def _pixels(source: Source, slide: SourceSlide, window: Window) -> npt.NDArray[np.uint8]:
    pixels = source.pixels(slide, window, MODEL_SIDE_PX)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise BrokenSource(f"{slide.id} gives no RGB there")
    return pixels

"""Where outlined objects come from: one file per source, all with the same doors."""

from training.dataset.sources.source import Passed, Refused, Source, SourceObject, SourceSlide

__all__ = ["Passed", "Refused", "Source", "SourceObject", "SourceSlide"]

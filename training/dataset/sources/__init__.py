"""Where outlined objects come from: one file per source, all with the same two doors."""

from training.dataset.sources.source import Source, SourceObject, SourceSlide

__all__ = ["Source", "SourceObject", "SourceSlide"]

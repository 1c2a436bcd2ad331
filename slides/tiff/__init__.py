"""TIFF files of any kind but scanners' own: tile by tile, so that no level is ever in memory as a whole."""

from slides.tiff.opening import open_tiff

__all__ = ["open_tiff"]

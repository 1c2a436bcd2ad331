"""Slide files: one reader for whoever shows pixels and whoever trains on them."""

from slides.errors import DamagedPixels, NotASlide
from slides.opening import open_slide
from slides.slide import Seen, SlideFile
from slides.source import Box, Pixels, Plane

__all__ = ["Box", "DamagedPixels", "NotASlide", "Pixels", "Plane", "Seen", "SlideFile", "open_slide"]

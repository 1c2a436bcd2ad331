"""Slide files: reading any, drawing one."""

from demo.slides.reader import NotASlide, Pixels, SlideFile, open_slide

__all__ = ["NotASlide", "Pixels", "SlideFile", "open_slide"]

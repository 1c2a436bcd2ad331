"""The room that reads slide files; and the demo's drawn slide, for tests of other rooms."""

from tests.slides.drawn import place_drawn_slide

__all__ = ["place_drawn_slide"]

"""Slides that the demo draws; `slides` reads any."""

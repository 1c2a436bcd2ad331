"""Frames, windows, masks and polygons: pure values and arithmetic, no framework, no I/O, no clock."""

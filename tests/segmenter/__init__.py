"""Tests of the segmenter room."""

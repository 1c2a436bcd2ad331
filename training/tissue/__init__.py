"""Tissue drawn from random numbers: stained nuclei, glands, tumour borders, and the exact outline of every object."""

from training.tissue.scenes import KINDS, DrawnObject, Scene, draw_scene

__all__ = ["KINDS", "DrawnObject", "Scene", "draw_scene"]

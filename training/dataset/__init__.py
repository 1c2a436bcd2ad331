"""Datasets: a plain folder of windows, masks and what is known of them, made from any source of outlined objects."""

from training.dataset.folder import Dataset, open_dataset
from training.dataset.item import Item
from training.dataset.shares import SPLITS

__all__ = ["SPLITS", "Dataset", "Item", "open_dataset"]

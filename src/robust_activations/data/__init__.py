"""Datasets as two splits of uint8 pixels, in memory or in files, and batches made from them on the device.

`load` reads a dataset, once from the official files and from then on from one verified cache file; `hold_out` keeps
training images back for choosing an epoch; `Batches` shuffles, augments and mixes without worker processes.
"""

from robust_activations.data.batches import Augment, Batches
from robust_activations.data.dataset import Dataset, digest, hold_out
from robust_activations.data.image_files import ImageFiles, Pixels, at_once, floats
from robust_activations.data.sources import CANONICAL, canonical, load, load_extra, names

__all__ = [
    "CANONICAL",
    "Augment",
    "Batches",
    "Dataset",
    "ImageFiles",
    "Pixels",
    "at_once",
    "canonical",
    "digest",
    "floats",
    "hold_out",
    "load",
    "load_extra",
    "names",
]

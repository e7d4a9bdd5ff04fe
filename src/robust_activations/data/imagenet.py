"""ImageNet: 1.28 million images, which stay in their files."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

from robust_activations.data.dataset import Dataset
from robust_activations.data.folder import in_order, listing
from robust_activations.data.image_files import ImageFiles


class ImageNet(Dataset):
    """A dataset in files, of which nothing is read before it is needed."""

    # Of ImageNet's training pixels, as everybody uses them; to measure them would be to read all files.
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the list of files: not of their content, which would take hours to read.

        The ASCII line ``files``, then for each file, training images first and in the order of the dataset, the line
        ``path below the folder, size in bytes``. So a file that is missing, added, renamed or cut short shows, and a
        change that keeps its size does not. Images of all sizes have the same sum: the files are the same.
        """
        sha = hashlib.sha256(b"files\n")
        for images in (self.train_images, self.test_images):
            assert isinstance(images, ImageFiles)
            for name in images.names:
                sha.update(f"{name} {(images.root / name).stat().st_size}\n".encode())
        return sha.hexdigest()


def imagenet(name: str, path: Path, image_size: int) -> ImageNet:
    """The images below `path` at `image_size` pixels, in files, in the order of `folder`.

    Raises `UserError`: no such folders, or classes that differ between the splits.
    """
    path = path.expanduser().resolve()
    train, test, classes = listing(path)
    (files, labels), (test_files, test_labels) = in_order(train), in_order(test)
    images, test_images = (ImageFiles(path, names, image_size) for names in (files, test_files))
    return ImageNet(name, images, labels, test_images, test_labels, classes)

"""ImageFolderFeedSource: pictures in folders, one folder a class, as ImageNet is laid out."""
# Shape legend: N = examples, H = height, W = width, C = channels.

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from akid.errors import DataError, SetupError
from akid.sensing.indexed_source import IndexedFeedSource
from akid.sensing.source import Arrays, SupervisedSource
from akid.sensing.split import SPLITS, divide, stratified_order

_ENDINGS: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".webp"})
_MODES: Final = {1: "L", 3: "RGB"}


class _Listing(NamedTuple):
    paths: list[Path]
    labels: NDArray[np.int64]

    def take(self, indices: NDArray[np.int64]) -> "_Listing":
        return _Listing([self.paths[index] for index in indices], self.labels[indices])


@final
class ImageFolderFeedSource(SupervisedSource, IndexedFeedSource):
    """Reads pictures when they are asked for: `work_dir/train/CLASS/*.jpg`, and so on.

    Where `work_dir` has a folder "train", it holds the training pictures, and folders "val" and
    "test" those of their splits; otherwise the classes are folders of `work_dir` itself. Without a
    folder "val", `num_val` pictures are taken out of the training ones, all classes in proportion.
    Classes are numbered by their names' order in training.

    A picture is shrunk or enlarged until it covers `size`, and its middle is taken. Several are
    read at a time.

    Args:
        name: The block's name.
        work_dir: The folder.
        size: Height and width of the images that are served, in pixels.
        num_channels: 3 for colour, 1 for grey.
        center: Subtract 127.5.
        scale: Divide by 255 (after centring).
        num_train: Training examples; None for all that are left.
        num_val: Validation examples, if there is no folder for them.
        num_threads: How many pictures are read at a time.

    Raises:
        SetupError: If there is no number of channels like that.
        DataError: When set up, if there are no pictures; when read, if one is damaged.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        work_dir: str,
        size: Sequence[int] = (224, 224),
        num_channels: int = 3,
        center: bool = False,
        scale: bool = False,
        num_train: int | None = None,
        num_val: int = 0,
        num_threads: int | None = None,
    ) -> None:
        super().__init__(
            name,
            work_dir=work_dir,
            center=center,
            scale=scale,
            num_train=num_train,
            num_val=num_val,
        )
        if num_channels not in _MODES or len(size) != 2 or min(size) < 1:
            raise SetupError(
                f"{self.label}: expected size as [height, width] in pixels and num_channels of"
                f" {list(_MODES)}, got size={list(size)!r}, {num_channels=!r}."
            )
        self.size = (size[0], size[1])
        self.num_channels = num_channels
        self.num_threads = num_threads or min(16, os.cpu_count() or 1)
        self.class_names: list[str] = []
        self._listings: dict[str, _Listing] = {}

    def num_samples(self, split: str) -> int:
        self.setup()
        return len(self._listing(split).paths)

    def all_labels(self, split: str) -> NDArray[np.int64]:
        self.setup()
        return self._listing(split).labels

    def read(self, split: str, indices: NDArray[np.int64]) -> Arrays:
        self.setup()
        paths, labels = self._listing(split).take(indices)
        images = np.empty((len(paths), *self.size, self.num_channels), np.float32)
        with ThreadPoolExecutor(self.num_threads) as threads:
            for number, image in enumerate(threads.map(self._read, paths)):
                images[number] = image
        if self.center:
            images -= self.middle_value
        if self.scale:
            images /= self.value_range
        return images, labels

    def fingerprint(self) -> str:
        """Return a SHA-256 of the pictures' names, sizes and splits, and of how they are served."""
        self.setup()
        digest = hashlib.sha256(repr((self.size, self.num_channels)).encode())
        digest.update(repr((self.center, self.scale)).encode())
        for split, (paths, _) in sorted(self._listings.items()):
            for path in paths:
                name = path.relative_to(self._root())
                digest.update(f"{split} {name} {path.stat().st_size}\n".encode())
        return digest.hexdigest()

    def _setup(self, inputs: Any) -> None:  # noqa: ARG002 - a source has no inputs
        root = self._root()
        train = root / "train" if (root / "train").is_dir() else root
        self.class_names = sorted(path.name for path in train.iterdir() if path.is_dir())
        listings = {"train": self._list(train)}
        if train != root:
            folders = [split for split in SPLITS[1:] if (root / split).is_dir()]
            listings |= {split: self._list(root / split) for split in folders}
        order = stratified_order(listings["train"].labels)
        num_val = 0 if "val" in listings else self.num_val
        picks = divide(order, num_train=self.num_train, num_val=num_val, who=self.label)
        listings.setdefault("val", listings["train"].take(picks[1]))
        listings["train"] = listings["train"].take(picks[0])
        listings.setdefault("test", listings["train"].take(picks[0][:0]))
        self._listings = listings

    def _root(self) -> Path:
        assert self.work_dir is not None
        root = Path(self.work_dir).expanduser()
        if not root.is_dir():
            raise DataError(f"{self.label}: expected a folder of pictures at work_dir={root}.")
        return root

    def _list(self, folder: Path) -> _Listing:
        known = {name: number for number, name in enumerate(self.class_names)}
        found = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in _ENDINGS)
        strange = {path.parent.name for path in found} - set(known)
        if not found or strange:
            raise DataError(
                f"{self.label}: expected pictures at {folder}/CLASS/*.jpg (or"
                f" {sorted(_ENDINGS)}) of the classes of the training split, got {len(found)}"
                f" picture(s) and unknown classes {sorted(strange)[:10]}."
            )
        labels = np.array([known[path.parent.name] for path in found], np.int64)
        return _Listing(found, labels)

    def _listing(self, split: str) -> _Listing:
        if split not in self._listings:
            raise SetupError(
                f"{self.label}: expected a split of {sorted(self._listings)}, got {split=!r}."
            )
        return self._listings[split]

    def _read(self, path: Path) -> NDArray[np.uint8]:
        from PIL import Image, ImageOps  # noqa: PLC0415 - the only source that needs Pillow

        height_px, width_px = self.size
        try:
            with Image.open(path) as image:
                image.draft(_MODES[self.num_channels], (width_px, height_px))
                whole = image.convert(_MODES[self.num_channels])
                fitted = ImageOps.fit(whole, (width_px, height_px), Image.Resampling.BILINEAR)
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{self.label}: can't read {path}: {error}") from error
        return np.asarray(fitted).reshape(height_px, width_px, self.num_channels)

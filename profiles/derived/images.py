"""Images in numbers: their size, and the mean of each channel.

The only module that knows Pillow, which is installed by ``pip install 'driftline[images]'``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.derived.measures import Measures, Reader
from profiles.errors import ProfileError
from profiles.values import MISMATCH, MISSING, PRESENT

if TYPE_CHECKING:
    from types import ModuleType

    from PIL.Image import Image

PARTS = ("width", "height", "aspect", "red", "green", "blue")
NEEDS_PILLOW = "images need Pillow: pip install 'driftline[images]'"
MAX_PIXELS = 1 << 26  # 67 million; a larger one is not decoded

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # none that runs a program or reads a file
_BEGINNINGS = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*",
)  # fmt: skip
_COARSE = 256  # a JPEG may be decoded at a half, quarter or eighth while it stays this large


def available() -> bool:
    return find_spec("PIL") is not None


def measure(array: pa.Array) -> Measures:
    """Return width and height in pixels, width over height, and mean red, green and blue.

    Means go from 0 to 255, of an image in grey for all three, of the first frame, and without
    regard to transparency. What cannot be decoded, and what has more than 67 million pixels, is a
    mismatch.
    """
    values = np.zeros((len(PARTS), len(array)))
    mark = np.full(len(array), PRESENT, np.uint8)
    for row, value in enumerate(array):
        if not value.is_valid:
            mark[row] = MISSING
            continue
        found = _measured(value.as_py())
        if found is None:
            mark[row] = MISMATCH
        else:
            values[:, row] = found
    return Measures(values=values, mark=mark)


def is_bytes(of: pa.DataType) -> bool:
    is_ = pa.types
    kinds = (is_.is_binary, is_.is_large_binary, is_.is_fixed_size_binary, is_.is_binary_view)
    return any(kind(of) for kind in kinds)


IMAGE = Reader(parts=PARTS, takes=is_bytes, measure=measure)


def looks_like_images(values: Iterable[bytes]) -> bool:
    """Tell from how they begin whether most of some values are images."""
    votes = [
        value.startswith(_BEGINNINGS) or (value[:4] == b"RIFF" and value[8:12] == b"WEBP")
        for value in values
    ]
    return 2 * sum(votes) > len(votes)


@cache
def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError:
        raise ProfileError(NEEDS_PILLOW) from None
    # Sizes are judged here, before anything is decoded; Pillow's own limit warns as well.
    Image.MAX_IMAGE_PIXELS = None
    return Image


def _measured(raw: bytes) -> tuple[float, ...] | None:
    pillow = _pillow()
    try:
        with pillow.open(BytesIO(raw), formats=_FORMATS) as image:
            width, height = image.size
            if not 0 < width * height <= MAX_PIXELS:
                return None
            image.draft(None, (_COARSE, _COARSE))
            means = _means(image)
    except Exception:  # noqa: BLE001 - hostile bytes: a decoder may raise anything
        return None
    if not np.isfinite(means).all():
        return None
    return width, height, width / height, *means.tolist()


def _means(image: Image) -> npt.NDArray[np.float64]:
    if image.mode.startswith(("I", "F")):  # grey of more than eight bits
        grey = np.asarray(image, np.float64).mean()
        return np.full(3, grey / 257 if image.mode.startswith("I;16") else grey)
    if image.mode not in {"RGB", "L", "CMYK", "YCbCr", "LAB", "HSV"}:
        image = image.convert("RGBA")  # palettes and truth values too, with their transparency
    counts = np.array(image.convert("RGB").histogram()).reshape(3, 256)
    means: npt.NDArray[np.float64] = counts @ np.arange(256) / counts.sum(axis=1)
    return means

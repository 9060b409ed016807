"""Small images, as bytes."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image


def an_image(
    kind: str = "PNG",
    *,
    size: tuple[int, int] = (30, 20),
    colour: Any = (250, 100, 10),
    mode: str = "RGB",
) -> bytes:
    """Return an image of one colour as a file of some format."""
    file = BytesIO()
    Image.new(mode, size, colour).save(file, kind)
    return file.getvalue()

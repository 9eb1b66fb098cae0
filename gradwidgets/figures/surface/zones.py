"""Marks on zones of a map: hatching where not finite, dots where precision is lost, dashes around dead zones."""

from __future__ import annotations

import numpy as np


def hatch(image: np.ndarray, blank: np.ndarray, color: str) -> None:
    """Hatch a zone of an image.

    Args:
        image: uint8 (height, width, 4), changed in place.
        blank: The zone, a mask (H, W) of the same view.
        color: The colour of the stripes, "#rrggbb".
    """
    if not blank.any():
        return
    mask = _enlarged(blank, image.shape)
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    stripes = mask & ((rows + columns) % 9 < 2)
    image[stripes, :3] = [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def dots(image: np.ndarray, zone: np.ndarray) -> None:
    """Dot a zone of an image, which remains readable between the dots: white in dark, for any ground.

    Args:
        image: uint8 (height, width, 4), changed in place.
        zone: The zone, a mask (H, W) of the same view.
    """
    if not zone.any():
        return
    mask = _enlarged(zone, image.shape)
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    shifted = columns + 6 * ((rows // 12) % 2)
    image[mask & (rows % 12 < 4) & (shifted % 12 < 4), :3] = 20
    image[mask & ((rows % 12) // 2 == 0) & ((shifted % 12) // 2 == 0), :3] = 255


def outline(image: np.ndarray, zone: np.ndarray) -> None:
    """Draw a dashed line, dark and light, just inside a zone of an image.

    Args:
        image: uint8 (height, width, 4), changed in place.
        zone: The zone, a mask (H, W) of the same view.
    """
    if not zone.any():
        return
    mask = _enlarged(zone, image.shape)
    inner = mask.copy()
    for _ in range(2):
        shrunk = inner.copy()
        shrunk[1:] &= inner[:-1]
        shrunk[:-1] &= inner[1:]
        shrunk[:, 1:] &= inner[:, :-1]
        shrunk[:, :-1] &= inner[:, 1:]
        shrunk[[0, -1]] = shrunk[:, [0, -1]] = False
        inner = shrunk
    rim = mask & ~inner
    rows, columns = np.nonzero(rim)
    dark = (rows + columns) % 12 < 7
    image[rows[dark], columns[dark], :3] = 30
    image[rows[~dark], columns[~dark], :3] = 255


def _enlarged(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) / size * count, count - 1).astype(int)
        for size, count in zip(shape[:2], mask.shape, strict=True)
    )
    return mask[rows][:, columns]

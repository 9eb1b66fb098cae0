"""Patches, which contain only the changed pixels: sent instead of a PNG to a page that understands them.

A PNG of a difference is mostly empty, yet the page must decode all of it. A patch is a list of pixels
and a bitmap of their positions; page.js pastes them.
"""

from __future__ import annotations

import struct

import numpy as np
from isal import isal_zlib


def encode_patch(pixels: np.ndarray, changed: np.ndarray) -> bytes:
    """Encode the changed pixels of a picture.

    Args:
        pixels: uint8 array (height, width, 4), red, green, blue, alpha.
        changed: Boolean array (height, width).

    Returns:
        Deflated: width, height and number of changed pixels as little-endian uint32; those pixels, row by row, four
        bytes each; a bit for each pixel of the picture, row by row, the first in a byte's highest bit, set where it
        changed.
    """
    height, width = changed.shape
    kept = pixels.view(np.uint32)[..., 0][changed]
    head = struct.pack("<III", width, height, len(kept))
    return isal_zlib.compress(b"".join((head, kept.tobytes(), np.packbits(changed).tobytes())), 1)

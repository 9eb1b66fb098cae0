"""A line of text that changes in every frame.

Laying out and rasterizing a text of twenty letters takes longer than drawing ten lines of three hundred points. A
changing number always consists of the same few letters, so each is rasterized once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text


class MovingText(Text):
    """An animated single-line horizontal `Text` whose look is fixed when it is first drawn.

    Args:
        casing: The colour of a border that sets the letters off from any background; None for none.
        **options: Keyword arguments of `Text`, except a bounding box, `parse_math` or rotation.
    """

    def __init__(self, *, casing: str | None = None, **options: Any) -> None:
        super().__init__(animated=True, parse_math=False, **options)
        self.casing = casing
        self._letters: dict[str, tuple[np.ndarray, float]] = {}
        self._rastered: tuple[float, str] | None = None
        self._line: np.ndarray | None = None

    def draw(self, renderer: RendererBase) -> None:
        """Draw the text, aligned left, right or centred, at its baseline."""
        if not isinstance(renderer, RendererAgg):
            super().draw(renderer)
            return
        words = self.get_text()
        if not self.get_visible() or not words:
            return
        if self._line is None or self._rastered != (renderer.dpi, words):
            if self._rastered is None or self._rastered[0] != renderer.dpi:
                self._letters = {}
            self._line, self._rastered = self._raster(words, renderer), (renderer.dpi, words)
        x, y = self.get_transform().transform(self.get_position())
        height, width = self._line.shape[:2]
        margin = height // 3
        start = {"left": 0, "center": (width - 2 * margin) / 2, "right": width - 2 * margin}[
            self.get_horizontalalignment()
        ]
        context = renderer.new_gc()
        renderer.draw_image(context, round(x - start) - margin, round(y) - margin, self._line)
        context.restore()
        self.stale = False

    def _raster(self, words: str, renderer: RendererAgg) -> np.ndarray:
        """Compose the letters, (height, width, 4) uint8; the baseline is a third above the lowest row."""
        letters = [self._letters.get(one) or self._raster_letter(one, renderer) for one in words]
        height = letters[0][0].shape[0]
        margin, ends = height // 3, np.cumsum([advance for _, advance in letters])
        width = round(ends[-1]) + 2 * margin
        cover = np.zeros((height, width + height), np.uint8)
        for (mask, advance), end in zip(letters, ends, strict=True):
            place = cover[:, round(end - advance) :][:, : mask.shape[1]]
            np.maximum(place, mask[:, : place.shape[1]], out=place)
        image = np.empty((height, width, 4), np.uint8)
        image[..., :3] = np.rint(np.multiply(to_rgb(self.get_color()), 255))
        image[..., 3] = cover[::-1, :width]
        return image if self.casing is None else _cased(image, to_rgb(self.casing), renderer.points_to_pixels(1.2))

    def _raster_letter(self, letter: str, renderer: RendererAgg) -> tuple[np.ndarray, float]:
        """Return a letter's coverage, with a margin around it, and its advance width."""
        font = self.get_fontproperties()

        def width(words: str) -> float:
            return renderer.get_text_width_height_descent(words, font, False)[0]

        advance = width(f"|{letter}|") - width("||")
        size = renderer.points_to_pixels(font.get_size_in_points())
        height = 3 * round(0.7 * size)
        margin = height // 3
        alone = RendererAgg(round(advance) + 2 * margin, height, renderer.dpi)
        context = alone.new_gc()
        context.set_foreground((0.0, 0.0, 0.0, 1.0), isRGBA=True)
        alone.draw_text(context, margin, height - margin, letter, font, 0.0, False)
        self._letters[letter] = np.array(np.asarray(alone.buffer_rgba())[..., 3]), advance
        return self._letters[letter]


def _cased(letters: np.ndarray, color: tuple[float, float, float], radius: float) -> np.ndarray:
    """Letters, (height, width, 4) uint8, with a border of so many pixels, drawn within the margin around them."""
    cover = letters[..., 3]
    reach = int(np.ceil(radius))
    spread = cover.copy()
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            near = min(max(radius + 0.5 - float(np.hypot(down, across)), 0.0), 1.0)
            moved = np.roll(cover, (down, across), axis=(0, 1))
            np.maximum(spread, (near * moved).astype(np.uint8), out=spread)
    share = (cover / np.maximum(spread, 1))[..., None]
    mixed = share * letters[..., :3] + (1 - share) * (np.array(color) * 255)
    return np.concatenate([np.rint(mixed).astype(np.uint8), spread[..., None]], axis=-1)

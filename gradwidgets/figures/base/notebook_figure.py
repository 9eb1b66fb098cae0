"""A figure that a notebook shows without pyplot."""

from __future__ import annotations

import io

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure, FigureBase

from gradwidgets.figures.base.layout import DPI
from gradwidgets.figures.base.style import own_look


class Picture(Figure):
    """A figure that shows itself as PNG where it is a cell's last line, with or without pyplot.

    Attributes:
        magnified: How much larger than usual text and lines are.
    """

    magnified = 1.0
    _cleared = 0  # how often everything was taken off

    @classmethod
    def of(cls, width: int, height: int, magnified: float = 1.0) -> Picture:
        """An empty one.

        Args:
            width: In CSS pixels.
            height: In CSS pixels.
            magnified: How much larger than usual text and lines are.
        """
        dpi = DPI * magnified
        made = cls(figsize=(width / dpi, height / dpi), dpi=dpi, layout="none")  # type: ignore[arg-type]  # it is documented
        made.magnified = magnified
        return made

    def blank(self, face: str) -> tuple[float, float]:
        """Take everything off it.

        Args:
            face: Its colour from then on.

        Returns:
            Width and height in CSS pixels of a picture that is not magnified, whatever the screen's pixel ratio.
        """
        for axes in self.axes:  # `clear` alone would set each up once more before it goes
            self.delaxes(axes)
        self.clear()
        self._cleared += 1
        self.set_facecolor(face)
        width, height = self.get_size_inches() * DPI
        return float(width), float(height)

    @property
    def ground(self) -> tuple[object, ...]:
        """What artists were made for that are still on it: another size or a blank sheet is another ground."""
        return (*self.get_size_inches(), self.magnified, self._cleared)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with own_look():
            self.savefig(file, format="png", dpi=2 * DPI * self.magnified, facecolor=self.get_facecolor())
        return file.getvalue()


def renderer_of(figure: FigureBase) -> RendererBase:
    """What measures text on a figure: all canvases of ours are Agg's, which have one at hand."""
    return figure.canvas.get_renderer()  # type: ignore[attr-defined]  # of Agg's

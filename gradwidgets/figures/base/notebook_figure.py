"""A figure that a notebook shows without pyplot."""

from __future__ import annotations

import io

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure, FigureBase

from gradwidgets.figures.base.layout import DPI
from gradwidgets.figures.base.style import own_look


class Picture(Figure):
    """A figure that is displayed as PNG as the last line of a cell, with or without pyplot.

    Attributes:
        magnified: The magnification of text and lines.
    """

    magnified = 1.0
    _cleared = 0  # how often the figure was cleared

    @classmethod
    def of(cls, width: int, height: int, magnified: float = 1.0) -> Picture:
        """Make an empty figure.

        Args:
            width: The width in CSS pixels.
            height: The height in CSS pixels.
            magnified: The magnification of text and lines.
        """
        dpi = DPI * magnified
        made = cls(figsize=(width / dpi, height / dpi), dpi=dpi, layout="none")  # type: ignore[arg-type]  # it is documented
        made.magnified = magnified
        return made

    def blank(self, face: str) -> tuple[float, float]:
        """Clear the figure.

        Args:
            face: Its new background colour.

        Returns:
            Width and height in CSS pixels, before magnification and whatever the device pixel ratio.
        """
        for axes in self.axes:  # `clear` alone would set each up again before removing it
            self.delaxes(axes)
        self.clear()
        self._cleared += 1
        self.set_facecolor(face)
        width, height = self.get_size_inches() * DPI
        return float(width), float(height)

    @property
    def ground(self) -> tuple[object, ...]:
        """A key for which artists on the figure stay valid: it changes with the size and when the figure is cleared."""
        return (*self.get_size_inches(), self.magnified, self._cleared)

    def png(self, title: str = "", description: str = "") -> bytes:
        """Return it as PNG, at twice its size.

        Args:
            title: The title, and
            description: what it shows, in words: text that the file carries with it. "" for none.
        """
        file, dpi = io.BytesIO(), 2 * DPI * self.magnified
        text = {name: said for name, said in (("Title", title), ("Description", description)) if said}
        with own_look():
            self.savefig(file, format="png", dpi=dpi, facecolor=self.get_facecolor(), metadata=text)
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()


def renderer_of(figure: FigureBase) -> RendererBase:
    """The renderer that measures text on a figure: all our canvases are Agg's, which have one."""
    return figure.canvas.get_renderer()  # type: ignore[attr-defined]  # of Agg's

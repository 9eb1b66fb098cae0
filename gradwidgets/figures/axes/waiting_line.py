"""One dashed line in place of a plot: what is not there, and what it waits for."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.panel_text import wrapped
from gradwidgets.figures.base.style import Style, own_look

_PADDING = (10.0, 8.0)  # CSS pixels of the smallest picture beside and above the words
_LINE = 1.45  # height of a line, in font sizes
_LETTER = 0.53  # mean width of a letter, in font sizes


class WaitingLine:
    """Muted words in a dashed frame.

    Args:
        figure: The figure to draw on.
        style: The colours.
        layout: The sizes.

    Attributes:
        text: The text artist.
    """

    def __init__(self, figure: Figure, style: Style, layout: Layout) -> None:
        self._figure, self._layout = figure, layout
        self._frame = FancyBboxPatch(
            (0, 0),
            1,
            1,
            boxstyle=f"round,pad=0,rounding_size={8 * layout.pixel / 72}",
            facecolor="none",
            edgecolor=style.data,
            linewidth=1.2 * layout.pixel,
            linestyle=(0, (4, 3)),
            visible=False,
            transform=figure.dpi_scale_trans,  # in inches
        )
        figure.add_artist(self._frame)
        self.text: Text = figure.text(
            0.5,
            0.5,
            "",
            ha="center",
            va="center",
            parse_math=False,
            fontsize=layout.small,
            color=style.muted,
            linespacing=1.3,
        )
        self._said: tuple[str, Box | None] = "", None

    def show(self, words: str, box: Box | None) -> bool:
        """Show words in a box, or nothing; return whether that changed anything."""
        if (words, box) == self._said:
            return False
        self._said = words, box
        with own_look():
            seen = bool(words) and box is not None
            self._frame.set_visible(seen)
            self.text.set_text("")
            if box is not None and seen:
                self._lay(words, box)
        return True

    def _lay(self, words: str, box: Box) -> None:
        left, bottom, width, height = box
        across, up = self._figure.get_size_inches().tolist()
        self._frame.set_bounds(left * across, bottom * up, width * across, height * up)
        self.text.set_position((left + width / 2, bottom + height / 2))
        room = width * across - 2 * _PADDING[0] * self._layout.pixel / 72
        self.text.set_text(wrapped(words, room * self._figure.dpi, self.text))


def height_of(words: str, width: float, layout: Layout) -> float:
    """Return the height that words need, in CSS pixels.

    Args:
        words: The words of the line.
        width: Its width in CSS pixels.
        layout: The sizes.
    """
    letter = layout.small * layout.dpi / 72
    pixel = layout.pixel * layout.dpi / 72
    per_line = max((width - 2 * _PADDING[0] * pixel) / (_LETTER * letter), 8)
    lines = -(-len(words) * 1.06 // per_line)
    return float(lines * _LINE * letter + 2 * _PADDING[1] * pixel)

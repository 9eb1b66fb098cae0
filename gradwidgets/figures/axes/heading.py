"""The line above a plot: what it shows, in bold, the names of its lines in their colours, and a muted note."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.panel_text import fit, title
from gradwidgets.figures.base.style import Style, own_look

LINE = 16.0  # CSS pixels of the smallest picture from one line to the next
_GAP = 7.5  # the same from one name to the next
_LETTER = 0.62  # mean width of a letter of a note, in font sizes


class Heading:
    """Title, names and note; what has no room is left out, and only a name that others chose is ever shortened.

    Args:
        axes: The axes below the line.
        style: The colours.
        layout: The sizes.
        lines: 2 if the title has a line of its own above the names.

    Attributes:
        title: The title's text.
        names: The texts of the names.
        note: The text of the note, animated.
    """

    def __init__(self, axes: Axes, style: Style, layout: Layout, *, lines: int = 1) -> None:
        self._axes, self._style, self._layout, self._lines = axes, style, layout, lines
        self.title = title(axes, style, layout, bold=True)
        self.note = title(axes, style, layout, right=True, moving=True)
        if lines > 1:
            lift = ScaledTranslation(0, LINE * layout.pixel / 72, axes.figure.dpi_scale_trans)
            for text in (self.title, self.note):
                text.set_transform(text.get_transform() + lift)
        self.names: list[Text] = []
        self._said: tuple[object, ...] | None = None
        self._taken = self._end = 0.0  # pixels of the note's line that are taken, and where the names end

    def show(
        self,
        words: str | Sequence[str],
        names: Sequence[tuple[str, str, str]] = (),
        *,
        taken: float = 0.0,
    ) -> bool:
        """Write title and names; return whether that changed anything.

        Args:
            words: The title, or several, of which the first that has room is written.
            names: What each line is called, the same in short, and its colour.
            taken: The pixels at the right end of the title's line that something else takes.
        """
        said = words, tuple(names), taken, self._axes.bbox.width
        if said == self._said:
            return False
        self._said = said
        with own_look():
            self._write([words] if isinstance(words, str) else words, names, taken)
        return True

    def say(self, *notes: str) -> None:
        """Write the first of some notes that has room; none if none has."""
        letter = _LETTER * float(self.note.get_fontsize()) * self._axes.figure.dpi / 72
        room = self._axes.bbox.width - self._taken - self._gap
        self.note.set_text(next((note for note in notes if len(note) * letter <= room), ""))

    @property
    def _gap(self) -> float:
        return _GAP * self._layout.pixel * self._axes.figure.dpi / 72

    def _write(self, titles: Sequence[str], names: Sequence[tuple[str, str, str]], taken: float) -> None:
        whole, beside = self._axes.bbox.width, self._lines == 1
        room = whole - taken - (self._gap if taken else 0)
        end = room if beside else whole
        for words, k in itertools.product(titles, (0, 1)):
            self.title.set_text(words)
            title_end = self._width(self.title) if words else -self._gap
            self._place([(name[k], name[2]) for name in names], title_end if beside else -self._gap)
            if title_end <= room and self._end <= end:
                break
        else:
            self._shorten(room, end)
        self._taken = (self._end if beside else self._width(self.title)) + taken

    def _place(self, names: Sequence[tuple[str, str]], at: float) -> None:
        """Write names one after the other, wherever that ends."""
        for text in self.names:
            text.remove()
        self.names = []
        for words, color in names:
            text = title(self._axes, self._style, self._layout)
            text.set(text=words, color=self._style.written(color), fontsize=self._layout.small)
            self.names.append(text)
        self._line_up(at)

    def _line_up(self, at: float) -> None:
        for text in self.names:
            text.set_x((at + self._gap) / max(self._axes.bbox.width, 1))
            at += self._gap + self._width(text)
        self._end = at

    def _shorten(self, room: float, end: float) -> None:
        """Shorten the title, or else the longest name, by what is too much."""
        beside = self._lines == 1
        if not self.names or not beside:
            fit(self.title, self.title.get_text(), max(room, 1.0))
        start = self._width(self.title) if beside and self.title.get_text() else -self._gap
        self._line_up(start)
        if self.names and self._end > end:
            longest = max(self.names, key=self._width)
            fit(longest, longest.get_text(), max(self._width(longest) - (self._end - end), 1.0))
            self._line_up(start)

    def _width(self, text: Text) -> float:
        return float(text.get_window_extent(renderer_of(self._axes.figure)).width)

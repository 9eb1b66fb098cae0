"""What stands in the place of a picture that is to be guessed first."""

from __future__ import annotations

from collections.abc import Sequence

from gradwidgets.figures.picture import Picture
from gradwidgets.figures.style import Style, own_look


def draw_cover(figure: Picture, style: Style, title: str, lines: Sequence[str] = ()) -> None:
    """Take everything off a figure and write a title with a few lines below it, in the middle.

    Args:
        figure: The figure.
        style: Colours.
        title: What the picture would show.
        lines: What else there is to know for a guess.
    """
    with own_look():
        figure.blank(style.face)
        plain = {"ha": "center", "parse_math": False}
        figure.text(0.5, 0.60, "?", fontsize=54, color=style.faint, va="bottom", fontweight="bold", **plain)
        figure.text(0.5, 0.56, title, fontsize=13, color=style.ink, va="top", **plain)
        for k, line in enumerate(lines):
            figure.text(0.5, 0.47 - 0.065 * k, line, fontsize=10.5, color=style.muted, va="top", **plain)

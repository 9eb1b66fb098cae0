"""Text above and in a panel's plots: titles that fit, and notices where there is nothing to draw."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation, Transform

from gradwidgets.core.results.wording import unbroken
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.style import Style

_LETTER = 0.53  # mean width of a letter, in font sizes


def title(
    axes: Axes, style: Style, layout: Layout, *, right: bool = False, moving: bool = False, bold: bool = False
) -> Text:
    """Add an empty line of text above axes.

    Args:
        axes: The axes of the text.
        style: The colours.
        layout: The sizes.
        right: Whether it is right-aligned, muted and small; otherwise it is left-aligned.
        moving: Whether it is animated, drawn over the background.
        bold: Whether it is bold.
    """
    lift = ScaledTranslation(0, 5.5 * layout.pixel / 72, axes.figure.dpi_scale_trans)
    look: dict[str, Any] = {
        "x": 1.0 if right else 0.0,
        "y": 1.0,
        "transform": axes.transAxes + lift,
        "ha": "right" if right else "left",
        "va": "baseline",
        "clip_on": False,
        "fontsize": layout.small if right else layout.title if bold else layout.label,
        "fontweight": "bold" if bold else "normal",
        "color": style.muted if right else style.ink,
    }
    text = MovingText(**look) if moving else Text(parse_math=False, **look)
    axes.add_artist(text)
    return text


def footnote(axes: Axes, style: Style, layout: Layout) -> Text:
    """Add an empty line of text beside the horizontal axis' label, at the right end, muted and small."""
    text = Text(
        x=1.0,
        y=0.0,
        transform=below(axes, layout),
        ha="right",
        va="top",
        clip_on=False,
        parse_math=False,
        fontsize=layout.small,
        color=style.muted,
    )
    axes.add_artist(text)
    return text


def label_below(axes: Axes, layout: Layout, *, left: bool = False) -> None:
    """Put the horizontal axis' label in the middle, or at the left end if its other end is for a footnote."""
    axes.xaxis.set_label_coords(0.0 if left else 0.5, 0.0, transform=below(axes, layout))
    axes.xaxis.label.set(ha="left" if left else "center", va="top")


def below(axes: Axes, layout: Layout) -> Transform:
    """Return the transform whose origin is where the horizontal axis' label is, at the left end; its 1 is the right."""
    drop = ScaledTranslation(0, -(3.5 + 1.2 * layout.small) / 72, axes.figure.dpi_scale_trans)
    return axes.transAxes + drop


def fit(text: Text, words: str, width: float) -> None:
    """Set a text, shortened in the middle if it is too wide.

    Args:
        text: The text artist.
        words: What it should say.
        width: The available width, in pixels.
    """
    renderer = renderer_of(text.figure)
    text.set_text(words)
    kept = len(words)
    while kept > 3 and (wide := text.get_window_extent(renderer).width) > width:
        kept = max(3, min(kept - 1, int(kept * width / wide)))
        text.set_text(words[: kept // 2] + "…" + words[len(words) - (kept - kept // 2 - 1) :])


class Notice:
    """Muted words in the middle of a plot that has nothing to show.

    Args:
        axes: The axes of the text.
        style: The colours.
        layout: The sizes.

    Attributes:
        text: The text artist.
    """

    def __init__(self, axes: Axes, style: Style, layout: Layout) -> None:
        self._axes = axes
        self.text = axes.text(
            0.5,
            0.5,
            "",
            transform=axes.transAxes,
            ha="center",
            va="center",
            parse_math=False,
            fontsize=layout.label,
            color=style.muted,
            linespacing=1.35,
            zorder=9,
        )

    def say(self, words: str) -> bool:
        """Show some words, or none; return whether that changed anything."""
        lines = wrapped(words, 0.86 * self._axes.bbox.width, self.text) if words else ""
        if self.text.get_text() == lines:
            return False
        self.text.set_text(lines)
        return True


def wrapped(words: str, width: float, text: Text) -> str:
    """Break a sentence into lines.

    Args:
        words: A sentence.
        width: The available width, in pixels.
        text: The text artist whose font is used.
    """
    letter = _LETTER * float(text.get_fontsize()) * text.figure.dpi / 72
    return textwrap.fill(unbroken(words), max(8, int(width / letter))).replace("\u00a0", " ")

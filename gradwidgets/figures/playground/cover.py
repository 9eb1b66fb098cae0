"""The placeholder of a picture that is to be guessed first: its frame and the current point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradwidgets.figures.base.marks import label_axes, plot_axes, start_mark
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.style import Style, own_look
from gradwidgets.figures.surface.crossed import crossed_layout


def draw_cover(
    figure: Picture, style: Style, title: str, axes: Sequence[tuple[str, float, float]], point: Sequence[float]
) -> None:
    """Clear a figure and draw an empty frame with a question mark.

    Args:
        figure: The figure.
        style: The colours.
        title: The title of the hidden picture.
        axes: The name, low and high of each of its one or two axes, horizontal first.
        point: The current point, one number per axis.
    """
    with own_look():
        width, height = figure.blank(style.face)
        layout = crossed_layout(width, height, (1.0, 1.0), 5)
        left, bottom = layout.maps[0][:2]
        frame = plot_axes(figure, (left, bottom, 0.97 - left, 0.95 - bottom), style, layout)
        (x_name, *x_limits), *above = axes
        frame.set_xlim(*x_limits)
        label_axes(frame, style, layout, x=x_name, y=above[0][0] if above else "")
        if above:
            frame.set_ylim(*above[0][1:])
        else:
            frame.set_yticks([])
        start = [*point, 0.0][:2] if above else [point[0], 0.04]
        place = frame.transData if above else frame.get_xaxis_transform()
        mark = {**start_mark(layout), "markeredgecolor": style.muted}
        frame.plot(*([part] for part in start), transform=place, clip_on=False, zorder=5, **mark)
        middle: dict[str, Any] = {"ha": "center", "va": "center", "transform": frame.transAxes, "parse_math": False}
        frame.text(0.5, 0.56, "?", fontsize=46 * layout.scale, color=style.muted, alpha=0.5, **middle)
        frame.text(0.5, 0.36, title, fontsize=layout.title, color=style.muted, **middle)

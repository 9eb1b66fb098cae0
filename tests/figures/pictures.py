"""A picture to draw on, without a page, and what is found on it."""

from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.quiver import Quiver

from gradwidgets.figures.base.layout import DPI
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.scene_figure import SceneFigure


def picture(width: int, height: int) -> Picture:
    """An empty picture of so many CSS pixels."""
    made = Picture(figsize=(width / DPI, height / DPI), dpi=DPI, layout="none")
    FigureCanvasAgg(made)
    return made


def themed(kind: type[SceneFigure], theme: str) -> type[SceneFigure]:
    """A kind of figure that draws every scene in one theme."""

    class Themed(kind):
        def update(self, scene):
            return super().update(replace(scene, theme=theme))

    return Themed


def texts_in(axes: Axes) -> list[str]:
    """What is written in and above axes, titles included; not at their ticks."""
    return [one.get_text() for one in axes.texts if one.get_text()]


def arrows_in(axes: Axes) -> list[Quiver]:
    """The fields of arrows on axes."""
    return [one for one in axes.collections if isinstance(one, Quiver)]

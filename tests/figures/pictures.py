"""A picture to draw on, without a page."""

from matplotlib.backends.backend_agg import FigureCanvasAgg

from gradwidgets.figures.base.layout import DPI
from gradwidgets.figures.base.notebook_figure import Picture


def picture(width: int, height: int) -> Picture:
    """An empty picture of so many CSS pixels."""
    made = Picture(figsize=(width / DPI, height / DPI), dpi=DPI, layout="none")
    FigureCanvasAgg(made)
    return made

"""The quick line draws what Matplotlib's own line draws."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradwidgets.figures.base.moving import MovingLine

LOOKS = {
    "a path": {"color": "#d7301f", "linewidth": 1.2, "marker": "o", "markersize": 3, "markeredgewidth": 0},
    "a mark": {"linestyle": "none", "marker": "D", "markersize": 8, "color": "w", "markeredgecolor": "k"},
    "a curve": {"color": "#0072b2", "linewidth": 2},
    "dashes": {"color": "#cc79a7", "linewidth": 1.5, "linestyle": (0, (2.2, 1.6))},
}
X = np.linspace(-0.2, 1.2, 30)


def picture(kind, look: dict, x, y, dpi: int = 100) -> np.ndarray:
    figure = Figure(figsize=(3, 2), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(-1, 1), autoscale_on=False)
    if kind is Line2D:
        line = Line2D([], [], solid_capstyle="round", solid_joinstyle="round", **look)
    else:
        line = MovingLine(**look)
    axes.add_line(line)
    line.set_data(x, y)
    line.set_animated(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).astype(int)


@pytest.mark.parametrize("dpi", [100, 200])
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_it_looks_the_same(look, dpi):
    for x, y in ((X, np.sin(9 * X)), (X[:1] + 0.7, X[:1]), (X, np.where(X > 0.5, np.nan, X))):
        difference = np.abs(picture(MovingLine, look, x, y, dpi) - picture(Line2D, look, x, y, dpi))
        assert (difference.max(axis=2) > 40).mean() < 0.012


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_without_points_or_hidden_it_is_not_there(look):
    empty = picture(MovingLine, look, [], [])
    assert (empty == picture(Line2D, {"color": "w"}, [], [])).all()


def test_its_data_can_be_read_back():
    line = MovingLine()
    line.set_data([1, 2], [3, 4])
    assert [list(part) for part in line.get_data()] == [[1, 2], [3, 4]]

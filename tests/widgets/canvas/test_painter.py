"""Another front end than ipympl's: drawing, streaming and painting know no notebook."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.widgets.canvas.painter import Painter
from gradwidgets.widgets.canvas.renderer import Renderer
from gradwidgets.widgets.canvas.stream import Stream
from tests.widgets.fake_page import decoded, unpacked


class Window:
    """A front end that shows frames in an array."""

    def __init__(self, figure: Figure, *, patches: bool) -> None:
        self.canvas = FigureCanvasAgg(figure)
        self.shown = np.zeros((1, 1, 4), np.uint8)
        self.kinds: list[str] = []
        self.renderer, self.stream = Renderer(self.canvas), Stream(self.take)
        self.stream.patches = patches
        self.painter = Painter(self.renderer, self.stream, lambda: True, self.resized)
        self.resized()

    def resized(self) -> None:
        width, height = self.canvas.get_width_height()
        self.shown = np.zeros((height, width, 4), np.uint8)

    def take(self, kind: str, data: bytes) -> None:
        self.kinds.append(kind)
        frame = (unpacked if kind == "patch" else decoded)(data)
        part = self.shown[: frame.shape[0], : frame.shape[1]]
        part[frame[..., 3] > 0] = frame[frame[..., 3] > 0]


@pytest.fixture(params=[False, True], ids=["PNG", "patches"])
def window(request):
    figure = Figure(figsize=(2, 1.5), dpi=100)
    axes = figure.add_axes((0.2, 0.2, 0.7, 0.7))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.plot([0, 1], [0, 1], animated=True, zorder=5)
    made = Window(figure, patches=request.param)
    yield made
    made.painter.close()


def plain(window) -> np.ndarray:
    """The figure drawn by Matplotlib alone."""
    figure = window.canvas.figure
    for line in figure.axes[0].lines:
        line.set_animated(False)
    window.canvas.draw()
    pixels = np.array(window.canvas.buffer_rgba())
    for line in figure.axes[0].lines:
        line.set_animated(True)
    return pixels


def test_a_front_end_of_few_lines_shows_what_matplotlib_draws(window):
    axes = window.canvas.figure.axes[0]
    window.painter.redraw(EVERYTHING)
    assert np.array_equal(window.shown, plain(window))
    axes.lines[0].set_ydata([1, 0])
    window.painter.redraw(Redraw())
    window.painter.answered()
    axes.set_title("news")
    window.painter.redraw(Redraw(with_labels=(axes,)))
    assert np.array_equal(window.shown, plain(window))
    assert window.kinds == ["png"] + ["patch" if window.stream.patches else "png"] * 2


def test_the_newest_picture_follows_when_one_has_arrived(window):
    line = window.canvas.figure.axes[0].lines[0]
    for height in (0.1, 0.2, 0.3, 0.4):
        line.set_ydata([0, height])
        window.painter.paint()
    assert window.stream.under_way == 2 == window.stream.frames
    window.painter.answered()
    window.painter.paint()
    assert np.array_equal(window.shown, plain(window)) and window.stream.frames == 3


def test_another_size_is_shown_whole(window):
    window.painter.paint()
    window.canvas.figure.set_size_inches(3, 1)
    window.painter.resized()
    window.painter.paint()
    assert window.shown.shape[:2] == (100, 300) and np.array_equal(window.shown, plain(window))

"""What the pictures' tests have in common."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from gradwidgets.figures.base.notebook_figure import Picture


@pytest.fixture
def picture():
    """Make a picture of so many CSS pixels, with a canvas."""

    def make(width: int, height: int) -> Picture:
        figure = Picture(figsize=(width / 100, height / 100), dpi=100, layout="none")
        FigureCanvasAgg(figure)
        return figure

    return make


@pytest.fixture
def drawn():
    """Draw all of a figure, what moves over its background as the notebook's canvas does; return its pixels."""

    def draw(figure: Figure) -> np.ndarray:
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        for axes in figure.axes:
            for artist in axes.get_children() if axes.get_visible() else ():
                if artist.get_animated() and artist.get_visible():
                    artist.draw(renderer)
        return np.array(renderer.buffer_rgba())

    return draw


@pytest.fixture
def assert_texts_fit(drawn):
    """Check that all texts that are seen lie in the figure and apart, and axes with their labels too."""

    def check(figure: Figure) -> None:
        drawn(figure)
        renderer = figure.canvas.get_renderer()
        boxes = {}
        for owner in (figure, *(axes for axes in figure.axes if axes.get_visible())):
            texts = figure.texts if owner is figure else owner.findobj(lambda artist: isinstance(artist, Text))
            for text in texts:
                box = text.get_window_extent(renderer)
                if text.get_visible() and text.get_text().strip() and _shown(text, owner):
                    boxes[text] = box
        for text, box in boxes.items():
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
            assert inside, f"{text.get_text()!r} leaves the figure: {box}"
        for (one, box), (other, another) in combinations(boxes.items(), 2):
            across = min(box.x1, another.x1) - max(box.x0, another.x0)
            down = min(box.y1, another.y1) - max(box.y0, another.y0)
            assert across < 1 or down < 1, f"{one.get_text()!r} lies on {other.get_text()!r}"
        # The canvas draws one axes with its labels again and nothing else: 2 pixels around it must be its own.
        reach = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.get_visible()]
        for one, other in combinations(reach, 2):
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            down = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across < -2 or down < -2, f"axes reach into each other: {one}, {other}"

    return check


def _shown(text: Text, owner) -> bool:
    """Whether a tick's label belongs to a tick within the limits."""
    for axis in () if isinstance(owner, Figure) else (owner.xaxis, owner.yaxis):
        ticks = axis.get_major_ticks()
        if any(text in (tick.label1, tick.label2) for tick in ticks):
            low, high = sorted(axis.get_view_interval())
            shown = [tick for tick in ticks if tick.label1 is text and tick.label1.get_visible()]
            return any(low - 1e-9 <= tick.get_loc() <= high + 1e-9 for tick in shown)
        if text is axis.offsetText:
            return bool(text.get_text())
    return True

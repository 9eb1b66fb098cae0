"""A moving text looks like Matplotlib's own."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from gradwidgets.figures.base.moving_text import MovingText


def pixels(kind, words: str, dpi: int, **options) -> np.ndarray:
    figure = Figure((3, 0.6), dpi=dpi)
    renderer = FigureCanvasAgg(figure).get_renderer()
    text = kind(x=1.5 * dpi, y=0.25 * dpi, text=words, fontsize=8, color="#205080", **options)
    text.set_figure(figure)
    text.draw(renderer)
    return np.array(renderer.buffer_rgba())[..., 3].astype(float)


@pytest.mark.parametrize("dpi", [100, 200])
@pytest.mark.parametrize("ha", ["left", "center", "right"])
@pytest.mark.parametrize("words", ["0.0134 at step 5,998", "watching +2.1 %", "g"])
def test_the_same_pixels_within_one_to_the_side(words, ha, dpi):
    ours, theirs = pixels(MovingText, words, dpi, ha=ha), pixels(Text, words, dpi, ha=ha)
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.05)
    rows, columns = np.nonzero(ours)[0], np.nonzero(ours)[1]
    true_rows, true_columns = np.nonzero(theirs)
    assert abs(rows.min() - true_rows.min()) <= 1 and abs(rows.max() - true_rows.max()) <= 1
    assert abs(columns.min() - true_columns.min()) <= 2 and abs(columns.max() - true_columns.max()) <= 2


def test_it_says_what_it_was_told_last():
    figure = Figure((3, 0.6), dpi=100)
    renderer = FigureCanvasAgg(figure).get_renderer()
    text = MovingText(x=150, y=20, text="88")
    text.set_figure(figure)
    text.draw(renderer)
    text.set_text("")
    before = np.array(renderer.buffer_rgba())
    text.draw(renderer)
    assert (np.array(renderer.buffer_rgba()) == before).all()
    text.set_text("8")
    renderer.clear()
    text.draw(renderer)
    once = np.array(renderer.buffer_rgba())[..., 3].sum(dtype=int)
    assert 0 < once < before[..., 3].sum(dtype=int)

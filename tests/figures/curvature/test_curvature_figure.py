"""The picture of the curvature: what was measured is drawn where it is, what was not is said."""

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex

from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.figures.base.style import STYLES
from gradwidgets.figures.curvature.curvature_parts import (
    PARTS,
    Correlation,
    Curvature,
    Eigenvalues,
    Noise,
    SignalToNoise,
)
from gradwidgets.figures.curvature.figure import CurvatureFigure
from gradwidgets.figures.curvature.spectrum_plot import DOWN
from tests.figures.pictures import themed

SIZES = [(400, 380), (598, 440), (760, 470), (1280, 700)]


@pytest.fixture(params=["light", "dark"])
def view(request, picture):
    return themed(CurvatureFigure, request.param)(picture(*SIZES[2]))


def bell(at: np.ndarray, middle: float, width: float) -> np.ndarray:
    return np.exp(-(((at - middle) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))


def eigenvalues(**more) -> Eigenvalues:
    values = np.sort(np.concatenate([np.linspace(1, 10, 30), [-2.0, -1.0], np.full(5, 1e-14)]))
    return Eigenvalues(**{"values": values, "density": None, "largest": 10.0, "rounding": 1e-9, **more})


def bars(axes) -> np.ndarray:
    """Left, right, bottom and top of each bar."""
    return np.array([(*p.get_bbox().intervalx, *p.get_bbox().intervaly) for p in axes.patches])


def count(rows: np.ndarray) -> float:
    bottoms = np.where(rows[:, 2] < -0.3, 0, 10 ** rows[:, 2])
    return float((10 ** rows[:, 3] - bottoms).sum())


def test_bars_count_every_eigenvalue_once_by_sign(view):
    view.update(Curvature(eigenvalues=eigenvalues()))
    drawn = bars(view.spectrum)
    assert count(drawn) == pytest.approx(37)
    middles = drawn[:, :2].mean(1)
    flat = np.abs(middles) < 1e-9
    assert count(drawn[middles < -0.5]) == pytest.approx(2) and count(drawn[flat]) == pytest.approx(5)
    colors = {patch.get_facecolor() for patch in view.spectrum.patches}
    assert len(colors) == 3


def test_eigenvalues_of_all_sizes_are_counted_too(view):
    values = np.concatenate([-np.geomspace(1e-6, 1, 40)[::-1], np.geomspace(1e-6, 1e4, 60)])
    view.update(Curvature(eigenvalues=Eigenvalues(values, None, 1e4)))
    drawn = bars(view.spectrum)
    assert count(drawn) == pytest.approx(100)
    shades = {style.shown(DOWN) for style in STYLES.values()}
    down = np.array([to_hex(patch.get_facecolor()) in shades for patch in view.spectrum.patches])
    assert count(drawn[down]) == pytest.approx(40) and (drawn[down, 0] < 0).all()
    low, high = view.spectrum.get_xlim()
    assert (low <= drawn[:, 0]).all() and (drawn[:, 1] <= high).all()


def test_the_density_says_how_many_lie_in_a_bin(view):
    at = np.linspace(-1, 11, 2001)
    density = 0.25 * bell(at, 2, 0.3) + 0.75 * bell(at, 8, 0.3)
    view.update(Curvature(eigenvalues=eigenvalues(density=np.stack([at, density]), parameters=10_000)))
    x, y = (np.asarray(values) for values in view.lines["density"].get_data())
    known = np.isfinite(y)
    assert (10 ** y[known & (x < 5)]).sum() == pytest.approx(2500, rel=0.01)
    assert (10 ** y[known & (x > 5)]).sum() == pytest.approx(7500, rel=0.01)
    low, high = view.spectrum.get_ylim()
    assert y[known].max() < high
    ends = np.flatnonzero(np.diff(known.astype(int)))  # the line leaves through the floor, and does not break off
    assert all(y[known][[0, -1]] < low) and len(ends) == 4


def test_near_zero_a_density_of_broad_bells_is_not_drawn_over_decades(view):
    values = np.geomspace(1e-6, 100, 80)
    at = np.linspace(-5, 105, 401)
    view.update(Curvature(eigenvalues=Eigenvalues(values, np.stack([at, bell(at, 0, 1.0)]), 100.0)))
    assert not np.isfinite(view.lines["density"].get_data()[1]).any()


@pytest.mark.parametrize("lr", [0.5, 0.1, 0.19])
def test_the_learning_rate_has_its_limit_on_the_axis(view, lr):
    view.update(Curvature(eigenvalues=eigenvalues(), lr=lr))
    assert np.asarray(view.lines["2/lr"].get_data()[0]) == pytest.approx([2 / lr] * 2 if 2 / lr < 13 else [])
    assert view.lines["largest"].get_data()[0] == pytest.approx([10, 10])
    said = view.eigenvalues.limit_name.get_text()
    assert ("unstable" in said) is (2 / lr < 10) and ("→" in said) is (2 / lr > 13)


def test_moving_a_slider_leaves_the_background_as_it_is(view):
    parts = {"eigenvalues": eigenvalues(), "noise": Noise(100.0, 50.0, 300.0)}
    assert view.update(Curvature(**parts, lr=0.1, batch=32)) == EVERYTHING
    for lr, batch in ((0.2, 64), (1e-9, 1), (1e9, 999), (float("nan"), 0)):
        assert view.update(Curvature(**parts, lr=lr, batch=batch)) == Redraw()
    assert view.update(Curvature(**parts, lr=0.1, batch=10**6)) == Redraw(with_labels=(view.noise,))
    assert view.update(Curvature(**parts, lr=0.1, batch=10)) == Redraw()
    assert view.update(Curvature(eigenvalues=eigenvalues(), noise=parts["noise"])) == Redraw(
        with_labels=(view.spectrum,)
    )


def test_the_noise_scale_is_an_interval_with_the_batch_beside_it(view):
    view.update(Curvature(noise=Noise(100.0, 50.0, 300.0), batch=32))
    assert view.lines["interval"].get_data()[0] == pytest.approx(np.log10([50, 300]))
    assert view.lines["noise scale"].get_data()[0] == pytest.approx([2])
    assert view.lines["batch"].get_data()[0] == pytest.approx(np.log10([32, 32]))
    low, high = view.noise.get_xlim()
    assert low < np.log10(32) and np.log10(300) < high


def test_without_an_upper_end_the_interval_leaves_the_frame(view):
    view.update(Curvature(noise=Noise(np.nan, 50.0, np.inf)))
    left, right = view.lines["interval"].get_data()[0]
    assert left == pytest.approx(np.log10(50)) and right > view.noise.get_xlim()[1]
    assert not len(view.lines["noise scale"].get_data()[0])


@pytest.mark.parametrize("layers", [1, 2, 24, 500])
def test_signal_to_noise_stands_over_the_layers_with_what_chance_gives(view, layers):
    values = 10.0 ** np.linspace(-2, 1, layers)
    if layers > 2:
        values[1], values[2] = 0, np.nan
    view.update(Curvature(signal_to_noise=SignalToNoise(["x"] * layers, values, 0.25)))
    x, y = view.lines["signal"].get_data()
    known = np.isfinite(values) & (values > 0)
    assert x.tolist() == (np.flatnonzero(known) + 1).tolist() and y == pytest.approx(np.log10(values[known]))
    assert view.lines["threshold"].get_data()[1] == pytest.approx(np.log10([0.25, 0.25]))
    assert view.lines["no signal"].get_data()[0].tolist() == ([2] if layers > 2 else [])


def test_correlations_have_the_colours_of_their_size(view):
    matrix = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, np.nan], [0.0, np.nan, 1.0]])
    view.update(Curvature(correlation=Correlation("layer", matrix)))
    (image,) = view.matrix.get_images()
    shown = image.get_array()
    assert (shown[0, 0] == shown[1, 1]).all() and (shown[0, 1] == shown[1, 0]).all()
    assert len({tuple(shown[at]) for at in ((0, 0), (0, 1), (0, 2), (1, 2))}) == 4
    low, high = (shown[at][:3].astype(int) for at in ((0, 1), (0, 0)))
    assert high[0] > high[2] and low[2] > low[0]  # red up, blue down
    assert view.update(Curvature(correlation=Correlation("layer", matrix.T))) == Redraw(with_labels=(view.matrix,))
    whole = view.update(Curvature()).everything
    assert whole and not view.matrix.get_images() and not view.bar.axes.get_visible()


def said_instead(view) -> list[str]:
    """The lines in place of plots."""
    return [" ".join(text.get_text().split()) for text in view.figure.texts if text.get_text()]


def test_what_is_not_measured_is_one_line_and_no_frame(view):
    view.update(Curvature(missing={"noise": "only one sample"}))
    assert said_instead(view) == ["not measured yet", "only one sample"]
    assert not any(axes.get_visible() for axes in view.figure.axes)
    view.update(Curvature(missing={"noise": "only one sample"}, nothing="press a button"))
    assert said_instead(view) == ["press a button"]
    assert view.update(full()).everything and said_instead(view) == []
    assert all(axes.get_visible() for axes in view.figure.axes)


@pytest.mark.parametrize("there", [n for k in (1, 2, 3, 4) for n in combinations(PARTS, k)], ids=" ".join)
def test_what_is_measured_takes_the_room_of_what_is_not(picture, assert_texts_fit, there):
    whole = full()
    for size in SIZES:
        view = CurvatureFigure(picture(*size))
        view.update(replace(whole, **{name: None for name in PARTS if name not in there}))
        axes = dict(zip(PARTS, (view.spectrum, view.noise, view.signal, view.matrix), strict=True))
        assert {name for name in PARTS if axes[name].get_visible()} == set(there)
        assert view.bar.axes.get_visible() is ("correlation" in there)
        assert len(said_instead(view)) == (len(there) < 4)
        assert_texts_fit(view.figure)
        square = view.matrix.get_position()
        assert "correlation" not in there or square.width * size[0] == pytest.approx(square.height * size[1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1e300, -1e300])
def test_any_number_everywhere_is_drawn_without_an_error(view, drawn, value):
    some = np.full(5, value)
    shown = Curvature(
        Eigenvalues(some, np.full((2, 5), value), value, abs(value)), Noise(value, value, value),
        SignalToNoise(["x"] * 5, some, value), Correlation("x", np.full((2, 2), value)), lr=value, batch=value,
    )  # fmt: skip
    view.update(shown)
    wild = drawn(view.figure)
    view.update(full())
    ordinary = drawn(view.figure)
    assert not np.array_equal(wild, ordinary)
    view.invalidate()
    view.update(full())
    assert np.array_equal(ordinary, drawn(view.figure))  # nothing of it stays


def full(name: str = "encoder.layers.3.fc1", lr: float = 0.1) -> Curvature:
    return Curvature(
        eigenvalues(parameters=123_456_789, density=np.stack([np.linspace(-3, 11, 99), np.full(99, 1 / 14)])),
        Noise(12345.678, 1234.5, 1e9),
        SignalToNoise(["x"] * 24, 10.0 ** np.linspace(-5, 5, 24), 0.3),
        Correlation(name, np.eye(8)),
        lr=lr,
        batch=65536,
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("lr", [0.199, 0.2, 0.21, 0.5, 1e-9, 3e8, None])
@pytest.mark.parametrize("state", ["full", "long names", "empty"])
def test_texts_lie_in_the_figure_and_apart(picture, assert_texts_fit, size, state, lr):
    view = CurvatureFigure(picture(*size))
    shown = {"full": full(lr=lr), "long names": full("a.very.long.name." * 9, lr), "empty": Curvature(lr=lr, batch=3)}
    view.update(shown[state])
    assert_texts_fit(view.figure)


def test_many_decades_of_either_sign_are_named_apart(picture, assert_texts_fit):
    view = CurvatureFigure(picture(*SIZES[2]))
    values = np.concatenate([-np.geomspace(1e-7, 1e3, 99)[::-1], np.geomspace(1e-7, 1e5, 99)])
    view.update(Curvature(eigenvalues=Eigenvalues(values, None, 1e5, 1e-12), lr=1e-3))
    assert_texts_fit(view.figure)


@pytest.mark.parametrize("size", [(580, 440), (760, 470)])
def test_no_name_of_a_line_lies_on_the_other_line(picture, size):
    view = CurvatureFigure(picture(*size))
    view.update(Curvature(eigenvalues=eigenvalues()))
    plot, renderer = view.eigenvalues, view.spectrum.figure.canvas.get_renderer()
    for limit in (0.3, 2.0, 4.4, 4.62, 7.0, 9.9, 10.0, 10.4, 12.0, 40.0):
        view.update(Curvature(eigenvalues=eigenvalues(), lr=2 / limit))
        for text, line in ((plot.limit_name, plot.top), (plot.top_name, plot.limit)):
            x, y = line.get_data()
            if len(x):
                points = view.spectrum.transData.transform(np.column_stack([x, y]))
                box = text.get_window_extent(renderer)
                across = box.x0 - 1 <= points[0, 0] <= box.x1 + 1
                assert not across or points[:, 1].max() < box.y0, f"{text.get_text()} lies on a line"


@pytest.mark.parametrize("size", [(580, 440), (580, 380), (760, 470)])
@pytest.mark.parametrize("smallest", [1e-9, 1e-6, 1e-5, 1e-3])
def test_eigenvalues_of_many_sizes_are_numbered_without_a_touch(picture, size, smallest):
    view = CurvatureFigure(picture(*size))
    values = np.concatenate([-np.geomspace(smallest, 0.4, 40), np.geomspace(smallest, 2.7, 40)])
    view.update(Curvature(eigenvalues=eigenvalues(values=np.sort(values), largest=2.7, rounding=1e-12), lr=0.1))
    renderer = view.spectrum.figure.canvas.get_renderer()
    labels = [label for label in view.spectrum.get_xticklabels() if label.get_text()]
    assert len(labels) >= 3 and "0" in [label.get_text() for label in labels]
    boxes = [label.get_window_extent(renderer) for label in labels]
    assert all(right.x0 - left.x1 >= 3 for left, right in pairwise(boxes))


def test_a_layer_s_signal_to_noise_is_told_under_the_pointer(view):
    view.update(Curvature(signal_to_noise=SignalToNoise(["first", "last"], np.array([0.5, 2.0]), 0.25)))
    box = view.signal.get_position()
    assert view.value_at(box.x0 + 0.99 * box.width, box.y0 + 0.5 * box.height) == "last\nsignal to noise 2"

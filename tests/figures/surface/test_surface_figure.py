"""The explorer's picture: what is named, what is coloured, and what a curve shows."""

import io
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from gradwidgets.figures.surface.cut_plot import Cut
from gradwidgets.figures.surface.figure import Ground, Scene, SurfaceFigure
from gradwidgets.figures.surface.point_names import Critical, names_of
from gradwidgets.figures.surface.surface_map import Surface
from tests.widgets.inside import names_on

SIDE = np.linspace(-2, 2, 41)
X, Y = np.meshgrid(SIDE, SIDE)


def drawn(ground: Ground, **more) -> SurfaceFigure:
    figure = SurfaceFigure(594, 400)
    FigureCanvasAgg(figure.figure)
    cut = Cut(SIDE, dict.fromkeys(ground.losses, SIDE**2))
    here = (0.5,) * len(ground.names)
    figure.update(
        Scene(ground, here, [(1.0, 1.0)] * len(ground.losses), [cut, cut], [None] * len(ground.losses), **more)
    )
    figure.figure.canvas.draw()
    return figure


def of_map(*points: Critical) -> Ground:
    surface = Surface("bowl", X**2 + Y**2, (2 * X, 2 * Y), critical=points)
    return Ground((), ("a", "b"), (SIDE, SIDE), ("bowl",), [surface])


def test_of_several_minima_the_lowest_is_named_and_how_much_higher_others_are():
    low, high = Critical("minimum", (0.0, 0.0), -0.3), Critical("minimum", (1.0, 0.0), 0.3)
    assert names_of([low, high, Critical("saddle", (0.5, 0.0), 1.0)], 10.0) == ["lowest", "0.6 higher", "saddle"]
    assert names_of([low], 10.0) == ["minimum"] and names_of([], 1.0) == []
    as_low = Critical("minimum", (1.0, 0.0), -0.3 + 1e-12)  # by rounding
    assert names_of([low, as_low], 10.0) == ["minimum", "minimum"]
    assert names_of([low, as_low, high], 10.0) == ["lowest", "lowest", "0.6 higher"]


@pytest.mark.parametrize("seed", range(6))
def test_names_are_apart_and_within_the_map_wherever_the_points_are(seed):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["minimum", "saddle", "maximum", "degenerate"], 9)
    points = [Critical(kind, tuple(rng.uniform(-2, 2, 2)), float(k)) for k, kind in enumerate(kinds)]
    figure = drawn(of_map(*points))
    axes, renderer = figure.maps[0].axes, figure.figure.canvas.get_renderer()
    seen = names_on(figure.maps[0])
    boxes = []
    for text in seen:
        at = axes.transData.transform(text.get_position())
        width, height, _ = renderer.get_text_width_height_descent(text.get_text(), text.get_fontproperties(), False)
        boxes.append((at[0], at[1], at[0] + width, at[1] + 0.8 * height))
    assert 2 <= len(seen) <= 5
    for left, bottom, right, top in boxes:
        assert axes.bbox.x0 < left and right < axes.bbox.x1 and axes.bbox.y0 < bottom and top < axes.bbox.y1
    for one, other in combinations(boxes, 2):
        assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]


def test_marks_that_are_gone_are_not_seen():
    figure = drawn(of_map(Critical("saddle", (0.0, 0.0), 1.0)))
    assert figure.maps[0].marks["saddle"].get_visible()
    ground = of_map()
    figure.update(Scene(ground, (0.5, 0.5), [(1.0, 1.0)], [Cut(SIDE, {"bowl": SIDE**2})] * 2, [None]))
    assert not figure.maps[0].marks["saddle"].get_visible()
    assert not names_on(figure.maps[0])


def test_a_curve_and_its_gradient_are_filled_with_the_colours_of_the_loss():
    bottom = Critical("minimum", (0.0,), 0.0)
    figure = SurfaceFigure(594, 400)
    FigureCanvasAgg(figure.figure)
    ground = Ground((), ("v",), (SIDE,), ("bowl",), critical=(bottom,))
    cuts = [Cut(SIDE, {"bowl": SIDE**2}), Cut(SIDE, {"bowl": 2 * SIDE})]
    figure.update(Scene(ground, (1.0,), [(2.0,)], cuts, [(np.array([[1.0], [0.5]]), np.array([1.0, 0.25]))]))
    with Image.open(io.BytesIO(figure.figure._repr_png_())) as picture:  # at twice the size
        pixels = np.asarray(picture.convert("RGB"))[::-1].astype(int)

    def color(axes, x, y):
        across, up = axes.transData.transform((x, y))
        return pixels[round(2 * up), round(2 * across)]

    whole, slope = (plot.axes for plot in figure.plots)
    assert np.abs(color(whole, 1.7, 0.4) - color(slope, 1.7, 0.4)).max() <= 6  # one place, one colour
    assert np.abs(color(whole, -1.7, 0.4) - color(slope, -1.7, -0.4)).max() <= 6
    assert np.abs(color(whole, 1.7, 0.4) - color(whole, 0.3, 0.02)).max() > 40
    assert (color(slope, 1.7, -1.0) == color(whole, 0.0, 3.5)).all()  # beyond zero, and above the curve: bare
    assert [len(walk.get_data()[0]) for walk in figure.plots[0].walks] == [2]


def test_two_losses_have_no_ground_of_one_colour_but_lines_of_their_own():
    ground = Ground((), ("v",), (SIDE,), ("one", "another"))
    figure = drawn(ground)
    colors = {line.get_color() for line in figure.plots[0].lines.values()}
    texts = {text.get_text() for text in figure.figure.texts}
    assert len(colors) == 2 and {"one", "another"} <= texts and "low loss" not in texts

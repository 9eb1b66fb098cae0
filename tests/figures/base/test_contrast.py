"""What is drawn stands out from what it is drawn on: 4.5:1 for words, 3:1 for lines and marks, in both themes.

Where a line or a mark has a border of its own, that border is the colour beside it.
"""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.text import Text

from gradwidgets.core import LOSSES
from gradwidgets.figures.base import marks, side_plot
from gradwidgets.figures.base.depth_colors import depth_colors
from gradwidgets.figures.base.marks import NIGHT
from gradwidgets.figures.base.style import STYLES, Style, contrast, loss_line
from gradwidgets.figures.base.vectors import field_colors
from gradwidgets.figures.curvature import figure as curvature
from gradwidgets.figures.curvature import spectrum_plot
from gradwidgets.figures.curvature.curvature_parts import Curvature
from gradwidgets.figures.flow import figure as flow
from gradwidgets.figures.flow import profile_lines
from gradwidgets.figures.live import figure as live
from gradwidgets.figures.live import live_lines
from gradwidgets.figures.live.training import Training
from gradwidgets.figures.playground.figure import Maps, PlaygroundFigure, Run, Scene
from gradwidgets.figures.surface import surface_map
from gradwidgets.figures.surface.cut_plot import Cut
from gradwidgets.figures.surface.figure import Ground, SurfaceFigure
from gradwidgets.figures.surface.figure import Scene as SurfaceScene
from gradwidgets.figures.surface.surface_map import Aside, Surface
from tests.figures.pictures import picture

WORDS, MARKS = 4.5, 3.0
LINES = {
    "measured": side_plot.NOW,
    "second": side_plot.SECOND,
    "third": side_plot.THIRD,
    **{f"pinned {k}": color for k, color in enumerate(side_plot.PINNED)},
    "theory": profile_lines.THEORY,
    "sick": profile_lines.SICK,
    "first": live_lines.FIRST,
    "dead": live_lines.DEAD,
    "update ratio": live_lines.RATIO,
    "eigenvalues above 0": spectrum_plot.UP,
    "eigenvalues at 0": spectrum_plot.FLAT,
    "eigenvalues below 0": spectrum_plot.DOWN,
}


@pytest.fixture(params=STYLES.values(), ids=STYLES)
def style(request):
    return request.param


def test_the_ratio_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # known as just too pale
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # and as just dark enough


def test_words_stand_out(style):
    for ground in (style.face, style.plot):
        assert contrast(style.ink, ground) >= WORDS and contrast(style.muted, ground) >= WORDS
        for color in {*LINES.values(), *(loss_line(name, k, style)[0] for k, name in enumerate(LOSSES)), style.alarm}:
            assert contrast(style.written(color), ground) >= WORDS


def test_words_of_a_colour_keep_its_hue(style):
    for color in LINES.values():
        line, words = (np.array(to_rgba(c)[:3]) for c in (style.shown(color), style.written(color)))
        assert np.abs(line - words).max() < 0.35


@pytest.mark.parametrize("name", [*LOSSES, "one", "another", "third"])
def test_lines_of_losses_stand_out(style, name):
    for position in range(4):
        color = loss_line(name, position, style)[0]
        assert contrast(color, style.plot) >= MARKS and contrast(color, style.face) >= MARKS


@pytest.mark.parametrize("name", LINES)
def test_lines_of_layers_stand_out(style, name):
    assert contrast(style.shown(LINES[name]), style.plot) >= MARKS


def test_data_and_layers_by_depth_stand_out(style):
    assert contrast(style.data, style.plot) >= MARKS
    assert min(contrast(color, style.plot) for color in depth_colors(24, style)) >= MARKS


def test_what_lies_on_a_map_stands_out_from_its_border(style):
    for color in (surface_map.POINT, *style.parts.values()):
        assert contrast(color, style.halo) >= MARKS
    for color in (marks.MINIMUM, style.halo, *(color for _, color in surface_map.CRITICAL.values())):
        assert contrast(color, marks.EDGE) >= MARKS


def test_arrows_of_a_field_stand_out_from_every_band(style):
    for grounds in (style.ramp, style.aside):
        for arrow, ground in zip(field_colors(grounds), grounds, strict=True):
            seen = arrow[3] * arrow[:3] + (1 - arrow[3]) * ground[:3]
            assert contrast(seen, ground[:3]) >= MARKS


def check_map(axes, style) -> None:
    """Every line has a casing and every mark an edge: the ground may have any colour."""
    for line in axes.lines:
        color = line.get_color()
        casing, edge = getattr(line, "casing", None), line.get_markeredgecolor()
        cased = casing is not None and contrast(color, casing) >= MARKS
        edged = line.get_linestyle() == "None" and contrast(line.get_markerfacecolor(), edge) >= MARKS
        assert cased or edged, f"{to_hex(color)} on a map has nothing around it"


def check_words(figure, style) -> None:
    for text in figure.findobj(Text):
        if text.get_text().strip():
            if chip := text.get_bbox_patch():
                assert contrast(text.get_color(), chip.get_facecolor()) >= WORDS, text.get_text()
                continue
            if to_hex(text.get_color()) == "#ffffff" and (text.get_path_effects() or getattr(text, "casing", None)):
                continue
            assert contrast(text.get_color(), style.plot) >= WORDS, text.get_text()
            assert contrast(text.get_color(), style.face) >= WORDS, text.get_text()
    assert not figure.findobj(PathCollection)  # which would need a look of its own


def name_of(style: Style) -> str:
    return next(name for name, one in STYLES.items() if one is style)


def test_the_playground_as_drawn(style):
    x, y = np.meshgrid(np.linspace(-2, 2, 21), np.linspace(-2, 2, 21))
    side, names = x[0], tuple(LOSSES)
    figure = PlaygroundFigure()
    FigureCanvasAgg(figure.figure)
    ground = Maps(
        (), names, "bias", "weight", side, side, dict.fromkeys(names, x**2 + y**2),
        dict.fromkeys(names, (2 * x, 2 * y)), {n: np.zeros((1, 2)) for n in names}, dict.fromkeys(names, 0.0),
        (np.arange(5.0), np.arange(5.0)),
    )  # fmt: skip
    path = np.array([[1.0, 1.0], [0.0, 0.0]])
    runs = {n: Run(path=path, losses=np.array([2.0, 1.0]), end=path[-1], fit=(1.0, 0.0)) for n in names}
    figure.update(Scene(ground, runs, (1, 1), theme=name_of(style)))
    assert contrast(NIGHT, "#ffffff") >= WORDS  # words on a map are white in night
    for loss_map in figure.maps.values():
        check_map(loss_map.axes, style)
    check_words(figure.figure, style)


def test_the_explorer_as_drawn(style):
    figure = SurfaceFigure()
    side = np.linspace(-1, 1, 11)
    x, y = np.meshgrid(side, side)
    FigureCanvasAgg(figure.figure)
    surfaces = [Surface(name, x**2 + y**2, (2 * x, 2 * y)) for name in ("one", "another")]
    about = Aside("angle between", np.zeros_like(x), {0.0: "0°"})
    ground = Ground((), ("a", "b"), (side, side), ("one", "another"), surfaces, beside=True, aside=about)
    cut = Cut(side, dict.fromkeys(("one", "another"), side**2))
    scene = SurfaceScene(ground, (0.0, 0.0), [(0.0, 0.0)] * 2, [cut, cut], [None, None], theme=name_of(style))
    figure.update(scene)
    for surface in (*figure.maps, figure.aside):
        check_map(surface.axes, style)
    check_words(figure.figure, style)


@pytest.mark.parametrize(
    ("kind", "scene"),
    [
        (flow.FlowFigure, flow.Profile("gradient", np.ones(3), np.zeros(3, bool))),
        (live.LiveFigure, Training("gradient", ["one"], np.arange(2), np.ones((2, 1)), np.ones(2))),
        (curvature.CurvatureFigure, Curvature()),
    ],
)
def test_words_of_the_layer_panel_as_drawn(style, kind, scene):
    figure = kind(picture(760, 470))
    figure.update(replace(scene, theme=name_of(style)))
    check_words(figure.figure, style)

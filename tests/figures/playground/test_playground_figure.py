"""The playground's figure alone, with arrays made up here: no widgets, no core."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.figures.base.style import STYLES
from gradwidgets.figures.playground.figure import Maps, PlaygroundFigure, Run, Scene
from tests.figures.pictures import arrows_in
from tests.widgets.inside import corners_of

NAMES = ("MSE", "L1")
X, Y = np.linspace(-2, 2, 21), np.linspace(-3, 3, 31)


def maps(names=NAMES, factor: float = 1.0, data: bool = True) -> Maps:
    x, y = np.meshgrid(X, Y)
    return Maps(
        of=(data,), names=names, x_name="bias", y_name="weight", x=X, y=Y,
        loss=dict.fromkeys(names, factor * (x ** 2 + 2 * y ** 2)),
        gradient=dict.fromkeys(names, (factor * 2 * x, factor * 4 * y)),
        minima={n: np.zeros((1, 2)) for n in names}, lowest=dict.fromkeys(names, 0.0),
        data=(np.arange(5.0), np.arange(5.0) ** 2) if data else None,
    )  # fmt: skip


def run(points: int = 5, **more) -> Run:
    path = np.column_stack([np.linspace(1, 0, points), np.linspace(-1, 0, points)])
    return Run(**{"path": path, "losses": np.linspace(9, 1, points), "end": path[-1], "fit": (2.0, 1.0), **more})


def scene(runs=None, of: Maps | None = None, start=(1, -1), **more) -> Scene:
    of = of or MAPS
    return Scene(of, runs or {name: run() for name in of.names}, start, **more)


MAPS = maps()


@pytest.fixture
def figure() -> PlaygroundFigure:
    figure = PlaygroundFigure()
    FigureCanvasAgg(figure.figure)
    figure.update(scene())
    return figure


def artists(figure) -> list:
    return [artist for axes in figure.figure.axes for artist in axes.get_children()]


def test_artists_are_made_once_and_then_changed(figure):
    before = artists(figure)
    figure.update(scene({name: run(9) for name in NAMES}, start=(0, 0)))
    figure.update(scene(of=maps(factor=3.0)))
    assert [id(a) for a in artists(figure)] == [id(a) for a in before]


def test_only_what_moves_is_animated(figure):
    moving = {artist for artist in artists(figure) if artist.get_animated()}
    curves = figure.curves
    wanted = {*curves.lines.values(), *curves.ends.values(), *curves.ahead.values(), curves.playhead}
    wanted |= set(figure.data.lines.values())
    for one in figure.maps.values():
        wanted |= {one.path, one.ahead, one.start, one.end, one.minima, one.guess, one.scale, *one.vectors.values()}
        wanted |= {one.words.start, one.words.minimum, one.words.leaving}
    assert moving == wanted


def test_maps_that_did_not_change_are_not_painted_again(figure):
    assert figure.update(scene({name: run(7) for name in NAMES})) == Redraw()
    views = {name: loss[:] for name, loss in MAPS.loss.items()}
    assert figure.update(scene(of=replace(MAPS, loss=views))) == Redraw()
    doubled = {"MSE": MAPS.loss["MSE"], "L1": MAPS.loss["L1"] * 2}
    redraw = figure.update(scene(of=replace(MAPS, loss=doubled)))
    assert redraw.inside == (figure.maps["L1"].axes,) and not redraw.everything
    assert set(redraw.with_labels) <= {figure.curves.axes}


def test_what_the_axes_depend_on_has_all_made_anew(figure):
    for change in ({"theme": "dark"}, {"arrows": True}, {"of": maps(("MSE",))}, {"of": maps(data=False)}):
        assert figure.update(scene(**change)) == EVERYTHING
        assert not figure.update(scene(**change)).everything
    figure.figure.set_size_inches(9, 5)
    assert figure.update(scene(**change)) == EVERYTHING
    figure.invalidate()
    assert figure.update(scene(**change)) == EVERYTHING


def test_a_picture_that_was_broken_off_is_made_anew(figure, monkeypatch):
    with pytest.raises(KeyError):
        figure.update(scene({"MSE": run()}))
    assert figure.update(scene()) == EVERYTHING


def test_a_run_never_moves_a_limit(figure):
    def limits():
        return [(axes.get_xlim(), axes.get_ylim()) for axes in figure.figure.axes]

    before = limits()
    wild = np.array([[1.0, -1.0], [1e9, -1e12], [1e200, 1e250]])
    figure.update(scene({n: run(path=wild, losses=np.array([1, np.inf, np.nan]), end=None, fit=None) for n in NAMES}))
    assert limits() == before
    figure.figure.canvas.draw()
    assert not len(figure.maps["MSE"].end.get_xdata()) and not len(figure.data.lines["MSE"].get_xdata())


@pytest.mark.parametrize("theme", STYLES)
@pytest.mark.parametrize("names", [("MSE",), NAMES, ("MSE", "L1", "Huber"), ("MSE", "L1", "Huber", "SmoothL1"), ("f",)])
def test_any_number_of_maps_in_any_theme_is_drawn_within_the_picture(names, theme):
    figure = PlaygroundFigure(580, 466)
    canvas = FigureCanvasAgg(figure.figure)
    figure.update(scene(of=maps(names, data=names != ("f",)), theme=theme, arrows=True))
    canvas.draw()
    inside = figure.figure.bbox
    for axes in figure.figure.axes:
        box = axes.get_tightbbox(canvas.get_renderer())
        assert box.x0 >= inside.x0 - 1 and box.y0 >= inside.y0 - 1
        assert box.x1 <= inside.x1 + 1 and box.y1 <= inside.y1 + 1


def test_vectors_are_drawn_to_one_scale_with_its_factor(figure):
    here = np.zeros(2)
    vectors = {
        "gradient": np.array([here, [0.01, 0.0]]),
        "step": np.array([here, [0.01, 0.005]]),
        "look-ahead": np.array([[0.004, 0.002], [0.0, 0.01]]),
    }
    figure.update(scene({name: run(vectors=vectors) for name in NAMES}))
    one = figure.maps["MSE"]
    assert one.scale.get_visible() and one.scale.get_text().rpartition("vectors ")[2].startswith("×")
    factor = float(one.scale.get_text().partition("×")[2])
    for part, (offset, vector) in vectors.items():
        tail, tip = np.column_stack(one.vectors[part].get_data())[:2]
        np.testing.assert_allclose(tail, offset * factor, atol=1e-12)
        np.testing.assert_allclose(tip - tail, vector * factor, atol=1e-12)
    assert not one.vectors["momentum"].get_visible()
    figure.update(scene())
    assert not one.scale.get_visible() and not one.vectors["step"].get_visible()


def test_the_field_points_downhill_with_equal_looks(figure):
    figure.update(scene(arrows=True))
    (quiver,) = arrows_in(figure.maps["MSE"].axes)
    x, y = quiver.XY.T
    keep = np.hypot(x, y) > 0.3
    assert ((quiver.U * x + quiver.V * y)[keep] < 0).all()
    lengths = np.hypot(quiver.U, quiver.V)[keep]
    assert lengths.max() <= 1 + 1e-9 and lengths.min() >= 0.3


def test_a_field_without_slope_is_empty_and_warns_nobody():
    flat = maps()
    flat = replace(flat, gradient={n: (np.zeros((31, 21)), np.full((31, 21), np.nan)) for n in NAMES})
    figure = PlaygroundFigure()
    FigureCanvasAgg(figure.figure)
    figure.update(scene(of=flat, arrows=True))
    figure.figure.canvas.draw()
    for name in NAMES:
        (quiver,) = arrows_in(figure.maps[name].axes)
        assert np.broadcast_to(quiver.Umask, quiver.U.shape).all()  # Matplotlib passes over what is masked


def test_the_mouse_is_on_a_map_or_nowhere(figure):
    assert figure.point_at(figure.maps["L1"].axes, 0.5, -1) == (0.5, -1.0)
    assert figure.point_at(None, None, None) is None
    others = [figure.curves.axes, figure.data.axes]
    assert all(figure.point_at(axes, 0.5, 1) is None for axes in others)


def test_the_steps_axis_follows_the_number_of_steps(figure):
    for steps, right in ((40, 40), (1, 1), (0, 1)):
        assert figure.update(scene(steps=steps)) == Redraw(with_labels=(figure.curves.axes,))
        assert figure.curves.axes.get_xlim() == (0, right)


@pytest.mark.parametrize("count", [1, 2, 5000, 100_000])
def test_any_number_of_data_points_is_drawn(count):
    generator = np.random.default_rng(0)
    figure = PlaygroundFigure()
    FigureCanvasAgg(figure.figure)
    data = generator.normal(size=count), generator.normal(size=count)
    figure.update(scene(of=replace(maps(), data=data)))
    assert max(len(line.get_xdata()) for line in figure.data.axes.lines) <= 2000
    figure.figure.canvas.draw()


def test_a_path_drawn_passes_all_points_that_are_apart(figure):
    """The steps of a run that jumps to and fro, leaves the map and comes back, then crowds in one place."""
    jumps = np.array([[1.0, -1.0], [-1.5, 2.0], [1.2, 0.3], [-9.0, 0.3], [-30.0, 0.3], [0.5, 0.5]])
    path = np.vstack([jumps, 0.001 * np.arange(50)[:, None] * [1, 1] / 50 + [0.5, 0.5], [[0.0, 0.0]]])
    figure.update(scene({name: run(path=path) for name in NAMES}))
    one = figure.maps["MSE"]
    one.path.draw(figure.figure.canvas.get_renderer())
    drawn = one.axes.transData.inverted().transform(corners_of(one.path))
    for point in (*jumps, path[-1]):
        assert np.abs(drawn - point).sum(axis=1).min() < 1e-6, point
    assert len(drawn) < 12


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_growing_path_is_its_way_so_far_with_the_rest_as_a_hint(figure, share):
    path = np.array([[1.0, -1.0], [-1.0, -1.0], [-1.0, 2.0], [50.0, 2.0]])
    figure.update(scene({name: run(path=path, end=None) for name in NAMES}, grown=share))
    one = figure.maps["MSE"]
    travelled, ahead = (np.column_stack(line.get_data()) for line in (one.path, one.ahead))
    np.testing.assert_allclose(travelled[-1], ahead[0])
    np.testing.assert_allclose(np.ravel(one.end.get_data()), travelled[-1])
    np.testing.assert_allclose(np.vstack([travelled[:-1], ahead[1:]]), path)
    assert not one.words.leaving.get_visible()


def test_once_grown_the_picture_is_the_one_without_motion(figure):
    whole = figure.figure._repr_png_()
    for share in (0.2, 0.7):
        assert figure.update(scene(grown=share)) == Redraw()
        assert figure.figure._repr_png_() != whole
    figure.update(scene())
    assert figure.figure._repr_png_() == whole


def test_at_a_step_what_is_to_come_is_a_hint_and_the_playhead_stands_there(figure):
    whole = run(9)
    rest = {"ahead": whole.path[3:], "losses_ahead": whole.losses[3:]}
    part = replace(whole, path=whole.path[:4], losses=whole.losses[:4], **rest)
    figure.update(scene(dict.fromkeys(NAMES, part), steps=8, step=3))
    one, curves = figure.maps["MSE"], figure.curves
    np.testing.assert_allclose(np.column_stack(one.ahead.get_data()), whole.path[3:])
    np.testing.assert_array_equal(curves.ahead["MSE"].get_xdata(), np.arange(3, 9))
    np.testing.assert_array_equal(curves.playhead.get_xdata(), [3, 3])
    figure.update(scene(steps=8))
    assert not any(len(line.get_xdata()) for line in (one.ahead, curves.ahead["MSE"], curves.playhead))


def test_the_name_of_the_minimum_leaves_the_way_of_a_path(figure):
    one = figure.maps["MSE"]

    def place():
        figure.figure.canvas.draw()
        return one.axes.transData.transform(one.words.minimum.get_position())

    away = scene({name: run(path=np.array([[1.5, 1.5], [1.6, 1.5]])) for name in NAMES})
    figure.update(away)
    free = place()
    x, y = one.axes.transData.inverted().transform(free + np.array([10, 3]))
    figure.update(scene({name: run(path=np.array([[x - 0.5, y], [x + 0.5, y]])) for name in NAMES}))
    moved = place()
    assert one.words.minimum.get_visible() and np.abs(moved - free).max() > 8
    figure.update(away)
    assert (place() == free).all()


def at(figure, axes, x, y) -> str:
    """What the picture tells of a place in axes."""
    return figure.value_at(*(axes.transData.transform((x, y)) / figure.figure.bbox.size))


def test_it_tells_what_it_shows_at_a_place(figure):
    first = figure.maps["MSE"].axes
    assert at(figure, first, 1.5, 1.2) == "loss 5.14, gradient 5.66\nbias 1.5, weight 1.2"
    assert at(figure, first, 0.51, -0.49).startswith("step 2: loss 0.78,")
    assert at(figure, figure.curves.axes, 1.2, 0) == "step 1\nMSE 7\nL1 7"
    assert at(figure, figure.curves.axes, 50, 0) == ""
    assert at(figure, figure.data.axes, 1, 3) == "x 1, y 3\nMSE 3\nL1 3"
    assert figure.value_at(0.001, 0.001) == ""
    figure.figure.blank("#ffffff")  # something else is drawn there
    assert figure.value_at(0.3, 0.7) == ""


def test_a_run_that_is_to_be_guessed_says_nothing_of_its_end(figure):
    path = np.array([[1.0, -1.0], [3.0, -9.0]])
    figure.update(scene({name: run(path=path, end=None) for name in NAMES}))
    assert all(one.words.leaving.get_visible() for one in figure.maps.values())
    figure.update(scene({name: Run(np.empty((0, 2)), np.empty(0)) for name in NAMES}))
    assert not any(one.words.leaving.get_visible() for one in figure.maps.values())

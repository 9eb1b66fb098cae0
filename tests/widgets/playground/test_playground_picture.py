"""The picture holds what the results say."""

import math

import numpy as np
import pytest
import torch
from matplotlib.backend_bases import MouseButton, MouseEvent

from gradwidgets.core import DATASETS, regression, step_parts
from tests.figures.pictures import arrows_in
from tests.widgets.fake_page import decoded, kernel_picture
from tests.widgets.inside import drawing_of
from tests.widgets.playground.test_playground import optimizer_of


def drawn(playground, kind: str, name: str) -> np.ndarray:
    """(n, 2) points of a line in the picture."""
    figure = drawing_of(playground)
    lines = {"fits": figure.data and figure.data.lines, "curves": figure.curves.lines}
    line = lines[kind][name] if kind in lines else getattr(figure.maps[name], kind)
    return np.column_stack(line.get_data())


def limits(playground) -> list:
    return [(axes.get_xlim(), axes.get_ylim()) for axes in playground.figure.axes]


def assert_picture_is_of(playground, upto: int | None = None) -> None:
    """Paths, ends, fits and curves in the picture are those of the results."""
    for name, run in playground.trajectories.items():
        last = playground.steps if upto is None else upto
        points = run.points.numpy()[: last + 1, ::-1]  # bias is horizontal
        np.testing.assert_allclose(drawn(playground, "path", name), points, err_msg=name)
        np.testing.assert_allclose(drawn(playground, "start", name), [playground.start[::-1]])
        np.testing.assert_allclose(drawn(playground, "end", name), points[last:])
        weight, bias = run.points[last].tolist()
        x, y = drawn(playground, "fits", name).T
        np.testing.assert_allclose(y, weight * x + bias)
        steps, heights = drawn(playground, "curves", name).T
        np.testing.assert_array_equal(steps, np.arange(last + 1))
        np.testing.assert_allclose(heights, np.log10(run.losses[: last + 1].numpy()))


def test_paths_fits_and_curves_are_the_results(playground):
    assert_picture_is_of(playground)
    for change in ({"lr": 0.02}, {"momentum": 0.8}, {"start": (-3.0, 5.0)}, {"steps": 37}, {"delta": 0.3}):
        playground.restore(change)
        assert_picture_is_of(playground)


def test_no_steps_is_a_start_alone(playground):
    playground.steps = 0
    assert_picture_is_of(playground)


def test_bias_is_horizontal_and_weight_vertical(playground):
    for name, one in drawing_of(playground).maps.items():
        assert one.axes.get_xlim() == one.axes.get_ylim() == (-5.0, 8.0), name
    labels = [(one.axes.get_xlabel(), one.axes.get_ylabel()) for one in drawing_of(playground).maps.values()]
    assert {x for x, _ in labels} == {"", "bias"} and {y for _, y in labels} == {"", "weight"}


def test_the_minimum_is_marked(playground):
    np.testing.assert_allclose(drawn(playground, "minima", "MSE"), [[2.484387, 0.925835]], atol=1e-4)


def test_the_picture_sent_is_the_picture_painted(playground, page):
    for lr in (0.2, 0.3, 1.2, 0.01):
        playground.lr = lr
        page.answer()
        assert np.array_equal(page.shown(), kernel_picture(playground.canvas))


def test_what_is_kept_under_the_paths_is_what_a_full_drawing_shows(playground, page):
    playground.restore({"delta": 0.2, "steps": 40})
    playground.restore({"beta": 0.2, "lr": 0.3})
    page.answer()
    kept = kernel_picture(playground.canvas)
    playground.canvas.stale()
    playground.canvas.paint()
    page.answer()
    assert np.array_equal(kernel_picture(playground.canvas), kept)


@pytest.mark.parametrize("change", [{"lr": 5.0}, {"lr": 1e6}, {"maximize": True}, {"momentum": 10.0}], ids=str)
def test_divergence_never_rescales_the_view(playground, page, change):
    before = limits(playground)
    playground.restore(change)
    assert limits(playground) == before
    assert playground.trajectories["MSE"].diverged_at is not None
    assert "diverged at step" in playground.summary and playground.error == ""
    for name, run in playground.trajectories.items():
        assert np.isfinite(drawn(playground, "path", name)).all()
        if run.diverged_at is not None:
            assert f"{name}: diverged at step {run.diverged_at}" in playground.summary
    page.answer()
    playground.restore({"lr": 0.1, "maximize": False, "momentum": 0.0})
    assert_picture_is_of(playground)


def test_a_start_off_the_view_is_followed_without_rescaling(playground):
    before = limits(playground)
    playground.start = (500.0, -900.0)
    assert limits(playground) == before and playground.error == ""


def test_an_objective_has_one_large_map_and_no_data(playground):
    playground.dataset = "himmelblau"
    assert list(drawing_of(playground).maps) == ["himmelblau"]
    assert drawing_of(playground).data is None and len(playground.figure.axes) == 3  # the bar of colours too
    assert len(drawn(playground, "minima", "himmelblau")) == 4


@pytest.mark.parametrize("shown", [("MSE",), ("L1", "Huber"), ("MSE", "L1", "SmoothL1")], ids=str)
def test_the_losses_shown_have_maps_each(playground, shown):
    playground.losses = shown
    assert tuple(drawing_of(playground).maps) == shown
    assert_picture_is_of(playground)


def test_arrows_point_down_the_loss(playground):
    playground.restore({"arrows": True, "losses": ("MSE",)})
    (quiver,) = arrows_in(drawing_of(playground).maps["MSE"].axes)
    x, y = quiver.XY.T
    minimum = drawn(playground, "minima", "MSE")[0]
    downhill = quiver.U * (minimum[0] - x) + quiver.V * (minimum[1] - y)
    assert (downhill > 0).all()
    playground.arrows = False
    assert arrows_in(drawing_of(playground).maps["MSE"].axes) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_is_a_ground(playground, page, theme):
    playground.theme = theme
    page.answer()
    corner = page.shown()[0, 0, :3].mean()
    assert corner > 200 if theme == "light" else corner < 60


def test_auto_follows_the_page(playground, page):
    playground.page.size = {"width": 900, "height": 800, "dark": True}
    page.answer()
    assert page.shown()[0, 0, :3].mean() < 60
    assert page.shown().shape == kernel_picture(playground.canvas).shape


def test_a_wider_page_has_a_wider_picture(playground, page):
    sizes = []
    for width in (700, 1100, 1400):
        playground.page.size = {"width": width, "height": 800}
        page.answer()
        assert np.array_equal(page.shown(), kernel_picture(playground.canvas))
        sizes.append(page.shown().shape[1])
    assert sizes == sorted(sizes) and len(set(sizes)) == 3
    assert_picture_is_of(playground)


# -- the mouse ------------------------------------------------------------------------------------------------


def mouse(playground, kind: str, name: str, bias: float, weight: float, button=MouseButton.LEFT) -> None:
    axes = drawing_of(playground).maps[name].axes
    x, y = axes.transData.transform((bias, weight))
    held = {"button": button} if kind == "button_press_event" else {"buttons": [button] if button else []}
    event = MouseEvent(kind, playground.canvas, x, y, **held)
    playground.canvas.callbacks.process(kind, event)


def test_a_click_on_any_map_moves_the_start(playground, page):
    for name in playground.losses:
        mouse(playground, "button_press_event", name, bias=-2.5, weight=4.0)
        page.answer()
        np.testing.assert_allclose(playground.start, (4.0, -2.5), atol=0.002)
        assert_picture_is_of(playground)
        playground.start = (6.0, -3.0)
        page.answer()


def test_a_drag_carries_the_start_along(playground, page):
    mouse(playground, "button_press_event", "L1", bias=-2.0, weight=4.0)
    for bias in (-1.0, 0.0, 1.0):
        page.answer()
        mouse(playground, "motion_notify_event", "L1", bias=bias, weight=4.0)
    page.answer()
    np.testing.assert_allclose(playground.start, (4.0, 1.0), atol=0.002)
    assert_picture_is_of(playground)


@pytest.mark.parametrize("button", [MouseButton.RIGHT, MouseButton.MIDDLE])
def test_other_buttons_move_nothing(playground, page, button):
    mouse(playground, "button_press_event", "L1", -2.0, 4.0, button)
    mouse(playground, "motion_notify_event", "L1", -2.0, 4.0, button)
    mouse(playground, "motion_notify_event", "L1", -2.0, 4.0, None)
    assert playground.start == (6.0, -3.0)


def test_a_click_beside_the_maps_moves_nothing(playground, page):
    for x, y in ((1, 1), tuple(playground.figure.axes[-1].bbox.get_points().mean(0))):
        event = MouseEvent("button_press_event", playground.canvas, x, y, button=MouseButton.LEFT)
        playground.canvas.callbacks.process("button_press_event", event)
    assert playground.start == (6.0, -3.0)


# -- step by step ---------------------------------------------------------------------------------------------

RUNS = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "dampened": {"momentum": 0.9, "dampening": 0.5},
    "nesterov": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.5},
    "climbing": {"maximize": True, "lr": 0.01, "weight_decay": 0.3},
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("step", [0, 1, 7])
def test_at_a_step_the_way_so_far_is_shown_and_the_vectors_add_up(playground, run, step):
    playground.restore({**run, "steps": 20, "step": step})
    assert_picture_is_of(playground, upto=step)
    for name, trajectory in playground.trajectories.items():
        part = step_parts(trajectory, objective(playground, name), optimizer_of(playground), step)
        total = part.gradient_part + part.momentum_part + part.weight_decay_part
        torch.testing.assert_close(total, part.next_point - part.point, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(part.point, trajectory.points[step])
        torch.testing.assert_close(part.next_point, trajectory.points[step + 1])
        assert_vectors_drawn(playground, name, part)
    assert f"step {step} of 20" in playground.summary


def objective(playground, name: str):
    return regression(*DATASETS[playground.dataset](), name, delta=playground.delta, beta=playground.beta)


def assert_vectors_drawn(playground, name: str, part) -> None:
    """What is drawn as vectors points along the step's parts, all at one scale."""
    lines = drawing_of(playground).maps[name].vectors
    text = drawing_of(playground).maps[name].scale.get_text()
    factor = 1.0 if text == "true length" else float(text.partition("×")[2])
    wanted = {"gradient": part.gradient_part, "step": part.next_point - part.point, "momentum": part.momentum_part}
    for kind, vector in wanted.items():
        vector = vector.numpy()[::-1]
        if not vector.any():
            assert not lines[kind].get_visible()
            continue
        assert lines[kind].get_visible()
        tail, tip = np.column_stack(lines[kind].get_data())[:2]
        np.testing.assert_allclose(tip - tail, vector * factor, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(tail, part.point.numpy()[::-1])


def test_with_nesterov_the_look_ahead_is_drawn_and_told(playground):
    playground.restore({"momentum": 0.9, "nesterov": True, "step": 3})
    assert all(one.vectors["look-ahead"].get_visible() for one in drawing_of(playground).maps.values())
    assert "look-ahead" in playground.summary
    playground.nesterov = False
    assert not any(one.vectors["look-ahead"].get_visible() for one in drawing_of(playground).maps.values())


def test_past_its_end_the_whole_run_is_shown(playground):
    for step in (100, 500, None):
        playground.step = step
        assert_picture_is_of(playground)
        maps = drawing_of(playground).maps.values()
        assert not any(line.get_visible() for one in maps for line in one.vectors.values())


def test_a_run_that_has_diverged_shows_no_vectors_but_says_so(playground):
    playground.restore({"lr": 50.0, "step": 90})
    assert playground.error == ""
    assert "diverged" in playground.summary
    assert math.isfinite(sum(float(np.sum(drawn(playground, "path", name))) for name in playground.losses))


# -- pictures to keep -----------------------------------------------------------------------------------------


def test_the_png_shows_the_paths_too(playground):
    with_paths = decoded(playground.png())
    width, height = playground.canvas.get_width_height()
    assert with_paths.shape == (2 * height, 2 * width, 4)
    blue = (np.abs(with_paths[..., :3].astype(int) - (0x24, 0x57, 0xF0)) < 12).all(axis=-1)  # of MSE
    assert blue.sum() > 200
    assert (with_paths[..., 3] == 255).all()


def test_saving_leaves_the_live_picture_alone(playground, page):
    before = kernel_picture(playground.canvas)
    playground.png()
    playground.lr = 0.2
    page.answer()
    playground.lr = 0.1
    page.answer()
    assert np.array_equal(kernel_picture(playground.canvas), before)


def test_what_is_to_be_guessed_is_not_told_on_the_maps(make):
    panel = make(predict=True, lr=3.0)  # which makes MSE diverge

    def said() -> list[str]:
        return [name for name, one in drawing_of(panel).maps.items() if one.words.leaving.get_visible()]

    assert said() == []
    panel.answer = {"fate": "diverges"}
    panel.reveal()
    assert "MSE" in said()

"""The playground from Python: every setting, at once, and the same answers as the core's and torch's."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import traitlets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ipywidgets import VBox
from matplotlib.figure import Figure

from gradwidgets import OptimizerPlayground
from gradwidgets.core import (
    DATASETS,
    OBJECTIVES,
    SGD,
    Stability,
    SurfaceGrid,
    Trajectory,
    as_objective,
    descend,
    regression,
    sample_surface,
    stability,
)
from gradwidgets.core.regression.losses import AT_FIRST
from gradwidgets.widgets.playground import problem as module
from gradwidgets.widgets.playground.presets import PRESETS
from tests.widgets.inside import drawing_of, settled

TORCH_LOSSES = {
    "MSE": torch.nn.MSELoss,
    "L1": torch.nn.L1Loss,
    "Huber": torch.nn.HuberLoss,
    "SmoothL1": torch.nn.SmoothL1Loss,
}
X, Y = [0.5, 1.5, 2.0, 4.0, 5.0], [1.0, 2.5, 2.0, 5.0, 4.5]


def optimizer_of(playground) -> SGD:
    names = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
    return SGD(**{name: getattr(playground, name) for name in names})


def torch_end(loss: str, x, y, start, steps: int, *, delta: float = 1.0, beta: float = 1.0, **sgd) -> list[float]:
    keywords = {"Huber": {"delta": delta}, "SmoothL1": {"beta": beta}}.get(loss, {})
    criterion = TORCH_LOSSES[loss](**keywords)
    point = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([point], **sgd)
    for _ in range(steps):
        optimizer.zero_grad()
        criterion(point[0] * x + point[1], y).backward()
        optimizer.step()
    return point.tolist()


def assert_up_to_date(playground) -> None:
    """Results, words and attributes agree with the core for the present settings."""
    for name, run in playground.trajectories.items():
        base = regression(*DATASETS[playground.dataset](), name, delta=playground.delta, beta=playground.beta)
        right = descend(base, optimizer_of(playground), playground.start, playground.steps)
        assert len(run.points) == len(right.points) and run.diverged_at == right.diverged_at
        # Past the largest float, infinities and NaN depend on the order of sums.
        tame = slice(run.diverged_at)
        torch.testing.assert_close(run.points[tame], right.points[tame], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(run.losses[tame], right.losses[tame], rtol=1e-12, atol=1e-12)
    assert tuple(playground.trajectories) == tuple(playground.surfaces) == playground.losses


# -- what there is --------------------------------------------------------------------------------------------


def test_every_promised_name_is_there(playground):
    names = "lr momentum dampening weight_decay nesterov maximize steps start losses delta beta arrows dataset"
    assert {*names.split(), "error", "summary"} <= set(playground.traits())
    assert isinstance(playground, VBox)
    assert isinstance(playground.figure, Figure)
    assert set(playground.trajectories) == set(playground.surfaces) == set(playground.stability) == set(AT_FIRST)
    assert all(isinstance(run, Trajectory) for run in playground.trajectories.values())
    assert all(isinstance(grid, SurfaceGrid) for grid in playground.surfaces.values())
    assert all(isinstance(one, Stability) for one in playground.stability.values())
    assert all(callable(getattr(playground, name)) for name in ("code", "png", "state", "restore", "reset", "close"))


def test_log_cosh_is_offered_and_not_shown_at_first(playground):
    assert "LogCosh" not in playground.losses and "LogCosh" in playground.controls["losses"].buttons
    playground.losses = (*playground.losses, "LogCosh")
    assert playground.error == "" and len(drawing_of(playground).maps) == 5
    end = playground.trajectories["LogCosh"].points[-1]
    x, y = settled(playground).objectives["LogCosh"].sample.x, settled(playground).objectives["LogCosh"].sample.y
    p = torch.tensor(playground.start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=playground.lr)
    for _ in range(playground.steps):
        optimizer.zero_grad()
        torch.log(torch.cosh(p[0] * x + p[1] - y)).mean().backward()
        optimizer.step()
    assert end.tolist() == pytest.approx(p.tolist(), rel=1e-9)
    assert "log_cosh(weight * x + bias - y).mean()" in playground.code()
    playground.theme = "dark"
    assert playground.error == ""


def test_it_begins_with_the_article_s_run(playground):
    assert playground.error == ""
    settings_ = (playground.lr, playground.momentum, playground.steps, playground.start, playground.dataset)
    assert settings_ == (0.1, 0.0, 100, (6.0, -3.0), "article")
    losses = playground.trajectories["MSE"].losses
    wanted = [53.078269958, 34.729503632, 22.891206741, 15.226042747, 10.242652893, 6.987757683, 4.850755692]
    np.testing.assert_allclose(losses[:7], wanted, rtol=2e-7)
    assert_up_to_date(playground)


END_POINTS = {
    "plain": ((0.925831, 2.484385), (1.403576, 2.244001), (1.613111, 2.288430)),
    "momentum 0.9": ((0.928083, 2.517710), (0.814165, 2.328384), (0.854091, 2.412758)),
    "Nesterov 0.9": ((0.925836, 2.484387), (0.814596, 2.342236), (0.857300, 2.419560)),
    "Nesterov, decay 2": ((0.300076, 1.212772), (-0.047016, 0.500000), (-0.042776, 0.490551)),
    "dampening 0.8": ((0.904429, 2.493088), (0.872857, 2.349307), (0.829455, 2.403006)),
}


def test_every_preset_has_its_end_points_in_the_article():
    assert set(PRESETS) == set(END_POINTS)


@pytest.mark.parametrize("preset", END_POINTS)
def test_a_preset_ends_where_the_article_s_run_does(playground, preset):
    playground.restore(PRESETS[preset])
    mse, l1, huber = END_POINTS[preset]
    for name, wanted in {"MSE": mse, "L1": l1, "Huber": huber, "SmoothL1": huber}.items():
        np.testing.assert_allclose(playground.trajectories[name].end, wanted, atol=1e-4, err_msg=name)


# -- set and read ---------------------------------------------------------------------------------------------

CHANGES = {
    "lr": [0.0, 0.35, 1.5, 1e6],
    "momentum": [0.5, 0.999, 1.0, 10.0],
    "weight_decay": [0.5, 1e6],
    "maximize": [True],
    "steps": [0, 1, 2, 250],
    "start": [(-4.0, 7.5), (1e12, -1e12), (0.0, 0.0)],
    "losses": [("L1",), ("MSE", "SmoothL1"), ("Huber", "MSE", "L1")],
    "delta": [0.01, 3.0, 1e6],
    "beta": [0.0, 0.02, 5.0],
    "dataset": [name for name in DATASETS if name != "article"],
}


@pytest.mark.parametrize(("name", "values"), CHANGES.items(), ids=CHANGES)
def test_on_the_line_after_a_setting_the_result_is_there(playground, name, values):
    for value in values:
        setattr(playground, name, value)
        assert playground.error == ""
        assert_up_to_date(playground)
        assert len(playground.summary.splitlines()) == len(playground.losses)


SGDS = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 2),
        "weight_decay": st.just(0.0) | st.floats(0, 2),
        "maximize": st.booleans(),
    }
).flatmap(
    lambda some: st.one_of(
        st.fixed_dictionaries({"momentum": st.floats(0, 1), "dampening": st.floats(0, 1), "nesterov": st.just(False)}),
        st.fixed_dictionaries({"momentum": st.floats(0.01, 1), "dampening": st.just(0.0), "nesterov": st.just(True)}),
    ).map(lambda more: {**some, **more})
)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    SGDS, st.integers(0, 30), st.tuples(st.floats(-9, 9), st.floats(-9, 9)), st.floats(0.01, 3), st.floats(0.01, 3),
    st.sampled_from(list(DATASETS)),
)  # fmt: skip
def test_results_are_those_of_torch_s_own_optimizer(playground, sgd, steps, start, delta, beta, dataset):
    playground.restore({**sgd, "steps": steps, "start": start, "delta": delta, "beta": beta, "dataset": dataset})
    x, y = DATASETS[dataset]()
    for name, run in playground.trajectories.items():
        end = torch_end(name, x, y, start, steps, delta=delta, beta=beta, **sgd)
        np.testing.assert_allclose(run.end, end, rtol=1e-9, atol=1e-9, err_msg=name)


def test_several_settings_at_once_are_one_change(playground):
    seen = []
    playground.observe(lambda change: seen.append(change.new), "summary")
    try:
        with playground.hold_trait_notifications():
            playground.momentum = 0.9
            playground.nesterov = True
    finally:
        playground.unobserve_all("summary")
    assert playground.nesterov and seen
    assert_up_to_date(playground)


def test_keywords_set_traits(make):
    wanted = {
        "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": False, "steps": 7,
        "start": (1.0, 2.0), "losses": ("L1", "Huber"), "delta": 0.5, "beta": 2.0, "arrows": True,
        "dataset": "anscombe I", "step": 3, "theme": "dark",
    }  # fmt: skip
    playground = make(**wanted)
    assert {name: getattr(playground, name) for name in wanted} == wanted
    assert playground.error == ""
    assert_up_to_date(playground)
    playground.lr = 0.01
    playground.reset()
    assert {name: getattr(playground, name) for name in wanted} == wanted


def test_layout_is_handed_on(make):
    assert make(layout={"width": "77%"}, losses="MSE").layout.width == "77%"


def test_it_can_be_observed_and_linked(playground):
    seen = []

    class Other(traitlets.HasTraits):
        rate = traitlets.Float(0.25)

    other = Other()
    link = traitlets.link((other, "rate"), (playground, "lr"))

    def see(change):
        seen.append((change.new, len(playground.trajectories["MSE"].points)))

    playground.observe(see, "steps")
    try:
        assert playground.lr == 0.25
        other.rate = 0.3
        assert playground.lr == 0.3
        assert_up_to_date(playground)
        playground.lr = 0.4
        assert other.rate == 0.4
        playground.steps = 12
        assert seen == [(12, 13)]
    finally:
        link.unlink()
        playground.unobserve(see, "steps")


def test_results_handed_out_are_the_caller_s_own_dicts(playground):
    playground.trajectories.clear()
    playground.surfaces.clear()
    playground.stability.clear()
    assert len(playground.trajectories) == len(playground.surfaces) == len(playground.stability) == 4


def test_the_stability_is_the_core_s(playground):
    playground.restore({"momentum": 0.9, "nesterov": True, "weight_decay": 0.5})
    for name, found in playground.stability.items():
        assert found == stability(regression(*DATASETS["article"](), name), optimizer_of(playground))


# -- Nesterov and dampening -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "refused"),
    [
        ({}, {"nesterov": True}),
        ({"momentum": 0.9, "dampening": 0.5}, {"nesterov": True}),
        ({"momentum": 0.9, "nesterov": True}, {"dampening": 0.5}),
        ({"momentum": 0.9, "nesterov": True}, {"momentum": 0.0}),
    ],
    ids=str,
)
def test_nesterov_and_dampening_exclude_each_other_with_the_reason(playground, first, refused):
    playground.restore(first)
    before, words = playground.state(), playground.summary
    ((name, value),) = refused.items()
    with pytest.raises(traitlets.TraitError, match="nesterov needs momentum > 0 and dampening = 0"):
        setattr(playground, name, value)
    assert playground.state() == before and playground.summary == words
    playground.lr = 0.2
    assert_up_to_date(playground)


@pytest.mark.parametrize("wrong", [{"nesterov": True}, {"momentum": 0.9, "dampening": 0.1, "nesterov": True}], ids=str)
def test_keywords_that_torch_refuses_are_refused_with_the_reason(wrong):
    with pytest.raises(traitlets.TraitError, match="nesterov needs momentum > 0 and dampening = 0"):
        OptimizerPlayground(**wrong)


def test_the_blocked_control_is_disabled_and_says_why(playground):
    nesterov, dampening = playground.controls["nesterov"], playground.controls["dampening"]
    plain = nesterov.box.tooltip
    assert nesterov.box.disabled and "momentum" in nesterov.box.tooltip
    assert not dampening.slider.disabled and not dampening.field.disabled
    playground.momentum = 0.9
    assert not nesterov.box.disabled and nesterov.box.tooltip != plain
    playground.dampening = 0.5
    assert nesterov.box.disabled and "dampening" in nesterov.box.tooltip
    playground.dampening = 0.0
    playground.nesterov = True
    assert dampening.slider.disabled and dampening.field.disabled and "Nesterov" in dampening.slider.tooltip
    assert not nesterov.box.disabled


def test_the_line_under_a_disabled_control_gives_the_reason_as_text(playground):
    nesterov, lr = playground.controls["nesterov"], playground.controls["lr"]
    assert nesterov.children[-1].value == "needs momentum above 0" and "gradwidgets-off" in nesterov._dom_classes
    playground.momentum = 0.9
    assert nesterov.children[-1].value == "" and "gradwidgets-off" not in nesterov._dom_classes
    assert len(playground.controls["momentum"].children) == 2, "only what is off once has such a line"
    lr.remark("stable up to 1")
    assert lr.children[-1].value == "stable up to 1"
    lr.lock(True)
    assert lr.children[-1].value == "set by your teacher"
    lr.lock(False)
    assert lr.children[-1].value == "stable up to 1"


# -- maps are computed once -----------------------------------------------------------------------------------


@pytest.fixture
def sampled(monkeypatch) -> list[tuple[str, ...]]:
    """What was asked of the map sampling, one entry a call."""
    calls = []
    real = module.sampling_each

    def counting(objectives, *more):
        calls.append(tuple(objectives))
        return real(objectives, *more)

    monkeypatch.setattr(module, "sampling_each", counting)
    return calls


def test_an_optimizer_setting_computes_no_map(playground, sampled):
    before = playground.surfaces
    for change in (
        {"lr": 0.3}, {"momentum": 0.9}, {"dampening": 0.2}, {"weight_decay": 0.1}, {"maximize": True}, {"steps": 20},
        {"start": (0.0, 1.0)}, {"step": 3}, {"arrows": True}, {"losses": ("L1",)}, {"theme": "dark"},
    ):  # fmt: skip
        playground.restore(change)
    playground.reset()
    assert not sampled
    assert all(playground.surfaces[name] is grid for name, grid in before.items())


def test_a_threshold_computes_the_one_map_that_it_changes(playground, sampled):
    playground.delta = 0.123
    assert sampled == [("Huber",)]
    playground.beta = 0.123
    assert sampled == [("Huber",), ("SmoothL1",)]
    playground.restore({"delta": 1.0, "beta": 1.0})
    playground.restore({"delta": 0.123, "beta": 0.123})
    assert len(sampled) == 2, "both were computed before"
    right = sample_surface(regression(*DATASETS["article"](), "Huber", delta=0.123))
    torch.testing.assert_close(playground.surfaces["Huber"].loss, right.loss)


def test_a_threshold_dragged_through_a_hundred_values_is_followed_all_the_way(make, monkeypatch):
    playground = make(steps=2)
    real = module.sampling_each
    monkeypatch.setattr(module, "sampling_each", lambda objectives, axes: real(objectives, axes, 5))
    monkeypatch.setattr(playground.canvas, "paint", lambda: None)
    for k in range(100):
        playground.delta = 1.001 + k / 100
        assert playground.error == "", f"the {k + 1}th value"
    assert_up_to_date(playground)


# -- the problem ----------------------------------------------------------------------------------------------

COLUMNS = {
    "lists": (X, Y),
    "tuples": (tuple(X), tuple(Y)),
    "NumPy": (np.array(X), np.array(Y)),
    "NumPy float32": (np.array(X, np.float32), np.array(Y, np.float32)),
    "NumPy strided": (np.array([X, X]).T[:, 0], np.array([Y, Y]).T[:, 1]),
    "torch": (torch.tensor(X), torch.tensor(Y)),
    "torch float64": (torch.tensor(X, dtype=torch.float64), torch.tensor(Y, dtype=torch.float64)),
    "torch with gradients": (torch.tensor(X, requires_grad=True), torch.tensor(Y, requires_grad=True)),
    "pandas": (pd.Series(X, index=list("abcde")), pd.DataFrame({"y": Y})["y"]),
    "mixed": (X, torch.tensor(Y)),
}


def plain(column) -> np.ndarray:
    """A copy of the numbers in a column of any make."""
    return column.detach().numpy().copy() if torch.is_tensor(column) else np.array(column)


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
def test_data_of_any_make_are_fitted(make, columns):
    copies = [plain(column) for column in columns]
    playground = make(*columns, steps=20, losses=("MSE", "L1"))
    assert playground.dataset == "yours" and playground.error == ""
    for name, run in playground.trajectories.items():
        right = descend(regression(X, Y, name), optimizer_of(playground), playground.start, 20)
        torch.testing.assert_close(run.points, right.points)
    for column, copy in zip(columns, copies, strict=True):
        assert np.array_equal(plain(column), copy)
        assert getattr(column, "grad", None) is None


def test_my_data_stand_beside_the_ready_made(make):
    playground = make(X, Y)
    mine = playground.trajectories["MSE"].end
    playground.dataset = "hubble 1929"
    assert_up_to_date(playground)
    playground.restore({"dataset": "yours"})
    assert torch.equal(playground.trajectories["MSE"].end, mine)
    assert "yours" in [value for _, value in _options(playground)]


def _options(playground) -> list[tuple[str, str]]:
    options = playground.controls["dataset"].menu.options
    return [one if isinstance(one, tuple) else (one, one) for one in options]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_ready_made_objectives_by_name(playground, name):
    playground.restore({"dataset": name, "start": OBJECTIVES[name].start, "lr": 1e-3})
    (run,) = playground.trajectories.values()
    right = descend(OBJECTIVES[name], SGD(1e-3), OBJECTIVES[name].start, 100)
    torch.testing.assert_close(run.points, right.points)
    assert set(playground.surfaces) == {name}
    assert playground.error == "" and len(playground.summary.splitlines()) == 1
    assert all(control.disabled for control in playground.controls["losses"].buttons.values())


def bowl(a, b):
    return (a - 1) ** 2 + 3 * (b + 2) ** 2


def bowl_of_points(points):
    return bowl(points[..., 0], points[..., 1])


@pytest.mark.parametrize(
    "objective",
    [bowl, bowl_of_points, lambda a, b: bowl(a, b), as_objective(bowl, start=(3.0, 3.0), minima=((1.0, -2.0),))],
    ids=["f(a, b)", "f(points)", "lambda", "as_objective"],
)
def test_functions_of_one_s_own(make, objective):
    playground = make(objective=objective, lr=0.1, steps=200)
    assert playground.error == ""
    (run,) = playground.trajectories.values()
    np.testing.assert_allclose(run.end, (1, -2), atol=1e-9)
    assert playground.dataset == "yours"
    playground.momentum = 0.5
    (run,) = playground.trajectories.values()
    right = descend(as_objective(bowl), optimizer_of(playground), playground.start, 200)
    torch.testing.assert_close(run.points, right.points)


def test_an_objective_by_name_begins_where_it_is_worth_watching(make):
    playground = make(objective="rosenbrock")
    assert playground.start == OBJECTIVES["rosenbrock"].start
    assert math.isfinite(float(next(iter(playground.trajectories.values())).losses[-1]))


def test_dropout_in_an_objective_leaves_the_random_numbers_alone(make):
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    make(objective=lambda a, b: a**2 + b**2 + 0 * torch.rand_like(a), steps=3).lr = 0.2
    assert torch.equal(torch.rand(4), wanted)

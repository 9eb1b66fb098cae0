"""What every rule in OPTIMIZERS promises, whichever it is."""

import inspect
from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import (
    DATASETS,
    OBJECTIVES,
    OPTIMIZERS,
    descend,
    descend_each,
    quadratic,
    regressions,
    script,
    stability,
    step_parts,
)
from tests.core.descent.test_script import printed
from tests.core.judge import torch_line, torch_run, torch_steps
from tests.core.optimizers.settings import RULES

X, Y = DATASETS["article"]()
FOUR = regressions(X, Y)
EVERY = pytest.mark.parametrize("rule", list(OPTIMIZERS))


def test_settings_are_drawn_for_every_rule():
    assert list(RULES) == list(OPTIMIZERS)


def same(ours, torchs):
    """Whether two runs agree bit for bit up to the first NaN, from where on it is for the loss to say what comes."""
    lost = torchs.isnan()
    until = 1 + int((lost.flatten(1).any(1).cumsum(0) == 0).sum())
    ours, torchs, lost = ours[:until], torchs[:until], lost[:until]
    return torch.equal(ours.isnan(), lost) and torch.equal(ours.masked_fill(lost, 0), torchs.masked_fill(lost, 0))


@EVERY
def test_a_rule_has_all_settings_of_torchs_with_its_defaults(rule):
    torchs = inspect.signature(getattr(torch.optim, rule)).parameters
    how = {"params", "foreach", "fused", "capturable", "differentiable"}  # how it is computed, not what
    ours = OPTIMIZERS[rule]()
    assert asdict(ours) == {name: one.default for name, one in torchs.items() if name not in how}
    assert ours.torch() == (rule, {"lr": torchs["lr"].default})


@EVERY
@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    steps=st.integers(0, 300),
    points=st.lists(st.tuples(st.integers(-4, 4), st.floats(-5, 5, width=32)), min_size=1, max_size=30),
)
def test_a_run_is_torchs_bit_for_bit(rule, data, steps, points):
    optimizer = data.draw(RULES[rule])
    name, keywords = optimizer.torch()
    x, y = torch.tensor(points, dtype=torch.float64).T.contiguous()
    start = torch.tensor([6.0, -3.0], dtype=torch.float64)
    for loss, path in descend_each(regressions(x, y), optimizer, start, steps).items():
        judged, _, gradients = torch_run(torch_line(x, y, loss), start, steps, rule=name, foreach=False, **keywords)
        assert same(path.points, judged)
        finite = ~judged.isnan().any(1)
        assert same(path.gradients[finite], gradients[finite])


@EVERY
@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    objective=st.sampled_from(list(OBJECTIVES)),
    starts=st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=11),
)
def test_starts_side_by_side_go_as_torchs_and_as_each_alone(rule, data, objective, starts):
    optimizer, f = data.draw(RULES[rule]), OBJECTIVES[objective]
    name, keywords = optimizer.torch()
    begin = torch.tensor(starts, dtype=torch.float64)
    together = descend(f, optimizer, begin, 300)
    judged = torch_steps(lambda p: f.value_and_gradient(p)[1], begin, 300, rule=name, foreach=False, **keywords)
    for i in range(len(starts)):
        assert same(together.points[:, i], judged[:, i])
    for i in {0, len(starts) - 1}:
        assert same(together.points[:, i], descend(f, optimizer, begin[i], 300).points)
    assert together.states == ()


@EVERY
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_in_float32_too(rule, data):
    optimizer, start = data.draw(RULES[rule]), torch.tensor([6.0, -3.0])
    name, keywords = optimizer.torch()
    path = descend(regressions(X, Y)["Huber"], optimizer, start, 50)
    judged, _, _ = torch_run(torch_line(X.float(), Y.float(), "Huber"), start, 50, rule=name, foreach=False, **keywords)
    assert same(path.points, judged)


@pytest.mark.parametrize("rule", [name for name, kind in OPTIMIZERS.items() if kind.autonomous])
@pytest.mark.parametrize("loss", ["MSE", "L1"])
def test_what_has_settled_goes_on_as_torchs(rule, loss):
    start = torch.tensor([6.0, -3.0], dtype=torch.float64)
    judged, _, _ = torch_run(torch_line(X.double(), Y.double(), loss), start, 2000, rule=rule, foreach=False, lr=0.1)
    assert same(descend(FOUR[loss], OPTIMIZERS[rule](lr=0.1), start, 2000).points, judged)


@EVERY
@settings(max_examples=25, deadline=None)
@given(data=st.data(), k=st.integers(0, 70), objective=st.sampled_from(["quadratic", "beale", "saddle"]))
def test_the_parts_add_up_to_the_step(rule, data, k, objective):
    optimizer, f = data.draw(RULES[rule]), OBJECTIVES[objective]
    longer = descend(f, optimizer, f.start, 71)
    path = descend(f, optimizer, f.start, 70)
    if longer.diverged_at is not None and longer.diverged_at <= k + 1:
        return
    parts = step_parts(path, f, optimizer, k)
    whole = parts.gradient_part + parts.weight_decay_part + parts.momentum_part
    size = float(parts.point.abs().max()) + float(whole.abs().max())
    torch.testing.assert_close(whole, longer.points[k + 1] - longer.points[k], rtol=1e-12, atol=1e-12 * size)
    assert torch.equal(parts.next_point, longer.points[k + 1])


def parts_after(optimizer, k):
    """The run on the quadratic, and its step k in parts."""
    path = descend(quadratic(), optimizer, (-5.0, -2.0), k)
    return path, step_parts(path, quadratic(), optimizer, k)


@EVERY
def test_a_first_step_has_no_momentum_yet(rule):
    _, first = parts_after(OPTIMIZERS[rule](lr=0.1), 0)
    assert not first.momentum_part.any()
    assert first.gradient_part.all()


@pytest.mark.parametrize("rule", ["AdamW", "NAdam", "RAdam", "Adam"])
def test_decoupled_weight_decay_is_not_divided(rule):
    settings = {} if rule == "AdamW" else {"decoupled_weight_decay": True}
    _, parts = parts_after(OPTIMIZERS[rule](lr=0.1, weight_decay=0.5, **settings), 9)
    torch.testing.assert_close(parts.weight_decay_part, -0.1 * 0.5 * parts.point, rtol=1e-15, atol=0)


def test_what_pulls_to_0_in_asgd_is_lambd_and_weight_decay():
    path, parts = parts_after(OPTIMIZERS["ASGD"](lr=0.1, lambd=0.5, alpha=1.0, weight_decay=0.25), 3)
    eta = 0.1 / (1 + 0.5 * 0.1 * 3)
    torch.testing.assert_close(parts.weight_decay_part, -eta * 0.75 * parts.point, rtol=1e-7, atol=0)
    torch.testing.assert_close(parts.gradient_part, -eta * path.gradients[3], rtol=1e-7, atol=0)


def test_momentum_in_rmsprop_is_the_last_step():
    optimizer = OPTIMIZERS["RMSprop"](lr=0.1, momentum=0.8)
    path, parts = parts_after(optimizer, 5)
    torch.testing.assert_close(parts.momentum_part, 0.8 * (path.points[5] - path.points[4]), rtol=1e-12, atol=0)


def test_rprop_rests_for_a_step_where_the_gradient_turns():
    path, _ = parts_after(OPTIMIZERS["Rprop"](lr=0.5), 40)
    turned = (path.gradients[1:] * path.gradients[:-1]).sign() < 0
    moved = path.points[2:] != path.points[1:-1]
    assert turned[:-1].any() and not (turned[:-1] & moved).any()
    k = int(torch.nonzero(turned[:, 0])[0]) + 1
    assert step_parts(path, quadratic(), OPTIMIZERS["Rprop"](lr=0.5), k).gradient_part[0] == 0


@EVERY
@settings(max_examples=20, deadline=None)  # 220 settings in all
@given(data=st.data(), steps=st.integers(0, 40))
def test_the_script_ends_where_the_run_does(rule, data, steps):
    optimizer = data.draw(RULES[rule])
    shown = printed(script(FOUR, optimizer, (6, -3), steps))
    for name, path in descend_each(FOUR, optimizer, (6, -3), steps).items():
        *end, loss = [float(f"{value:.9g}") for value in (*path.end.tolist(), path.losses[-1].item())]
        assert shown[name][:2] == pytest.approx(end, rel=1e-9, nan_ok=True)
        assert shown[name][2] == pytest.approx(loss, rel=1e-8, nan_ok=True)


@EVERY
@settings(max_examples=15, deadline=None)
@given(data=st.data(), point=st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
def test_a_step_changes_nothing_in_place(rule, data, point):
    optimizer = data.draw(RULES[rule])
    here = torch.tensor(point, dtype=torch.float64)
    _, state = optimizer.step(here, here.cos())
    gradient, seen = here.sin(), repr(state)
    before = here.clone(), gradient.clone()
    into = torch.empty_like(here)
    following, _ = optimizer.step(here, gradient, state, into)
    assert following is into
    assert torch.equal(here, before[0])
    assert torch.equal(gradient, before[1])
    assert repr(state) == seen


@EVERY
def test_settings_are_a_value_and_refused_when_they_are_none(rule):
    make = OPTIMIZERS[rule]
    assert eval(repr(make(0.2)), dict(OPTIMIZERS)) == make(0.2)
    assert hash(make(1)) == hash(make(1.0))
    with pytest.raises(AttributeError):
        make().lr = 0.2
    for name in {"lr", "weight_decay"} & asdict(make()).keys():
        for value in (-1, float("nan"), float("inf"), "0.1", True, None, 10**400):
            with pytest.raises(ValueError, match=r"^Invalid "):
                make(**{name: value})
    with pytest.raises(ValueError, match="Invalid maximize value: 1"):
        make(maximize=1)


WRONG = {
    "lr": [-0.1],
    "eps": [-1e-8],
    "weight_decay": [-1.0],
    "betas": [(1.0, 0.9), (-0.1, 0.9), (0.9, 1.0)],
    "momentum_decay": [-0.1],
    "lr_decay": [-1],
    "initial_accumulator_value": [-1],
    "rho": [-0.1, 1.1],
    "momentum": [-0.5],
    "etas": [(1, 1.2), (0.0, 1.2), (-0.5, 1.2), (0.5, 1), (0.5, 0.9)],
}
ALONE = {"RMSprop": [("alpha", -0.1)]}  # what only one of the rules with that setting refuses


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [
        (rule, *wrong)
        for rule in OPTIMIZERS
        for wrong in [
            *((name, value) for name in asdict(OPTIMIZERS[rule]()) for value in WRONG.get(name, ())),
            *ALONE.get(rule, ()),
        ]
    ],
)
def test_errors_are_torchs(rule, name, value):
    with pytest.raises(ValueError) as torchs:
        getattr(torch.optim, rule)([torch.zeros(2)], **{name: value})
    with pytest.raises(ValueError) as ours:
        OPTIMIZERS[rule](**{name: value})
    assert str(ours.value) == str(torchs.value)


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("Adadelta", {"rho": 1.0}),
        ("RMSprop", {"alpha": 1.5, "momentum": 2.0}),
        ("Rprop", {"step_sizes": (2.0, 1.0)}),
        ("ASGD", {"lambd": -1.0, "alpha": -2.0, "t0": -5.0}),
    ],
)
def test_what_torch_allows_is_allowed(rule, settings):
    getattr(torch.optim, rule)([torch.zeros(2)], **settings)
    assert settings.items() <= asdict(OPTIMIZERS[rule](**settings)).items()


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("NAdam", {"betas": (1 - 2**-50, 0.9), "momentum_decay": 1e6}),
        ("ASGD", {"lr": 1e200, "lambd": 1e100, "alpha": 1e3}),
        ("ASGD", {"lr": 1.0, "lambd": -1.0, "alpha": -1.0}),
        ("RAdam", {"betas": (0.9, 1 - 2**-53)}),
        ("Adagrad", {"eps": 0.0}),
    ],
)
def test_extreme_settings_are_a_result_too(rule, settings):
    assert len(descend(quadratic(), OPTIMIZERS[rule](**settings), (0.0, 1.0), 20).points) == 21


@EVERY
def test_a_rule_has_a_formula_and_a_reason_where_it_has_no_limit(rule):
    optimizer = OPTIMIZERS[rule](lr=0.1)
    found = stability(quadratic(), optimizer)
    assert optimizer.formula
    assert (found.lr_limit is None) == (rule != "SGD")
    assert found.note.startswith("" if rule == "SGD" else "no fixed limit: ")
    assert found.note == (rule != "SGD") * optimizer.nonlinear
    assert "References:" in OPTIMIZERS[rule].__doc__ or rule == "SGD"


def test_asgd_without_a_falling_lr_has_sgds_limit():
    for kind in ({"lambd": 0.0}, {"alpha": 0.0, "lambd": 0.5}):
        found = stability(quadratic(), OPTIMIZERS["ASGD"](0.1, weight_decay=0.25, **kind))
        assert found == stability(quadratic(), OPTIMIZERS["SGD"](0.1, weight_decay=0.25 + kind["lambd"]))
